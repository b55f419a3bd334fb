"""Who was late: the engine alone, the guard alone, or the whole machine. All three stop."""

import pytest

from nmesd.drivers.base import Given
from nmesd.errors import Reason
from nmesd.guard.loop import LATE_NS, STALL_NS, TICK_NS
from nmesd.units import NS_PER_MS
from nmesd.wire import ZERO, Disarm, GuardState
from tests.guard.turned import Bench


def tripped(bench: Bench) -> tuple[Reason, int, int]:
    report = bench.report
    assert report.state == GuardState.TRIPPED
    assert not bench.driver.gives
    assert bench.facts[-1]["reason"] == Reason(report.trip_reason).name
    return Reason(report.trip_reason), report.trip_value, report.trip_limit


@pytest.fixture
def giving(bench: Bench) -> Bench:
    bench.arm()
    bench.lease()
    assert bench.driver.gives
    return bench


def test_a_machine_that_stood_still_trips_by_its_name(giving: Bench) -> None:
    giving.oversleeps_ns = LATE_NS + 1
    giving.turn()
    reason, value, limit = tripped(giving)
    assert (reason, limit) == (Reason.MACHINE_STALLED, LATE_NS)
    assert value > LATE_NS


def test_late_by_just_the_limit_is_not_late(giving: Bench) -> None:
    planned_ns = giving.guard._wake_ns(giving.clock.now_ns)
    giving.oversleeps_ns = LATE_NS
    giving.turn()
    assert giving.clock.now_ns - planned_ns == LATE_NS
    assert giving.report.state == GuardState.ARMED
    assert giving.driver.gives


def test_an_engine_that_spoke_meanwhile_shows_that_the_guard_alone_was_late(giving: Bench) -> None:
    giving.oversleeps_ns = LATE_NS + TICK_NS + 1
    giving.turn(giving.leased())
    reason, value, limit = tripped(giving)
    assert (reason, limit) == (Reason.GUARD_LATE, LATE_NS)
    assert value > LATE_NS


def test_at_a_lease_s_end_a_small_stall_is_told_from_a_late_engine(giving: Bench) -> None:
    giving.lease(ahead_ns=3 * NS_PER_MS)
    giving.until(lambda: giving.guard._next_pulse_ns >= giving.guard._state.expiry_ns)
    giving.oversleeps_ns = STALL_NS + 1
    giving.turn()
    assert tripped(giving) == (Reason.MACHINE_STALLED, STALL_NS + 1, STALL_NS)


def test_a_stall_of_the_limit_at_a_lease_s_end_leaves_the_engine_to_blame(giving: Bench) -> None:
    giving.lease(ahead_ns=3 * NS_PER_MS)
    giving.oversleeps_ns = STALL_NS
    giving.turn()
    assert tripped(giving) == (Reason.LEASE_EXPIRED, STALL_NS, 0)


def test_at_a_lease_s_end_the_guard_alone_may_have_been_late(giving: Bench) -> None:
    giving.lease(ahead_ns=3 * NS_PER_MS)
    giving.oversleeps_ns = 3 * NS_PER_MS + STALL_NS + 1
    giving.turn(giving.leased())
    reason, _, limit = tripped(giving)
    assert (reason, limit) == (Reason.GUARD_LATE, STALL_NS)


def test_a_lease_that_ends_just_now_has_ended(giving: Bench) -> None:
    giving.until(lambda: giving.guard._next_pulse_ns > giving.clock.now_ns + 2 * TICK_NS - 100_000)
    giving.lease(ahead_ns=TICK_NS + STALL_NS + 20_000)
    left_ns = giving.guard._state.expiry_ns - giving.clock.now_ns
    giving.oversleeps_ns = late_ns = left_ns - TICK_NS
    assert STALL_NS < late_ns < LATE_NS
    giving.turn()
    assert tripped(giving) == (Reason.MACHINE_STALLED, late_ns, STALL_NS)


def test_a_late_engine_is_late_to_the_nanosecond(giving: Bench) -> None:
    giving.lease(ahead_ns=3 * NS_PER_MS)
    giving.until(lambda: giving.report.state == GuardState.TRIPPED)
    assert tripped(giving) == (Reason.LEASE_EXPIRED, 0, 0)


def test_a_guard_that_is_not_armed_may_sleep(bench: Bench) -> None:
    bench.oversleeps_ns = 100 * LATE_NS
    bench.turn()
    assert bench.report.state == GuardState.DISARMED
    bench.arm()
    assert bench.report.tick_late_max_ns == 0


def test_the_greatest_lateness_of_a_session_is_reported(giving: Bench) -> None:
    for late_ns in (1, 3, 2):
        giving.lease()
        giving.oversleeps_ns = late_ns * NS_PER_MS
        giving.turn()
    giving.until(lambda: giving.report.tick_late_max_ns > 0)
    assert giving.report.tick_late_max_ns == 3 * NS_PER_MS
    giving.turn(Disarm(7))
    for _ in range(3):
        giving.turn()
        assert giving.report.tick_late_max_ns == 3 * NS_PER_MS
    giving.arm()
    giving.until(lambda: giving.report.tick_late_max_ns == 0)  # of this session, there is none
    assert giving.report.state == GuardState.ARMED


def test_a_device_that_holds_the_guard_up_trips_it(
    giving: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = giving.driver.tick

    def slow(now_ns: int) -> Given:
        giving.clock.now_ns += 2 * LATE_NS  # a USB stall, say
        return tick(now_ns)

    monkeypatch.setattr(giving.driver, "tick", slow)
    giving.until(lambda: giving.guard._next_pulse_ns <= giving.clock.now_ns)
    giving.lease()
    for _ in range(10):
        giving.lease()
    assert giving.report.trip_reason in (Reason.GUARD_LATE, Reason.MACHINE_STALLED)


def test_it_wakes_for_the_tick_the_pulse_or_the_lease_s_end_whichever_is_first(
    bench: Bench,
) -> None:
    now_ns = bench.clock.now_ns
    assert bench.guard._wake_ns(now_ns) == now_ns + TICK_NS
    bench.arm()
    bench.lease(ZERO, ahead_ns=3 * NS_PER_MS)
    now_ns = bench.clock.now_ns
    assert bench.guard._wake_ns(now_ns) == bench.guard._state.expiry_ns < now_ns + TICK_NS
    bench.lease(ahead_ns=80 * NS_PER_MS)
    now_ns = bench.clock.now_ns
    bench.guard._next_pulse_ns = now_ns + 7
    assert bench.guard._wake_ns(now_ns) == now_ns + 7
    bench.guard._next_pulse_ns = now_ns - 7
    assert bench.guard._wake_ns(now_ns) == now_ns
