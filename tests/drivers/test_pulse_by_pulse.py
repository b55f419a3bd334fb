"""Drivers that send each pulse one by one, in made-up time: exact where `test_conformance.py` cannot be."""

import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmesd.drivers import make_driver
from nmesd.drivers.base import NEVER_NS, Driver
from nmesd.drivers.pulses import PulseClock
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS, NS_PER_US
from nmesd.wire import ZERO, ChannelOutput, Output

START = 10**12
PERIOD_NS = 20 * NS_PER_MS
ONE = ChannelOutput(10_000, 250, PERIOD_NS // NS_PER_US)
GIVING: Output = (ONE, *ZERO[1:])


@pytest.fixture(params=["null", "sim"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    driver = make_driver(request.param, str(tmp_path / "nobody"))
    driver.open()
    yield driver
    driver.close()


def pulses_of(driver: Driver, times_ns: list[int]) -> list[int]:
    """When a pulse came, ticking at these times (one channel is on)."""
    given = []
    for now_ns in times_ns:
        got = driver.tick(now_ns)
        assert got.pulses in (0, 1)
        assert got.charge_pc == got.pulses * ONE.amplitude_ua * ONE.pulse_width_us
        assert got.next_ns > now_ns
        given += [now_ns] * got.pulses
    return given


class TestPulseByPulse:
    def test_nothing_before_the_first_apply(self, driver: Driver) -> None:
        for now_ns in range(START, START + 10 * PERIOD_NS, PERIOD_NS):
            assert driver.tick(now_ns) == (0, 0, 0, NEVER_NS)

    def test_the_first_pulse_is_due_at_once(self, driver: Driver) -> None:
        driver.apply(GIVING, START)
        assert driver.tick(START) == (1, 2_500_000, 0, START + PERIOD_NS)
        assert driver.tick(START) == (0, 0, 0, START + PERIOD_NS)

    def test_zero_is_at_once_and_may_be_repeated(self, driver: Driver) -> None:
        driver.apply(GIVING, START)
        driver.tick(START)
        for n in range(3):
            driver.zero(START + n)
            assert driver.tick(START + PERIOD_NS + n) == (0, 0, 0, NEVER_NS)

    def test_an_apply_of_zero_is_zero(self, driver: Driver) -> None:
        driver.apply(GIVING, START)
        driver.apply(ZERO, START)
        assert driver.tick(START) == (0, 0, 0, NEVER_NS)

    def test_zero_and_again_does_not_shorten_the_period(self, driver: Driver) -> None:
        driver.apply(GIVING, START)
        assert driver.tick(START).pulses == 1
        driver.zero(START + 1)
        driver.apply(GIVING, START + 2)
        assert driver.tick(START + PERIOD_NS - 1) == (0, 0, 0, START + PERIOD_NS)
        assert driver.tick(START + PERIOD_NS).pulses == 1

    def test_renewing_does_not_shorten_the_period_and_takes_the_new_amplitude(
        self, driver: Driver
    ) -> None:
        given, charge_pc = 0, 0
        for now_ns in range(START, START + 10 * PERIOD_NS, NS_PER_MS):
            driver.apply((ONE._replace(amplitude_ua=5000 + given), *ZERO[1:]), now_ns)
            got = driver.tick(now_ns)
            given, charge_pc = given + got.pulses, charge_pc + got.charge_pc
        assert (given, charge_pc) == (10, sum(5000 + n for n in range(10)) * 250)

    def test_the_rate_is_missed_by_no_more_than_the_ticks_are_late(self, driver: Driver) -> None:
        driver.apply(GIVING, START)
        now_ns, given, late_ns = START, 0, 0
        for n in range(1000):
            got = driver.tick(now_ns)
            given += got.pulses
            late_ns += (n * 137_137) % NS_PER_MS
            now_ns = got.next_ns + (n * 137_137) % NS_PER_MS
        assert given == 1000
        assert now_ns - START == 1000 * PERIOD_NS + late_ns

    def test_channels_keep_their_rates_apart(self, driver: Driver) -> None:
        slow = ONE._replace(period_us=2 * ONE.period_us)
        driver.apply((ONE, ChannelOutput(), slow, *ZERO[3:]), START)
        counts = [driver.tick(now).pulses for now in range(START, START + 8 * PERIOD_NS, PERIOD_NS)]
        assert counts == [2, 1, 2, 1, 2, 1, 2, 1]

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        steps_ns=st.lists(st.integers(0, 3 * PERIOD_NS) | st.integers(0, NS_PER_MS), max_size=80)
    )
    def test_never_two_pulses_in_a_period_whenever_it_ticks(
        self, driver: Driver, steps_ns: list[int]
    ) -> None:
        times_ns = [START]
        for step_ns in steps_ns:
            times_ns.append(times_ns[-1] + step_ns)
        fresh = type(driver)("/nowhere/p")  # type: ignore[call-arg]
        fresh.open()
        fresh.apply(GIVING, START)
        given_ns = pulses_of(fresh, times_ns)
        fresh.close()
        assert given_ns[0] == START
        for one_ns, next_ns in pairwise(given_ns):
            assert next_ns - one_ns >= PERIOD_NS

    def test_after_close_there_is_nothing(self, driver: Driver) -> None:
        driver.apply(GIVING, START)
        driver.tick(START)
        driver.close()
        assert driver.tick(START + 10 * PERIOD_NS) == (0, 0, 0, NEVER_NS)
        driver.zero(START + 10 * PERIOD_NS)
        driver.close()


class TestSimulated:
    """What the simulated stimulator tells whoever listens."""

    def test_pulses_and_zero_are_told_as_given(self, tmp_path: Path) -> None:
        with PulseListener(tmp_path / "p") as listener:
            driver = make_driver("sim", str(tmp_path / "p"))
            driver.open()
            driver.apply((*ZERO[:6], ONE, ONE._replace(amplitude_ua=5000)), START)
            driver.tick(START)
            driver.zero(START + 5)
            told = [(p.channel, p.amplitude_ua, p.pulse_width_us) for p in listener.read_all()]
            assert told == [(6, 10_000, 250), (7, 5000, 250), (0, 0, 0)]
            driver.apply(GIVING, START)
            driver.close()
            driver.tick(START + 10 * PERIOD_NS)
            driver.zero(START + 10 * PERIOD_NS)
            assert listener.read_all() == []

    def test_a_listener_that_does_not_read_holds_nothing_up(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
            deaf.bind(str(tmp_path / "p"))
            driver = make_driver("sim", str(tmp_path / "p"))
            driver.open()
            driver.apply(GIVING, START)
            times_ns = [START + n * PERIOD_NS for n in range(2000)]
            assert pulses_of(driver, times_ns) == times_ns
            driver.close()

    def test_a_listener_that_comes_late_hears_the_rest(self, tmp_path: Path) -> None:
        driver = make_driver("sim", str(tmp_path / "p"))
        driver.open()
        driver.apply(GIVING, START)
        driver.tick(START)
        with PulseListener(tmp_path / "p") as listener:
            driver.tick(START + PERIOD_NS)
            assert len(listener.read_all()) == 1
        driver.close()


def test_a_late_pulse_moves_those_after_it() -> None:
    clock = PulseClock()
    clock.set(GIVING)
    assert len(clock.due(START)) == 1
    late_ns = START + PERIOD_NS + 1
    assert len(clock.due(late_ns)) == 1
    assert clock.next_ns() == late_ns + PERIOD_NS
    assert clock.due(late_ns + PERIOD_NS - 1) == []
