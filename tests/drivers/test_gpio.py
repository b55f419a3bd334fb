"""A stimulator set by hand, on fake lines in made-up time, on a fake chip, and on the kernel's simulated one."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import gpiod
import pytest
from gpiod.line import Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmesd.drivers import driver_from_config, make_driver
from nmesd.drivers.base import NEVER_NS, Driver, Given
from nmesd.drivers.gpio_line import HOLD, HOLD_MOST, LAPSE, do_all, open_line
from nmesd.errors import ConfigError, DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S, NS_PER_US
from nmesd.wire import ZERO, ChannelOutput, Output
from nmesd.wire.coding import coded
from tests.drivers.fake_lines import FakeLine, FakeLines, open_spans

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


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda options: Bench(monkeypatch, options)


class TestWhatIsConfigured:
    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({}, "trigger_line = gate_line = -1: give at least one"),
            ({"trigger_line": 4, "gate_line": 4}, "not the same line for both"),
            ({"gate_line": 4}, "set_rate_mhz = 0: say at which rate"),
            ({"trigger_line": 4, "set_rate_mhz": 30_000}, "must be 0 with a trigger_line"),
            (
                {"trigger_line": 4, "set_rate_mhz": 999},
                "set_rate_mhz = 999: must be 1000 to 100000",
            ),
            ({"trigger_line": 512}, "trigger_line = 512: must be the line's number"),
            ({"trigger_line": 4, "trigger_us": 99}, "trigger_us = 99: must be 100 to 5000 µs"),
            ({"trigger_line": 4, "gate_toggle_ms": 11}, "gate_toggle_ms = 11: must be 1 to 10 ms"),
            ({"trigger_line": 4, "set_amplitude_ua": 20.0}, "say what the stimulator is set to"),
            ({"trigger_line": 4, "set_amplitude_ua": 130_001}, "1 to 130000 µA"),
            ({"trigger_line": 4, "set_pulse_width_us": 501}, "1 to 500 µs"),
            ({"trigger_line": 4, "pin": 4}, "pin: no such key"),
        ],
    )
    def test_what_is_wrong_or_contradicts_itself_is_refused(
        self, wrong: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(ConfigError, match=words):
            make_driver("gpio", CHIP, SET | wrong)

    @pytest.mark.parametrize("key", SET)
    def test_what_it_is_set_to_must_be_said(self, key: str) -> None:
        options = {k: v for k, v in TRIGGERED.items() if k != key}
        with pytest.raises(ConfigError, match=f"{key} = None: say what"):
            make_driver("gpio", CHIP, options)

    def test_a_chip_must_be_named(self) -> None:
        with pytest.raises(ConfigError, match="by its label"):
            make_driver("gpio", "", TRIGGERED)

    def test_it_says_what_it_is_set_to_and_where_it_hangs(self) -> None:
        assert make_driver("gpio", CHIP, BOTH).identify() == (
            "stimulator set by hand to 20 mA, 250 µs; trigger on line 17, gate on line 27, "
            "toggled every 5 ms of pinctrl-fake"
        )
        assert (
            "20 mA, 250 µs, 50 Hz; gate on line 27" in make_driver("gpio", CHIP, GATED).identify()
        )
        assert (
            make_driver("gpio", CHIP, TRIGGERED)
            .identify()
            .endswith("trigger on line 17 of pinctrl-fake")
        )
        assert make_driver("gpio", CHIP, BOTH).capabilities.simulated is False

    def test_below_full_level_nothing_moves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = FakeLines()
        lines.wire_to(monkeypatch)
        driver = driver_from_config({"driver": "gpio", "port": CHIP, **BOTH}, None, "guard.toml")
        driver.open()
        driver.apply(GIVING, START)
        driver.tick(START)
        assert lines[CHIP, TRIGGER].claimed
        assert lines[CHIP, TRIGGER].changes == lines[CHIP, GATE].changes == []


class TestWhatItCanGive:
    @given(
        wanted=st.builds(
            ChannelOutput,
            st.integers(0, 40_000) | st.integers(19_999, 20_001),
            st.integers(0, 500) | st.integers(249, 251),
            st.integers(0, 100_000) | st.integers(1999, 2001),
        ),
        channel=st.integers(0, 7),
    )
    @PROPERTY
    def test_it_gives_what_it_is_set_to_or_nothing(
        self, make: Make, wanted: ChannelOutput, channel: int
    ) -> None:
        bench = make(BOTH)
        output = list(ZERO)
        output[channel] = wanted
        given = coded(tuple(output), bench.driver.capabilities)
        gives = channel == 0 and wanted[:2] == ONE[:2]
        least_us = 2 * TRIGGER_NS // NS_PER_US
        slower = ONE._replace(period_us=max(wanted.period_us, least_us))
        assert given == ((slower, *ZERO[1:]) if gives else ZERO)
        bench.apply(given)
        assert bench.tick()[:2] == (gives, gives * CHARGE_PC)
        assert bench.trigger.high is bench.gate.high is gives

    def test_at_exactly_what_it_is_set_to(self, make: Make) -> None:
        bench = make(BOTH)
        assert coded(GIVING, bench.driver.capabilities) == GIVING
        bench.apply()
        assert bench.tick()[:2] == (1, CHARGE_PC)

    @pytest.mark.parametrize(
        ("output", "reason", "value", "limit"),
        [
            (
                (ONE._replace(amplitude_ua=20_001), *ZERO[1:]),
                Reason.LIMIT_AMPLITUDE,
                20_001,
                20_000,
            ),
            ((ONE._replace(pulse_width_us=251), *ZERO[1:]), Reason.LIMIT_PULSE_WIDTH, 251, 250),
            ((ONE._replace(amplitude_ua=19_999), *ZERO[1:]), Reason.DEVICE_FAILED, 0, 0),
            ((ONE._replace(period_us=1999), *ZERO[1:]), Reason.DEVICE_FAILED, 0, 0),
            ((ONE, ONE, *ZERO[2:]), Reason.LIMIT_CHANNEL, 2, 0),
            ((*ZERO[:7], ONE), Reason.LIMIT_CHANNEL, 8, 0),
        ],
    )
    def test_anything_else_is_refused(
        self, make: Make, output: Output, reason: Reason, value: int, limit: int
    ) -> None:
        bench = make(BOTH)
        with pytest.raises(DeviceError) as caught:
            bench.apply(output)
        error = caught.value
        assert (error.reason, error.value, error.limit) == (reason, value, limit)
        assert bench.tick() == (0, 0, 0, NEVER_NS)
        assert bench.low

    def test_a_gate_alone_has_one_rate(self, make: Make) -> None:
        can = make(GATED | {"set_rate_mhz": 30_000}).driver.capabilities
        assert can.period_least_us == can.period_most_us == 33_334  # as the daemon rounds 30 Hz
        for period_us, given_us in ((33_334, 33_334), (10_000, 33_334), (33_335, 0)):
            output = coded((ONE._replace(period_us=period_us), *ZERO[1:]), can)
            assert output[0].period_us == given_us


class TestTrigger:
    @pytest.fixture(params=[BOTH, TRIGGERED], ids=["and gate", "alone"])
    def bench(self, request: pytest.FixtureRequest, make: Make) -> Bench:
        return make(request.param)

    def test_it_is_low_and_silent_at_birth(self, bench: Bench) -> None:
        for _ in range(10):
            assert bench.tick(PERIOD_NS) == (0, 0, 0, NEVER_NS)
        assert bench.trigger.commands == 1
        assert bench.low

    def test_nothing_before_a_tick(self, bench: Bench) -> None:
        bench.apply()
        assert bench.low
        assert bench.tick().pulses == 1
        assert bench.trigger.high

    def test_a_pulse_is_high_for_as_long_as_it_is_set(self, bench: Bench) -> None:
        bench.apply()
        assert bench.tick() == (1, CHARGE_PC, 0, START + TRIGGER_NS)
        assert bench.tick(TRIGGER_NS - 1).pulses == 0
        assert bench.trigger.high
        assert bench.tick(1).pulses == 0
        assert bench.trigger.changes == [(START, True), (START + TRIGGER_NS, False)]

    @pytest.mark.parametrize("how", ["zero", "apply", "close"])
    def test_it_goes_low_at_once(self, bench: Bench, how: str) -> None:
        bench.apply()
        bench.tick()
        bench.now_ns += 1
        match how:
            case "zero":
                bench.zero()
            case "apply":
                bench.apply(ZERO)
            case _:
                bench.driver.close()
        assert bench.low
        assert bench.tick(PERIOD_NS) == (0, 0, 0, NEVER_NS)
        assert bench.low

    def test_zero_is_commanded_again_each_time(self, bench: Bench) -> None:
        before = bench.trigger.commands
        for n in range(1, 4):
            bench.zero()
            assert bench.trigger.commands == before + n

    def test_zero_and_again_does_not_shorten_the_period(self, bench: Bench) -> None:
        bench.apply()
        bench.tick()
        for _ in range(3):
            bench.zero()
            bench.apply()
            assert bench.tick(PERIOD_NS // 4).pulses == 0
        assert bench.tick(PERIOD_NS // 4).pulses == 1

    def test_a_late_fall_delays_the_next_rise(self, bench: Bench) -> None:
        bench.apply((ONE._replace(period_us=2000), *ZERO[1:]))
        bench.tick()
        given = bench.tick(10 * NS_PER_MS)
        assert given.pulses == 0
        assert not bench.trigger.high
        assert bench.tick(TRIGGER_NS - 1).pulses == 0
        assert bench.tick(1).pulses == 1

    def test_a_line_that_fails_is_an_error_and_the_others_are_still_set_low(
        self, make: Make
    ) -> None:
        bench = make(BOTH)
        bench.apply()
        bench.tick()
        bench.gate.broken = True
        with pytest.raises(DeviceError, match="line 27 of pinctrl-fake cannot be set"):
            bench.zero()
        assert not bench.trigger.high
        bench.gate.broken = False
        bench.zero()
        assert bench.low
        bench.apply()
        bench.tick(PERIOD_NS)
        bench.trigger.broken = True
        with pytest.raises(DeviceError, match="line 17"):
            bench.zero()
        assert not bench.gate.high
        with pytest.raises(DeviceError, match="line 17"):
            bench.driver.close()
        assert not bench.trigger.claimed
        assert not bench.gate.claimed

    @given(data=st.data(), trigger_us=st.integers(100, 5000), period_us=st.integers(10_000, 60_000))
    @PROPERTY
    def test_high_no_longer_than_set_plus_late_and_never_twice_a_period(
        self, make: Make, data: st.DataObject, trigger_us: int, period_us: int
    ) -> None:
        bench = make(BOTH | {"trigger_us": trigger_us})
        late = st.integers(0, 10 * NS_PER_MS) | st.integers(0, 200_000)
        most_ns = 0

        def late_ns() -> int:
            nonlocal most_ns
            one_ns = data.draw(late)
            most_ns = max(most_ns, one_ns)
            return one_ns

        bench.apply((ONE._replace(period_us=period_us), *ZERO[1:]))
        bench.tick_for(300 * NS_PER_MS, late_ns)
        bench.zero()
        assert bench.low
        levels = bench.trigger.changes
        highs_ns = [after.at_ns - one.at_ns for one, after in pairwise(levels) if one.high]
        lows_ns = [after.at_ns - one.at_ns for one, after in pairwise(levels) if not one.high]
        assert max(highs_ns) <= trigger_us * NS_PER_US + most_ns
        assert all(low_ns >= trigger_us * NS_PER_US for low_ns in lows_ns)
        rises_ns = bench.trigger.rises_ns
        assert rises_ns[0] == bench.ticks_ns[0]
        assert all(b - a >= period_us * NS_PER_US for a, b in pairwise(rises_ns))
        assert bench.pulses == len(rises_ns)
        assert bench.charge_pc == bench.pulses * CHARGE_PC
        # The gate of a timely guard was open at each of them, and was open before the trigger rose.
        spans = open_spans(bench.gate.changes, HOLD * TOGGLE_NS)
        assert all(any(a <= rise <= b for a, b in spans) for rise in rises_ns)
        assert all(b.at_ns - a.at_ns >= TOGGLE_NS for a, b in pairwise(bench.gate.changes[:-1]))

    @given(
        acts=st.lists(
            st.tuples(
                st.sampled_from(["tick"] * 6 + ["apply", "zero", "apply zero"]),
                st.integers(0, 2 * NS_PER_MS) | st.integers(0, 60 * NS_PER_MS),
            ),
            max_size=60,
        )
    )
    @PROPERTY
    def test_whatever_happens_silent_is_low_and_no_pulse_is_missed_in_the_count(
        self, make: Make, acts: list[tuple[str, int]]
    ) -> None:
        bench = make(BOTH)
        giving = False
        for act, after_ns in acts:
            bench.now_ns += after_ns
            moved = len(bench.trigger.changes), len(bench.gate.changes)
            match act:
                case "tick":
                    bench.tick()
                case "apply":
                    bench.apply()
                    assert moved == (len(bench.trigger.changes), len(bench.gate.changes))
                    giving = True
                case "zero":
                    bench.zero()
                    giving = False
                case _:
                    bench.apply(ZERO)
                    giving = False
            assert giving or bench.low
        assert bench.pulses == len(bench.trigger.rises_ns)
        assert all(b - a >= PERIOD_NS for a, b in pairwise(bench.trigger.rises_ns))


class TestGate:
    @pytest.fixture(params=[BOTH, GATED], ids=["and trigger", "alone"])
    def bench(self, request: pytest.FixtureRequest, make: Make) -> Bench:
        return make(request.param)

    def test_it_toggles_only_while_output_is_wanted(self, bench: Bench) -> None:
        bench.tick_for(100 * NS_PER_MS)
        assert bench.gate.changes == []
        bench.apply()
        bench.tick_for(100 * NS_PER_MS)
        toggled = [(START + n * TOGGLE_NS + 100 * NS_PER_MS, n % 2 == 0) for n in range(21)]
        assert bench.gate.changes == toggled
        bench.apply(ZERO)
        assert bench.low
        assert len(bench.gate.changes) == 22
        bench.tick_for(100 * NS_PER_MS)
        bench.zero()
        assert len(bench.gate.changes) == 22

    def test_it_stops_with_the_ticks(self, bench: Bench) -> None:
        bench.apply()
        bench.tick_for(52 * NS_PER_MS)
        last_ns = bench.ticks_ns[-1]
        bench.now_ns += NS_PER_S
        assert bench.gate.changes[-1].at_ns <= last_ns
        ((_, shut_ns),) = open_spans(bench.gate.changes, HOLD_MOST * TOGGLE_NS)
        assert shut_ns <= last_ns + 40 * NS_PER_MS

    def test_it_opens_before_the_trigger_rises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter(range(START, START + 1000))
        lines = FakeLines(lambda: next(clock))
        lines.wire_to(monkeypatch)
        driver = make_driver("gpio", CHIP, BOTH)
        driver.open()
        driver.apply(GIVING, START)
        driver.tick(START)
        ((gate_ns, up),) = lines[CHIP, GATE].changes
        assert up
        assert gate_ns < lines[CHIP, TRIGGER].changes[0].at_ns


class TestGateAlone:
    """The device pulses by itself while the gate is open, and begins a period whenever it opens."""

    def test_its_pulses_are_counted_until_the_monostable_has_run_out(self, make: Make) -> None:
        bench = make(GATED)
        bench.apply()
        assert bench.tick() == (1, CHARGE_PC, 0, START + TOGGLE_NS)
        bench.tick_for(39 * NS_PER_MS)
        assert (bench.now_ns, bench.pulses) == (START + 40 * NS_PER_MS, 3)
        bench.zero()
        shut_ns = bench.ticks_ns[-1] + HOLD_MOST * TOGGLE_NS
        assert bench.tick() == (0, 0, 0, shut_ns)
        assert bench.tick(shut_ns - bench.now_ns) == (2, 2 * CHARGE_PC, 0, NEVER_NS)
        assert bench.tick(NS_PER_S) == (0, 0, 0, NEVER_NS)

    def test_it_opens_again_only_a_period_after_it_must_be_shut(self, make: Make) -> None:
        bench = make(GATED)
        bench.apply()
        bench.tick()
        bench.zero()
        bench.zero()
        bench.apply()
        ready_ns = START + HOLD_MOST * TOGGLE_NS + PERIOD_NS
        assert bench.tick(NS_PER_MS).next_ns == ready_ns
        bench.zero()
        bench.apply()
        assert bench.tick(ready_ns - 1 - bench.now_ns).next_ns == ready_ns
        assert bench.low
        assert bench.tick(1).pulses == 1
        assert bench.gate.high

    def test_one_that_may_have_lapsed_is_shut_first(self, make: Make) -> None:
        bench = make(GATED)
        bench.apply()
        bench.tick()
        bench.tick(LAPSE * TOGGLE_NS)
        assert len(bench.gate.changes) == 2
        bench.tick(TOGGLE_NS)
        given = bench.tick(LAPSE * TOGGLE_NS + 1)
        toggled_ns = START + (LAPSE + 1) * TOGGLE_NS
        assert given.next_ns == toggled_ns + HOLD_MOST * TOGGLE_NS + PERIOD_NS
        assert bench.low

    @given(
        acts=st.lists(
            st.tuples(
                st.sampled_from(["tick"] * 8 + ["apply", "zero"]),
                st.integers(0, 6 * NS_PER_MS) | st.integers(0, 120 * NS_PER_MS),
            ),
            max_size=80,
        ),
        hold_ns=st.integers(HOLD * TOGGLE_NS, HOLD_MOST * TOGGLE_NS),
        rate_mhz=st.integers(10_000, 100_000),
    )
    @PROPERTY
    def test_never_faster_than_set_and_never_more_than_counted(
        self,
        make: Make,
        acts: list[tuple[str, int]],
        hold_ns: int,
        rate_mhz: int,
    ) -> None:
        bench = make(GATED | {"set_rate_mhz": rate_mhz})
        period_ns = 10**12 // rate_mhz
        wanted = ONE._replace(period_us=-(-(10**9) // rate_mhz))

        def given_ns() -> list[int]:
            spans = open_spans(bench.gate.changes, hold_ns)
            times = [t for a, b in spans for t in range(a, b + 1, period_ns)]
            return [t for t in times if t <= bench.now_ns]

        for act, after_ns in [("apply", 0), *acts, ("zero", 0), ("tick", NS_PER_S)]:
            bench.now_ns += after_ns
            match act:
                case "tick":
                    bench.tick()
                    assert bench.pulses >= len(given_ns())
                case "apply":
                    bench.apply((wanted, *ZERO[1:]))
                case _:
                    bench.zero()
                    assert bench.low
        assert all(b - a >= period_ns for a, b in pairwise(given_ns()))
        assert bench.charge_pc == bench.pulses * CHARGE_PC


class TestOpening:
    def test_both_lines_are_let_go_if_one_cannot_be_had(self, make: Make) -> None:
        bench = make(BOTH)
        another = make_driver("gpio", CHIP, BOTH | {"gate_line": 5})
        with pytest.raises(DeviceError, match="line 17 of pinctrl-fake: another program has this"):
            another.open()
        assert not bench.lines[CHIP, 5].claimed
        bench.apply()
        assert bench.tick().pulses == 1  # and the first does not notice

    def test_two_on_one_chip(self, make: Make) -> None:
        bench = make(TRIGGERED)
        another = make_driver("gpio", CHIP, TRIGGERED | {"trigger_line": 5})
        another.open()
        bench.apply()
        bench.tick()
        another.close()
        assert bench.trigger.high

    def test_closed_it_gives_nothing_and_can_be_opened_again(self, make: Make) -> None:
        bench = make(BOTH)
        bench.driver.close()
        bench.driver.close()
        bench.zero()
        with pytest.raises(DeviceError, match="not open"):
            bench.apply()
        assert bench.tick() == (0, 0, 0, NEVER_NS)
        assert bench.driver.fileno() == -1
        bench.driver.listen(START)
        bench.driver.open()
        bench.apply()
        assert bench.tick().pulses == 1


class FakeRequest:
    def __init__(self, chip: "FakeChip", line: int) -> None:
        self._chip, self._line = chip, line
        chip.levels[line] = Value.INACTIVE

    def set_value(self, line: int, value: Value) -> None:
        assert line == self._line
        if self._chip.path in self._chip.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        self._chip.levels[line] = value

    def get_value(self, line: int) -> Value:
        if line in self._chip.unreadable:
            raise NotImplementedError(errno.EOPNOTSUPP, "not supported")
        return Value.ACTIVE if line in self._chip.stuck else self._chip.levels[line]

    def release(self) -> None:
        del self._chip.holders[self._line]


class FakeChip:
    """What gpiod.Chip is to `open_line`, over chips that are files in a folder."""

    labels: ClassVar[dict[str, str]] = {}  # of each path
    holders: ClassVar[dict[int, str]] = {}
    levels: ClassVar[dict[int, Value]] = {}
    stuck: ClassVar[set[int]] = set()  # knob: high whatever is set
    unreadable: ClassVar[set[int]] = set()  # knob: cannot be read back
    forbidden: ClassVar[set[str]] = set()  # knob: paths that may not be opened
    gone: ClassVar[set[str]] = set()  # knob: unplugged

    def __init__(self, path: str) -> None:
        if path in self.forbidden:
            raise PermissionError(errno.EACCES, "Permission denied")
        if path not in self.labels:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        pass

    def get_info(self) -> gpiod.ChipInfo:
        return gpiod.ChipInfo(Path(self.path).name, self.labels[self.path], 54)

    def get_line_info(self, line: int) -> Any:
        return type("Info", (), {"consumer": self.holders[line]})

    def request_lines(self, config: dict[int, gpiod.LineSettings], consumer: str) -> FakeRequest:
        ((line, wanted),) = config.items()
        assert wanted.direction is gpiod.line.Direction.OUTPUT
        assert wanted.output_value is Value.INACTIVE
        if line in self.holders:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.holders[line] = consumer
        return FakeRequest(self, line)


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A /dev with the two chips of a Raspberry Pi 4, one of them also under an old number."""
    known: list[Any] = [FakeChip.labels, FakeChip.holders, FakeChip.levels, FakeChip.stuck]
    known += [FakeChip.unreadable, FakeChip.forbidden, FakeChip.gone]
    for name, label in (("0", "pinctrl-bcm2711"), ("1", "raspberrypi-exp-gpio")):
        (tmp_path / f"gpiochip{name}").touch()
        FakeChip.labels[str(tmp_path / f"gpiochip{name}")] = label
    (tmp_path / "gpiochip4").symlink_to(tmp_path / "gpiochip0")
    monkeypatch.setattr("nmesd.drivers.gpio_line.DEV", tmp_path)
    monkeypatch.setattr(gpiod, "Chip", FakeChip)
    yield tmp_path
    for one in known:
        one.clear()


