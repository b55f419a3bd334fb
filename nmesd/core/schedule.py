"""Which trial is for what: seeded, so that it can be told again, and balanced, so that it cannot be guessed."""

from __future__ import annotations

import random

from nmesd.core.values import Trial

MOST_IN_A_ROW = 2  # trials that are not GO


def balanced(
    trials: int, sets: int, no_go_percent: int, sham_percent: int, seed: int
) -> tuple[Trial, ...]:
    """Each set has its exact share of each, rounded, in an order drawn from the seed.

    A set begins with GO, and no more than two others follow each other. Empty if all are GO. Raises ValueError
    if that cannot be.
    """
    no_go, sham = (round(trials * percent / 100) for percent in (no_go_percent, sham_percent))
    if not no_go and not sham:
        return ()
    go = trials - no_go - sham
    if go < 1 or no_go + sham > MOST_IN_A_ROW * go:
        raise ValueError(
            f"{no_go} no-go and {sham} sham of {trials} trials: at least a third must be go, and there must be one"
        )
    rng = random.Random(seed)  # noqa: S311 - to be told again, not to be secret
    order: list[Trial] = []
    for _ in range(sets):
        # Gaps after each GO hold up to two others: drawn by places, so that every order is possible at once.
        places = [place for place in range(go) for _ in range(MOST_IN_A_ROW)]
        others = [Trial.NO_GO] * no_go + [Trial.SHAM] * sham
        rng.shuffle(places)
        rng.shuffle(others)
        chosen = sorted(zip(places[: len(others)], range(len(others)), strict=True))
        for place in range(go):
            order.append(Trial.GO)
            order += [others[n] for at, n in chosen if at == place]
    return tuple(order)
