"""A stimulator set by hand on fake lines, in time that only the test moves."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from nmesd.drivers import make_driver
from nmesd.drivers.base import Driver, Given
from nmesd.units import NS_PER_MS, NS_PER_US
from nmesd.wire import ZERO, ChannelOutput, Output
from tests.drivers.fake_lines import FakeLine, FakeLines

START = 10**12
CHIP, TRIGGER, GATE = "pinctrl-fake", 17, 27
PERIOD_NS = 20 * NS_PER_MS
TRIGGER_NS = NS_PER_MS
TOGGLE_NS = 5 * NS_PER_MS
TICK_NS = 5 * NS_PER_MS  # the guard ticks at least as often
SET = {"set_amplitude_ua": 20_000, "set_pulse_width_us": 250}
BOTH = SET | {"trigger_line": TRIGGER, "gate_line": GATE}
TRIGGERED = SET | {"trigger_line": TRIGGER}
GATED = SET | {"gate_line": GATE, "set_rate_mhz": 50_000}
ONE = ChannelOutput(20_000, 250, PERIOD_NS // NS_PER_US)
GIVING: Output = (ONE, *ZERO[1:])
CHARGE_PC = 5_000_000
# The fixture is a way to make fresh ones, so sharing it among examples is harmless.
PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Bench:
    """A driver on fake lines, at a time that only the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, options: dict[str, int]) -> None:
        self.now_ns = START
        self.lines = FakeLines(lambda: self.now_ns)
        self.lines.wire_to(monkeypatch)
        self.driver: Driver = make_driver("gpio", CHIP, options)
        self.driver.open()
        self.pulses = self.charge_pc = 0
        self.ticks_ns: list[int] = []

    @property
    def trigger(self) -> FakeLine:
        return self.lines[CHIP, TRIGGER]

    @property
    def gate(self) -> FakeLine:
        return self.lines[CHIP, GATE]

    @property
    def low(self) -> bool:
        return not self.trigger.high and not self.gate.high

    def apply(self, output: Output = GIVING) -> None:
        self.driver.apply(output, self.now_ns)

    def zero(self) -> None:
        self.driver.zero(self.now_ns)

    def tick(self, after_ns: int = 0) -> Given:
        self.now_ns += after_ns
        self.ticks_ns.append(self.now_ns)
        given = self.driver.tick(self.now_ns)
        assert given.net_pc == 0
        assert given.next_ns > self.now_ns
        self.pulses += given.pulses
        self.charge_pc += given.charge_pc
        return given

    def tick_for(self, span_ns: int, late_ns: Callable[[], int] = lambda: 0) -> None:
        """As the guard: when it is due, at least every TICK_NS, and late by this."""
        end_ns = self.now_ns + span_ns
        next_ns = self.now_ns
        while self.now_ns < end_ns:
            next_ns = self.tick(max(0, next_ns - self.now_ns) + late_ns()).next_ns
            next_ns = min(next_ns, self.now_ns + TICK_NS)


Make = Callable[[dict[str, int]], Bench]
