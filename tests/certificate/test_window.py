"""Histograms of a stretch of time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.certificate.window import between, figures
from nmesd.wire import Histogram

TIMES = st.lists(st.integers(0, 10**9), max_size=40)


def counted(*ns: int) -> dict[str, dict[str, Any]]:
    stage = Histogram()
    for one in ns:
        stage.add(one)
    return {"guard": {"max_ns": stage.max_ns, "pairs": stage.pairs()}} if ns else {}


@given(TIMES, TIMES)
def test_it_is_what_came_in_between(before: list[int], since: list[int]) -> None:
    found = between(counted(*before), counted(*before, *since))
    if not since:
        assert found == {}
        return
    alone = Histogram.of(counted(*since)["guard"]["pairs"], max(since))
    assert found["guard"].pairs() == alone.pairs()
    # exact, or no more than a bucket over it
    assert alone.max_ns <= found["guard"].max_ns <= alone.max_ns * 33 / 32 + 1


def test_the_longest_before_is_not_the_longest_since() -> None:
    found = between(counted(50_000_000), counted(50_000_000, 1_000))
    assert 1_000 <= found["guard"].max_ns < 1_032
    assert between(counted(1_000), counted(1_000, 50_000_000))["guard"].max_ns == 50_000_000


def test_the_four_figures() -> None:
    stage = Histogram()
    for us in range(1, 1001):
        stage.add(us * 1000)
    found = figures(stage)
    assert list(found) == ["p50_us", "p99_us", "p999_us", "max_us"]
    assert found["p50_us"] == pytest.approx(500, rel=0.04)
    assert found["p99_us"] == pytest.approx(990, rel=0.04)
    assert found["max_us"] == 1000
