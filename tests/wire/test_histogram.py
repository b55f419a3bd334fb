"""Times as counts: what a bucket loses, what adds up, and what goes over the wire."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.units import NS_PER_S
from nmesd.wire import Histogram, Stage, Stages, Timing, decode, encode
from nmesd.wire.histogram import LAST, bounds_ns, bucket_of, pairs_of

times_ns = st.integers(0, 60 * NS_PER_S)


@given(times_ns)
def test_a_bucket_holds_its_time_to_three_percent(ns: int) -> None:
    low, high = bounds_ns(bucket_of(ns))
    assert low <= ns < high
    assert high - low <= max(1, low / 32)


def test_buckets_follow_one_another_without_a_gap() -> None:
    ends = [bounds_ns(bucket) for bucket in range(LAST + 1)]
    assert ends[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(ends))


@pytest.mark.parametrize(
    ("ns", "bucket"), [(-1, 0), (-(2**40), 0), (2**62, LAST), (63, 63), (64, 64)]
)
def test_what_no_bucket_is_for_has_one(ns: int, bucket: int) -> None:
    assert bucket_of(ns) == bucket


@given(st.lists(times_ns, min_size=1), st.floats(0.001, 1.0))
def test_a_quantile_is_the_sorted_list_s_to_three_percent(many: list[int], share: float) -> None:
    histogram = Histogram()
    for ns in many:
        histogram.add(ns)
    at = next(n for n in range(1, len(many) + 1) if n >= share * len(many))
    true_ns = sorted(many)[at - 1]
    assert true_ns <= histogram.quantile_ns(share) <= true_ns * 33 / 32 + 1
    assert histogram.quantile_ns(1.0) == histogram.max_ns == max(many)


def test_of_nothing_every_figure_is_zero() -> None:
    empty = Histogram()
    assert (empty.count, empty.max_ns, empty.quantile_ns(0.5), empty.pairs()) == (0, 0, 0, [])


@given(st.lists(times_ns), st.lists(times_ns))
def test_two_together_are_all_their_times(some: list[int], others: list[int]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for ns in some:
        one.add(ns)
    for ns in others:
        other.add(ns)
    for ns in (*some, *others):
        both.add(ns)
    one.merge(other)
    again = Histogram.of(both.pairs(), both.max_ns)
    assert (one.pairs(), one.max_ns) == (both.pairs(), both.max_ns) == (again.pairs(), again.max_ns)


def test_every_second_each_stage_that_was_met_and_never_twice() -> None:
    stages = Stages(Stage.GUARD, Stage.DEVICE_ACK)
    assert list(stages.due(0)) == []
    for ns in (5, 5, 7000):
        stages.met(Stage.GUARD, ns)
    assert list(stages.due(NS_PER_S - 1)) == []
    (frame,) = stages.due(NS_PER_S)
    assert (frame.stage, frame.max_ns) == (Stage.GUARD, 7000)
    assert pairs_of(frame) == [(5, 2), (bucket_of(7000), 1)]
    assert decode(encode(frame, 1, 0)).frame == frame
    assert list(stages.due(2 * NS_PER_S)) == []


def test_half_a_pair_is_refused() -> None:
    with pytest.raises(struct.error):
        pairs_of(Timing(1, 1, b"\0" * 7))


def test_the_figures_are_in_microseconds() -> None:
    histogram = Histogram()
    for us in (*[10] * 98, 20, 30):
        histogram.add(us * 1000)
    figures = histogram.figures()
    assert list(figures) == ["count", "p50_us", "p99_us", "p999_us", "max_us"]
    assert figures["count"] == 100
    assert [figures[name] for name in ("p50_us", "p99_us", "p999_us")] == pytest.approx(
        [10, 20, 30], rel=1 / 32
    )
    assert figures["max_us"] == 30
