"""Rise, train, rest, duty and trains a minute over any course of time, against oracles that count the long way."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.errors import Reason
from nmesd.guard.limits import Fault
from nmesd.guard.tally import Channel, Tally, admit, overrun, silence
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ZERO, ChannelOutput, Output
from tests.guard.scene import NOW, ONE, A, Course, on, on_all
from tests.guard.test_boundaries import ROOMY

RISE = ROOMY._replace(rise_ua_s=60_000)  # a bucket of 6 mA
PERIOD_US = 20_000


def out(amplitude_ua: int, pulse_width_us: int = 200, channel: int = 0) -> Output:
    return on(channel, ChannelOutput(amplitude_ua, pulse_width_us, PERIOD_US))


def admitted(tally: Tally | Fault) -> Tally:
    assert isinstance(tally, Tally), tally
    return tally


def refused(tally: Tally | Fault) -> Fault:
    assert isinstance(tally, Fault)
    return tally


def test_each_channel_is_looked_at_whatever_those_before_it_do() -> None:
    """One goes on, one ends, one stays silent: the last one's beginning still counts."""
    before = admitted(admit(Tally(), on_all(0, 1, one=ONE), NOW, ROOMY))
    after = admitted(admit(before, on_all(0, 3, one=ONE), NOW + 1, ROOMY))
    amplitudes = [channel.amplitude_ua for channel in after.channels]
    assert amplitudes == [ONE.amplitude_ua, 0, 0, ONE.amplitude_ua, 0, 0, 0, 0]
    assert after.channels[1].trains == ((NOW, NOW + 1),)


# ---- rise -------------------------------------------------------------------------------------

steps = st.tuples(st.integers(0, 300 * NS_PER_MS), st.integers(0, 9000), st.integers(1, 500))


@settings(max_examples=300)
@given(st.lists(steps, min_size=2, max_size=25), st.integers(10, 260_000))
def test_over_any_time_the_rise_is_at_most_the_rate_times_it_and_a_tenth_of_a_second(
    course: list[tuple[int, int, int]], rise_ua_s: int
) -> None:
    limits = ROOMY._replace(rise_ua_s=rise_ua_s)
    tally, now_ns = Tally(), NOW
    amplitude, width = 0, 1
    rises: list[tuple[int, Fraction]] = []
    for later_ns, amplitude_ua, width_us in course:
        now_ns += later_ns
        after = admit(tally, out(amplitude_ua, width_us), now_ns, limits)
        by_charge = amplitude_ua - Fraction(amplitude * width, width_us)
        rise = max(Fraction(amplitude_ua - amplitude), by_charge, Fraction(0))
        if isinstance(after, Fault):
            assert after.reason is Reason.LIMIT_RISE
            assert after.value > after.limit
            assert rise > 0  # falls are free
            continue
        tally, amplitude, width = after, amplitude_ua, width_us
        rises.append((now_ns, rise))
    for first, (begin_ns, _) in enumerate(rises):
        total = Fraction(0)
        for end_ns, rise in rises[first:]:
            total += rise
            assert total <= Fraction(rise_ua_s * (end_ns - begin_ns), NS_PER_S) + rise_ua_s // 10


