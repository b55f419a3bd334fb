"""The detector against its rules, hop by hop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.detector import REST, advance, is_active, is_attempt

ON_NV, OFF_NV = 100, 60


def one_hop(lasted_hops: int, envelope_nv: int, on_nv: int, off_nv: int) -> int:
    """Where the envelope decides."""
    return advance(lasted_hops, begins=envelope_nv >= on_nv, goes_on=envelope_nv >= off_nv)


@pytest.mark.parametrize(
    ("lasted_hops", "begins", "goes_on", "after"),
    [
        (0, True, False, 1),  # evidence is full before the envelope has risen
        (5, True, False, 6),  # and the envelope may rise later
        (0, False, True, 0),
        (5, False, True, 6),
        (5, False, False, 0),
    ],
)
def test_what_begins_need_not_go_on_yet(
    lasted_hops: int, begins: bool, goes_on: bool, after: int
) -> None:
    assert advance(lasted_hops, begins=begins, goes_on=goes_on) == after


@pytest.mark.parametrize(
    ("lasted_hops", "envelope_nv", "after"),
    [
        (0, 0, 0),
        (0, 60, 0),  # between the thresholds: rest stays rest
        (0, 99, 0),
        (0, 100, 1),  # at the on threshold is on
        (0, 2**53, 1),
        (1, 100, 2),
        (1, 99, 2),  # between the thresholds: active stays active
        (1, 60, 2),  # at the off threshold is still on
        (1, 59, 0),
        (7, 60, 8),
        (7, 0, 0),
    ],
)
def test_one_hop(lasted_hops: int, envelope_nv: int, after: int) -> None:
    assert one_hop(lasted_hops, envelope_nv, ON_NV, OFF_NV) == after


@pytest.mark.parametrize(
    ("lasted_hops", "min_hops", "active", "attempt"),
    [
        (0, 1, False, False),
        (0, 0, False, False),
        (1, 1, True, True),
        (1, 2, True, False),
        (2, 2, True, True),
        (3, 2, True, True),
    ],
)
def test_what_a_state_means(lasted_hops: int, min_hops: int, active: bool, attempt: bool) -> None:
    assert is_active(lasted_hops) is active
    assert is_attempt(lasted_hops, min_hops) is attempt


def test_rest_is_no_hops() -> None:
    assert REST == 0


def lasting(envelope_nv: list[int], on_nv: int, off_nv: int) -> list[int]:
    lasted, states = REST, []
    for value in envelope_nv:
        lasted = one_hop(lasted, value, on_nv, off_nv)
        states.append(lasted)
    return states


envelopes = st.lists(st.integers(0, 40), max_size=60)
thresholds = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(sorted)


@given(envelopes, thresholds, st.integers(1, 6))
def test_an_attempt_is_exactly_a_lasting_crossing(
    envelope_nv: list[int], off_on: list[int], min_hops: int
) -> None:
    off_nv, on_nv = off_on
    for index, lasted in enumerate(lasting(envelope_nv, on_nv, off_nv)):
        if is_attempt(lasted, min_hops):
            span = envelope_nv[index - lasted + 1 : index + 1]
            assert len(span) == lasted >= min_hops
            assert span[0] >= on_nv
            assert min(span) >= off_nv
        elif not is_active(lasted):
            assert envelope_nv[index] < on_nv


@given(envelopes, thresholds, st.integers(0, 5), st.integers(0, 5))
def test_higher_thresholds_never_make_more_of_a_hop(
    envelope_nv: list[int], off_on: list[int], raise_on_nv: int, raise_off_nv: int
) -> None:
    off_nv, on_nv = off_on
    low = lasting(envelope_nv, on_nv, off_nv)
    higher_off_nv = min(off_nv + raise_off_nv, on_nv + raise_on_nv)
    high = lasting(envelope_nv, on_nv + raise_on_nv, higher_off_nv)
    assert all(h <= w for h, w in zip(high, low, strict=True))


@given(envelopes, thresholds)
def test_no_chatter_between_the_thresholds(envelope_nv: list[int], off_on: list[int]) -> None:
    off_nv, on_nv = off_on
    states = [REST, *lasting(envelope_nv, on_nv, off_nv)]
    for before, after, value in zip(states, states[1:], envelope_nv, strict=False):
        if off_nv <= value < on_nv:
            assert is_active(before) == is_active(after)
