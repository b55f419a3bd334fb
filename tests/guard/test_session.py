"""What a session's account is, what ends it, and what outlives every trip."""

from collections.abc import Callable

import pytest

from nmesd.drivers.base import Given
from nmesd.errors import Reason
from nmesd.guard.interlock import connected
from nmesd.guard.limits import Fault
from nmesd.units import NS_PER_S
from nmesd.wire import ZERO, Beat, Disarm, Stop
from tests.guard.scene import NOW, ONE, A, Course, D, T, on, on_all
from tests.guard.test_boundaries import ROOMY

PULSE_PC = ONE.amplitude_ua * ONE.pulse_width_us


def expire(course: Course) -> None:
    course.now_ns = course.state.expiry_ns
    course.give(None)


TRIPS: dict[str, Callable[[Course], object]] = {
    "a stop": lambda course: course.give(Stop(Reason.OPERATOR_STOP, 0, 0)),
    "a fault": lambda course: course.give(Fault(Reason.DEVICE_FAILED)),
    "a bad frame": lambda course: course.give(Beat()),
    "an expired lease": expire,
}


def given(pulses: int) -> Given:
    return Given(pulses, pulses * PULSE_PC, 0, NOW)


@pytest.mark.parametrize("trip", TRIPS)
def test_dose_goes_on_over_a_trip_a_reset_and_a_new_arming(trip: str) -> None:
    course = Course(ROOMY._replace(dose_pc=10 * PULSE_PC))
    course.arm()
    course.lease(on(0))
    course.give(given(5))
    TRIPS[trip](course)
    assert course.state.state is T
    course.arm()
    course.lease(on(0))
    assert course.give(given(4)).state is A
    course.give(given(1))
    assert course.trip() == Fault(Reason.LIMIT_DOSE, 11 * PULSE_PC, 10 * PULSE_PC)


@pytest.mark.parametrize("trip", TRIPS)
def test_a_session_s_length_goes_on_over_a_trip_a_reset_and_a_new_arming(trip: str) -> None:
    course = Course(ROOMY._replace(session_ns=60 * NS_PER_S))
    course.arm()
    course.hold(NOW + 30 * NS_PER_S, ZERO)
    TRIPS[trip](course)
    course.now_ns = NOW + 50 * NS_PER_S
    course.arm()
    assert course.hold(NOW + 60 * NS_PER_S, ZERO).state is A
    course.hold(NOW + 60 * NS_PER_S + 1, ZERO)
    assert course.trip() == Fault(Reason.LIMIT_SESSION, 60 * NS_PER_S + 1, 60 * NS_PER_S)


def test_a_session_that_is_over_cannot_be_continued_by_arming_again() -> None:
    course = Course(ROOMY._replace(session_ns=60 * NS_PER_S))
    course.arm()
    course.now_ns = NOW + 61 * NS_PER_S
    course.give(None)
    for _ in range(3):
        course.arm()
        assert course.lease(on(0)).output == ZERO
        assert course.trip().reason is Reason.LIMIT_SESSION


def test_an_operator_s_disarming_ends_the_session() -> None:
    course = Course(ROOMY._replace(dose_pc=10 * PULSE_PC, session_ns=60 * NS_PER_S))
    course.arm()
    course.lease(on(0))
    course.give(given(9))
    assert course.give(Disarm(7)).state is D
    assert (course.state.tally.dose_pc, course.state.tally.session_since_ns) == (0, None)
    course.now_ns = NOW + 100 * NS_PER_S
    course.arm()
    assert course.state.tally.session_since_ns == course.now_ns
    course.lease(on(0))
    assert course.give(given(9)).state is A