@pytest.mark.parametrize("step_ms", [1, 2, 5, 10, 100])
def test_a_ramp_at_the_rate_is_let_through_in_any_steps(step_ms: int) -> None:
    tally = Tally()
    for n in range(1, 500 // step_ms + 1):
        now_ns = NOW + n * step_ms * NS_PER_MS
        tally = admitted(admit(tally, out(60 * step_ms * n), now_ns, RISE))
    assert tally.channels[0].amplitude_ua == 30_000


def test_a_slow_ramp_at_the_rate_is_let_through_though_its_steps_are_uneven() -> None:
    limits = ROOMY._replace(rise_ua_s=1000)  # 1 µA a step, and a bucket of 100 µA
    tally = Tally()
    for n in range(1, 2001):
        now_ns = NOW + n * NS_PER_MS + (n % 2) * 1000
        tally = admitted(admit(tally, out(n), now_ns, limits))
    assert tally.channels[0].amplitude_ua == 2000


def test_a_ramp_over_the_rate_is_refused_in_time() -> None:
    tally, n = Tally(), 0
    after: Tally | Fault = tally
    while isinstance(after, Tally):
        tally, n = after, n + 1
        after = admit(tally, out(66 * n), NOW + n * NS_PER_MS, RISE)
        assert n < 1100  # 6 µA over at each step, and 6 mA to spend
    assert after.reason is Reason.LIMIT_RISE
    assert n > 900


def test_what_was_spent_comes_back_at_the_rate_and_no_further() -> None:
    tally = admitted(admit(Tally(), out(6000), NOW, RISE))
    for later_ms, room_ua in ((0, 0), (1, 60), (50, 3000), (100, 6000), (10_000, 6000)):
        now_ns = NOW + later_ms * NS_PER_MS
        admitted(admit(tally, out(6000 + room_ua), now_ns, RISE))
        over = refused(admit(tally, out(6001 + room_ua), now_ns, RISE))
        assert over == Fault(Reason.LIMIT_RISE, room_ua + 1, room_ua, 0)


def test_falls_are_free_and_give_nothing_back() -> None:
    tally = admitted(admit(Tally(), out(6000), NOW, RISE))
    for amplitude_ua in (5999, 3000, 1):
        tally = admitted(admit(tally, out(amplitude_ua), NOW, RISE))
    assert refused(admit(tally, out(2), NOW, RISE)) == Fault(Reason.LIMIT_RISE, 1, 0, 0)
    tally = admitted(admit(tally, ZERO, NOW, RISE))
    assert refused(admit(tally, out(1), NOW, RISE)) == Fault(Reason.LIMIT_RISE, 1, 0, 0)


def test_a_wider_pulse_counts_as_the_amplitude_its_charge_is_worth() -> None:
    tally = admitted(admit(Tally(), out(4000, 100), NOW, RISE))  # 2 mA are left
    admitted(admit(tally, out(4000, 200), NOW, RISE))  # as if it had been 2 mA at 200 µs
    over = refused(admit(tally, out(4000, 201), NOW, RISE))
    assert over == Fault(Reason.LIMIT_RISE, 4000 - 400_000 // 201, 2000, 0)
    admitted(admit(tally, out(4000, 50), NOW, RISE))
    narrow = admitted(admit(Tally(), out(4000, 1), NOW, RISE))
    admitted(admit(narrow, out(6000, 1), NOW, RISE))
    admitted(admit(tally, out(6000, 66), NOW, RISE))
    assert refused(admit(tally, out(6001, 66), NOW, RISE)).value == 2001


def test_a_new_period_alone_is_no_rise() -> None:
    tally = admitted(admit(Tally(), out(6000), NOW, RISE))
    faster = on(0, ChannelOutput(6000, 200, PERIOD_US // 2))
    assert admit(tally, faster, NOW, RISE) == tally


def test_each_channel_has_its_own_rise() -> None:
    both = on_all(0, 3, one=ChannelOutput(6000, 200, PERIOD_US))
    tally = admitted(admit(Tally(), both, NOW, RISE))
    over = list(both)
    over[3] = over[3]._replace(amplitude_ua=6001)
    assert refused(admit(tally, tuple(over), NOW, RISE)) == Fault(Reason.LIMIT_RISE, 1, 0, 3)


# ---- trains, rest, duty -----------------------------------------------------------------------

patterns = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 40)), min_size=1, max_size=12)


@settings(max_examples=300)
@given(patterns, st.integers(1, 60))
def test_no_minute_has_more_current_than_the_duty(
    pattern: list[tuple[int, int]], duty_s: int
) -> None:
    """Time in cells of a second, looked at each second: the window is the last 60 cells."""
    limits = ROOMY._replace(duty_ns=duty_s * NS_PER_S)
    tally, cells = Tally(), list[int]()
    for on_s, off_s in pattern:
        now_ns = NOW + len(cells) * NS_PER_S
        tally = admitted(admit(tally, on(0), now_ns, limits))
        for _ in range(on_s):
            cells.append(1)
            now_ns += NS_PER_S
            used_up = overrun(tally, now_ns, limits)
            in_window = sum(cells[-60:])
            assert (used_up is not None) == (in_window > duty_s)
            if used_up is not None:
                whole, limit = in_window * NS_PER_S, duty_s * NS_PER_S
                assert used_up == Fault(Reason.LIMIT_DUTY, whole, limit, 0)
                tally = silence(tally, now_ns)
                break
        else:
            tally = admitted(admit(tally, ZERO, now_ns, limits))
        assert overrun(tally, now_ns, limits) is None  # a channel at zero uses nothing up
        cells += [0] * off_s


@settings(max_examples=300)
@given(st.lists(st.integers(1, 25), min_size=2, max_size=40), st.integers(1, 12))
def test_no_minute_has_more_beginnings_than_allowed(gaps_s: list[int], most: int) -> None:
    limits = ROOMY._replace(trains_per_min=most)
    tally, at_s = Tally(), 0
    begun: list[int] = []
    for gap_s in gaps_s:
        now_ns = NOW + at_s * NS_PER_S
        after = admit(tally, on(0), now_ns, limits)
        recent = sum(at_s - one < 60 for one in begun)
        assert isinstance(after, Fault) == (recent >= most)
        if isinstance(after, Tally):
            begun.append(at_s)
            assert (
                len(after.channels[0].trains) <= most + 1
            )  # what is over a minute old is forgotten
            tally = admitted(admit(after, ZERO, now_ns + NS_PER_S // 2, limits))
        else:
            assert after == Fault(Reason.LIMIT_TRAINS, recent + 1, most, 0)
        at_s += gap_s


def test_a_long_train_stays_in_the_duty_until_a_minute_after_its_end() -> None:
    limits = ROOMY._replace(duty_ns=40 * NS_PER_S)
    course = Course(limits)
    course.arm()
    course.lease(on(0))
    course.hold(NOW + 40 * NS_PER_S)
    course.lease(ZERO)
    course.hold(NOW + 70 * NS_PER_S)  # the window has 30 s of it
    course.lease(on(0))
    # each second that is given, one of the old train's leaves the window, until all of that is gone
    assert course.hold(NOW + 110 * NS_PER_S).state is A
    course.hold(NOW + 110 * NS_PER_S + 1)
    assert course.trip() == Fault(Reason.LIMIT_DUTY, 40 * NS_PER_S + 1, 40 * NS_PER_S, 0)


def test_a_change_of_amplitude_neither_ends_a_train_nor_begins_one() -> None:
    limits = ROOMY._replace(train_ns=10 * NS_PER_S, trains_per_min=1)
    course = Course(limits)
    course.arm()
    for second in range(10):
        course.hold(NOW + second * NS_PER_S)
        course.lease(on(0, ONE._replace(amplitude_ua=5000 + 100 * (second % 3))))
    assert course.hold(NOW + 10 * NS_PER_S).state is A
    course.hold(NOW + 10 * NS_PER_S + 1)
    assert course.trip().reason is Reason.LIMIT_TRAIN


def test_each_channel_has_its_own_train_rest_and_duty() -> None:
    limits = ROOMY._replace(train_ns=5 * NS_PER_S, rest_ns=NS_PER_S, duty_ns=10 * NS_PER_S)
    course = Course(limits)
    course.arm()
    for n in range(8):
        course.lease(on(n))  # the one before falls silent at the same time
        assert course.hold(NOW + (n + 1) * 5 * NS_PER_S).state is A
    course.lease(on(0))  # it has rested for 35 s, and its minute has 5 s
    assert course.hold(NOW + 45 * NS_PER_S).state is A
    course.hold(NOW + 45 * NS_PER_S + 1)
    assert course.trip().channel == 0


def test_a_channel_never_used_has_rested_long_enough() -> None:
    limits = ROOMY._replace(rest_ns=600 * NS_PER_S)
    assert isinstance(
        admit(Tally(), on(0), 0, limits), Tally
    )  # even just after the machine started


def test_silence_ends_every_train_now_and_changes_nothing_else() -> None:
    tally = admitted(admit(Tally(dose_pc=5, session_since_ns=NOW), on_all(0, 3), NOW, ROOMY))
    after = silence(tally, NOW + 7)
    for channel in (0, 3):
        one = after.channels[channel]
        assert (one.amplitude_ua, one.pulse_width_us, one.since_ns) == (0, 0, NOW + 7)
        assert one.trains == ((NOW, NOW + 7),)
        assert (one.spent, one.spent_at_ns) == (10_000 * NS_PER_S, NOW)
    assert after.channels[1] == Channel()
    assert (after.dose_pc, after.session_since_ns) == (5, NOW)
    assert silence(after, NOW + 9) == after


def test_a_channel_that_is_off_stays_as_it_is_whatever_width_stands_beside_its_zero() -> None:
    tally = admitted(admit(Tally(), on(0), NOW, ROOMY))
    tally = admitted(admit(tally, ZERO, NOW + 5, ROOMY))
    still = tuple(ChannelOutput(0, 250, 25_000) for _ in ZERO)
    assert admit(tally, still, NOW + 9, ROOMY) == tally
