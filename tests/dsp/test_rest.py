"""Rest is found among attempts, in whatever share, and never in them."""

import numpy as np
import pytest

from dsp.blocks import Array
from dsp.rest import WINDOW_S, find_rest

HOP_S = 0.001


def recording(
    seconds: float, every_s: float, lasts_s: float, ratio: float, seed: int = 1
) -> tuple[Array, list[bool]]:
    """Energy of each hop, and whether the muscle is active in it."""
    hops = round(seconds / HOP_S)
    t = np.arange(hops) * HOP_S
    active = (t % every_s) > every_s - lasts_s
    rng = np.random.default_rng(seed)
    return rng.chisquare(1, hops) * np.where(active, ratio, 1.0), active.tolist()


@pytest.mark.parametrize("ratio", [4.0, 30.0, 1000.0])
@pytest.mark.parametrize(("every_s", "lasts_s"), [(10.0, 1.5), (4.0, 1.5), (5.0, 3.0)])
def test_most_of_rest_is_found_and_nothing_of_the_attempts(
    every_s: float, lasts_s: float, ratio: float
) -> None:
    energy, active = recording(60, every_s, lasts_s, ratio)
    spans = find_rest(energy, HOP_S)
    found = np.zeros(len(energy), dtype=np.bool_)
    for first, last in spans:
        found[first:last] = True
    assert not (found & np.array(active)).any()
    possible = 1 - 2 * 2 * WINDOW_S / (
        every_s - lasts_s
    )  # a window on each side is cut, and one beside it
    assert found.sum() > 0.9 * max(0.2, possible) * (len(active) - sum(active)) - WINDOW_S / HOP_S


def test_rest_alone_is_nearly_all_rest() -> None:
    energy, _ = recording(30, 100, 0, 1)
    assert sum(last - first for first, last in find_rest(energy, HOP_S)) > 0.9 * len(energy)


def test_scale_does_not_matter() -> None:
    energy, _ = recording(30, 5, 1.5, 20)
    assert find_rest(energy, HOP_S) == find_rest(energy * 2.0**20, HOP_S)


def test_what_cannot_be_judged_is_no_rest() -> None:
    energy, _ = recording(30, 100, 0, 1)
    energy[:5000] = np.nan
    assert min(first for first, _ in find_rest(energy, HOP_S)) >= 5000
    assert find_rest(np.full(30_000, np.nan), HOP_S) == ()


def test_too_short_is_no_rest() -> None:
    assert find_rest(np.ones(round(9.9 * WINDOW_S / HOP_S)), HOP_S) == ()