@pytest.mark.parametrize("trip", TRIPS)
def test_an_operator_s_disarming_ends_the_session_of_a_tripped_guard_too(trip: str) -> None:
    course = Course(ROOMY)
    course.arm()
    course.lease(on(0))
    course.give(given(9))
    TRIPS[trip](course)
    latched = course.state.trip
    course.give(Disarm(7))
    assert (course.state.state, course.state.trip) == (T, latched)
    assert (course.state.tally.dose_pc, course.state.tally.session_since_ns) == (0, None)


def test_a_disarming_of_nobody_s_ends_no_session() -> None:
    course = Course(ROOMY._replace(dose_pc=10 * PULSE_PC, session_ns=60 * NS_PER_S))
    course.arm()
    course.lease(on(0))
    course.give(given(9))
    assert course.give(Disarm(0)).state is D
    tally = course.state.tally
    assert (tally.dose_pc, tally.session_since_ns) == (9 * PULSE_PC, NOW)
    course.arm()
    course.lease(on(0))
    course.give(given(1))
    assert course.trip().reason is Reason.LIMIT_DOSE


def test_a_new_client_continues_the_session() -> None:
    course = Course(ROOMY)
    course.arm()
    course.lease(on(0))
    course.give(given(9))
    course.give(Fault(Reason.ENGINE_GONE))
    before = course.state.tally
    course.state = connected(course.state, NOW + 1)
    assert course.state.tally == before


@pytest.mark.parametrize("operator", [0, 7])
@pytest.mark.parametrize("trip", TRIPS)
def test_rest_outlives_everything(trip: str, operator: int) -> None:
    course = Course(ROOMY._replace(rest_ns=5 * NS_PER_S))
    course.arm()
    course.lease(on(0))
    TRIPS[trip](course)
    off_ns = course.now_ns
    course.give(Disarm(operator))
    course.arm()
    course.give(Disarm(operator))
    course.state = connected(course.state, course.now_ns)
    course.arm()
    course.hold(off_ns + 5 * NS_PER_S - 1, ZERO)
    course.lease(on(0))
    assert course.trip() == Fault(Reason.LIMIT_REST, 5 * NS_PER_S - 1, 5 * NS_PER_S, 0)


@pytest.mark.parametrize("operator", [0, 7])
@pytest.mark.parametrize("trip", TRIPS)
def test_duty_rise_and_trains_outlive_everything(trip: str, operator: int) -> None:
    course = Course(ROOMY)
    course.arm()
    course.lease(on(0))
    course.hold(NOW + 2 * NS_PER_S)
    TRIPS[trip](course)
    course.give(Disarm(operator))
    course.arm()
    used = course.state.tally.channels[0]
    assert [begin_ns for begin_ns, _ in used.trains] == [NOW]
    assert used.trains[0][1] >= NOW + 2 * NS_PER_S
    assert (used.spent, used.spent_at_ns) == (ONE.amplitude_ua * NS_PER_S, NOW)


def test_the_next_pulse_of_every_channel_counts_to_the_dose() -> None:
    course = Course(ROOMY._replace(dose_pc=10 * PULSE_PC))
    course.arm()
    course.lease(on_all(0, 3, 5))
    assert course.give(given(7)).state is A  # 7 given, 3 due
    course.give(given(1))
    assert course.trip() == Fault(Reason.LIMIT_DOSE, 11 * PULSE_PC, 10 * PULSE_PC)


def test_what_was_given_is_counted_in_every_state() -> None:
    course = Course(ROOMY)
    course.give(given(1))
    course.arm()
    course.give(given(2))
    course.give(Fault(Reason.DEVICE_FAILED))
    course.give(given(4))
    assert course.state.tally.dose_pc == 7 * PULSE_PC


def test_what_was_given_as_the_lease_ended_is_counted() -> None:
    course = Course(ROOMY)
    course.arm()
    course.lease(on(0))
    course.now_ns = course.state.expiry_ns
    course.give(given(1))
    assert course.trip() == Fault(Reason.LEASE_EXPIRED, 0, 0)
    assert course.state.tally.dose_pc == PULSE_PC
