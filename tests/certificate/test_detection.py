"""Known onsets and decisions: what counts, and what says nothing."""

from typing import Any

import pytest

from nmesd.certificate.detection import Change, Tried, detection
from nmesd.core.values import Mode

MS = 1_000_000


def changes(*at: tuple[int, Mode]) -> list[Change]:
    return [Change(ms * MS, mode) for ms, mode in at]


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    return found["attempts"], found["missed"], found["false"]


READY = (0, Mode.READY)


@pytest.mark.parametrize(
    ("decided", "says"),
    [
        ((1060, Mode.STIMULATING), (1, 0, 0)),
        ((2500, Mode.TRIPPED), (1, 1, 0)),  # over, and nothing came
        ((1500, Mode.TRIPPED), (0, 0, 0)),  # in the middle of it: nobody knows
        ((900, Mode.STIMULATING), (0, 0, 1)),  # before it
        ((2500, Mode.STIMULATING), (1, 1, 1)),  # after it
    ],
)
def test_one_attempt(decided: tuple[int, Mode], says: tuple[int, int, int]) -> None:
    assert counts(detection([Tried(1000 * MS, 2000 * MS)], changes(READY, decided))) == says


def test_an_attempt_while_nobody_listens_says_nothing() -> None:
    found = detection([Tried(1000 * MS, 2000 * MS)], changes((0, Mode.REST), (3000, Mode.READY)))
    assert counts(found) == (0, 0, 0)
    assert found["p50_ms"] is found["p95_ms"] is found["max_ms"] is None


def test_the_delay_counts_from_the_onset() -> None:
    tried = [Tried(1000 * n * MS, (1000 * n + 500) * MS) for n in range(1, 22)]
    told = []
    for n in range(1, 22):
        told += [(1000 * n - 100, Mode.READY), (1000 * n + 10 * n, Mode.STIMULATING)]
    found = detection(tried, changes(*told))
    assert (found["p50_ms"], found["p95_ms"], found["max_ms"]) == (110.0, 200.0, 210.0)
