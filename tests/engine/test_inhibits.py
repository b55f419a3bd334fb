"""What forbids arming, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from nmesd.engine.inhibits import FOREVER_NS, PASSING_NS, Inhibits
from nmesd.errors import Reason

NOW = 10**12


def test_nothing_forbids_at_first() -> None:
    assert Inhibits().mask(NOW) == 0


def test_a_bit_for_each_until_it_is_cleared() -> None:
    inhibits = Inhibits()
    inhibits.set(Reason.EMG_NO_STREAM)
    inhibits.set(Reason.GUARD_GONE)
    assert inhibits.mask(FOREVER_NS - 1) == 1 << Reason.EMG_NO_STREAM | 1 << Reason.GUARD_GONE
    inhibits.clear(Reason.EMG_NO_STREAM, Reason.EMG_GAP)  # one that is there, one that is not
    assert inhibits.mask(NOW) == 1 << Reason.GUARD_GONE
    inhibits.clear()
    assert inhibits.mask(NOW) == 1 << Reason.GUARD_GONE


def test_one_that_passes_is_over_at_its_time() -> None:
    inhibits = Inhibits()
    inhibits.set(Reason.EMG_GAP, NOW + PASSING_NS)
    assert inhibits.mask(NOW + PASSING_NS - 1) == 1 << Reason.EMG_GAP
    assert inhibits.mask(NOW + PASSING_NS) == 0


def test_a_new_one_takes_the_place_of_the_old() -> None:
    inhibits = Inhibits()
    inhibits.set(Reason.EMG_GAP, NOW + 1)
    inhibits.set(Reason.EMG_GAP, NOW + 3)
    assert inhibits.mask(NOW + 2) == 1 << Reason.EMG_GAP


@given(st.dictionaries(st.sampled_from(Reason), st.integers(NOW - 5, NOW + 5)))
def test_the_mask_is_those_whose_time_is_not_over(until_ns: dict[Reason, int]) -> None:
    inhibits = Inhibits()
    for reason, end_ns in until_ns.items():
        inhibits.set(reason, end_ns)
    mask = inhibits.mask(NOW)
    for reason in Reason:
        assert bool(mask >> reason & 1) == (until_ns.get(reason, 0) > NOW)