class TestLine:
    @pytest.mark.parametrize("by_path", [False, True])
    def test_it_is_claimed_low_driven_and_left_low(self, dev: Path, by_path: bool) -> None:
        line = open_line(str(dev / "gpiochip0") if by_path else "pinctrl-bcm2711", 17, "me")
        assert FakeChip.holders == {17: "me"}
        assert FakeChip.levels == {17: Value.INACTIVE}
        line.set(True)
        assert FakeChip.levels == {17: Value.ACTIVE}
        assert line.reads_high()
        line.close()
        line.close()
        assert (FakeChip.holders, FakeChip.levels) == ({}, {17: Value.INACTIVE})
        assert not line.reads_high()
        with pytest.raises(DeviceError, match=r"line 17 of .* is not open"):
            line.set(False)

    def test_two_lines_of_one_chip(self, dev: Path) -> None:
        lines = [open_line("pinctrl-bcm2711", line) for line in (4, 5)]
        lines[1].set(True)
        lines[0].close()
        assert FakeChip.levels == {4: Value.INACTIVE, 5: Value.ACTIVE}
        assert FakeChip.holders == {5: "nmesd-guard"}

    def test_an_unknown_label_is_answered_with_those_there_are(self, dev: Path) -> None:
        words = "'pinctrl-rp1'; there are: pinctrl-bcm2711, raspberrypi-exp-gpio. Correct"
        with pytest.raises(DeviceError, match=words):
            open_line("pinctrl-rp1", 17)

    def test_on_a_machine_without_any(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("nmesd.drivers.gpio_line.DEV", tmp_path)
        with pytest.raises(DeviceError, match="there are: none"):
            open_line("pinctrl-rp1", 17)

    def test_two_chips_of_one_label_must_be_told_apart(self, dev: Path) -> None:
        FakeChip.labels[str(dev / "gpiochip1")] = "pinctrl-bcm2711"
        with pytest.raises(DeviceError, match=r"more than one .*gpiochip0 or .*gpiochip1"):
            open_line("pinctrl-bcm2711", 17)

    def test_not_allowed(self, dev: Path) -> None:
        FakeChip.forbidden.add(str(dev / "gpiochip0"))
        for chip in ("pinctrl-bcm2711", str(dev / "gpiochip0")):
            with pytest.raises(DeviceError, match=r"not allowed: .* group gpio"):
                open_line(chip, 17)
        open_line("raspberrypi-exp-gpio", 1).close()  # another one's lock does not matter

    @pytest.mark.parametrize(("holder", "named"), [("spi0 CS0", "spi0 CS0"), ("", "the kernel")])
    def test_a_busy_line_names_who_has_it(self, dev: Path, holder: str, named: str) -> None:
        FakeChip.holders[17] = holder
        words = rf"line 17 of pinctrl-bcm2711: another program has this line \({named}\)"
        with pytest.raises(DeviceError, match=words):
            open_line("pinctrl-bcm2711", 17)
        assert FakeChip.holders == {17: holder}

    def test_a_line_it_does_not_have(self, dev: Path) -> None:
        with pytest.raises(DeviceError, match="has lines 0 to 53, not 54"):
            open_line("pinctrl-bcm2711", 54)

    def test_a_path_that_is_none(self, dev: Path) -> None:
        with pytest.raises(DeviceError, match="no such GPIO chip: `gpiodetect`"):
            open_line(str(dev / "gpiochip9"), 17)

    @pytest.mark.parametrize("path", ["/dev/null", "/etc/passwd", "/nowhere"])
    def test_what_the_real_gpiod_says_of_another_file(self, path: str) -> None:
        with pytest.raises(DeviceError, match="no such GPIO chip"):
            open_line(path, 17)

    def test_a_line_that_is_high_though_set_low_is_refused(self, dev: Path) -> None:
        FakeChip.stuck.add(17)
        with pytest.raises(DeviceError, match="is high though set low: something else drives it"):
            open_line("pinctrl-bcm2711", 17)
        assert FakeChip.holders == {}

    def test_a_chip_that_cannot_be_read_back_is_taken_at_its_word(self, dev: Path) -> None:
        FakeChip.unreadable.add(17)
        open_line("pinctrl-bcm2711", 17).set(True)
        assert FakeChip.levels == {17: Value.ACTIVE}

    def test_a_chip_that_is_gone(self, dev: Path) -> None:
        line = open_line("pinctrl-bcm2711", 17)
        FakeChip.gone.add(str(dev / "gpiochip0"))
        with pytest.raises(DeviceError, match=r"cannot be set high: .* still there"):
            line.set(True)
        with pytest.raises(DeviceError, match="cannot be set low"):
            line.close()
        assert FakeChip.holders == {}

    def test_another_failure_of_the_kernel_is_passed_on(
        self, dev: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(FakeChip, "request_lines", refuse)
        with pytest.raises(DeviceError, match=r"line 17 of pinctrl-bcm2711: .*Input/output error"):
            open_line("pinctrl-bcm2711", 17)

    def test_without_gpiod(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "gpiod", None)
        with pytest.raises(DeviceError, match="gpiod is not installed: `pip install gpiod`"):
            open_line("pinctrl-bcm2711", 17)


def test_all_are_done_whatever_fails_and_the_first_failure_is_raised() -> None:
    done = []

    def fail(text: str) -> None:
        done.append(text)
        raise DeviceError(text)

    with pytest.raises(DeviceError, match="one"):
        do_all(lambda: fail("one"), lambda: done.append("two"), lambda: fail("three"))
    assert done == ["one", "two", "three"]
    do_all()


# ---- the kernel's simulated chip ------------------------------------------------------------------------------

CONFIGFS = Path("/sys/kernel/config/gpio-sim")


class SimulatedChip:
    """A chip of the gpio-sim module (docs.kernel.org/admin-guide/gpio/gpio-sim.html)."""

    lines = 8

    def __init__(self) -> None:
        self.label = f"nmesd-{os.getpid()}"
        self._device = CONFIGFS / self.label
        self._bank = self._device / "bank0"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text(str(self.lines))
        (self._bank / "label").write_text(self.label)
        (self._device / "live").write_text("1")
        chip, device = self._read(self._bank / "chip_name"), self._read(self._device / "dev_name")
        self._sysfs = Path("/sys/devices/platform") / device / chip
        self.path = Path("/dev") / chip
        until_s = time.monotonic() + 10
        while not self.path.exists():  # udev makes it
            assert time.monotonic() < until_s
            time.sleep(0.01)

    @staticmethod
    def _read(path: Path) -> str:
        return path.read_text().strip()

    def high(self, line: int) -> bool:
        return self._read(self._sysfs / f"sim_gpio{line}" / "value") == "1"

    def close(self) -> None:
        (self._device / "live").write_text("0")
        self._bank.rmdir()
        self._device.rmdir()


@pytest.fixture
def simulated() -> Iterator[SimulatedChip]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a simulated GPIO chip")
    if not CONFIGFS.is_dir() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "gpio-sim"], check=False, capture_output=True)
    if not CONFIGFS.is_dir():
        pytest.skip("this kernel has no gpio-sim module, or configfs is not mounted")
    chip = SimulatedChip()
    yield chip
    chip.close()


@pytest.mark.root
def test_the_kernel_s_lines_are_really_driven(simulated: SimulatedChip) -> None:
    options = SET | {"trigger_line": 2, "gate_line": 5}
    driver = make_driver("gpio", simulated.label, options)
    driver.open()
    try:
        assert not simulated.high(2)
        driver.apply(GIVING, START)
        assert driver.tick(START).pulses == 1
        assert simulated.high(2)
        assert simulated.high(5)
        assert driver.tick(START + TRIGGER_NS).pulses == 0
        assert not simulated.high(2)
        driver.tick(START + TOGGLE_NS)
        assert not simulated.high(5)
        driver.tick(START + PERIOD_NS)
        assert simulated.high(2)
        with pytest.raises(DeviceError, match=r"another program has this line \(nmesd-guard\)"):
            open_line(str(simulated.path), 5)
        other = open_line(simulated.label, 3)
        other.set(True)
        assert simulated.high(3)
        driver.zero(START + PERIOD_NS + 1)
        assert not simulated.high(2)
        assert not simulated.high(5)
        assert simulated.high(3)
        other.close()
        with pytest.raises(DeviceError, match="has lines 0 to 7, not 8"):
            open_line(simulated.label, 8)
        driver.apply(GIVING, START + 2 * PERIOD_NS)
        driver.tick(START + 2 * PERIOD_NS)
    finally:
        driver.close()
    assert not simulated.high(2)
    assert not simulated.high(5)
    open_line(simulated.label, 2).close()
