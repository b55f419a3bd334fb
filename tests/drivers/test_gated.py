"""A gate in hardware beside another driver, on a fake line and a fake device, in made-up time."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmesd.drivers import driver_from_config, make_driver
from nmesd.drivers.base import NEVER_NS, Given
from nmesd.drivers.gated import Gated
from nmesd.drivers.gpio_line import HOLD
from nmesd.errors import ConfigError, DeviceError
from nmesd.units import NS_PER_MS
from nmesd.wire import ZERO, Capabilities, ChannelOutput, Output, is_zero
from tests.drivers.fake_lines import FakeLines, open_spans

START = 10**12
CHIP, LINE = "pinctrl-fake", 27
TOGGLE_NS = 5 * NS_PER_MS
PERIOD_NS = 12 * NS_PER_MS
GATE = {"chip": CHIP, "line": LINE}
GIVING: Output = (ChannelOutput(10_000, 250, PERIOD_NS // 1000), *ZERO[1:])


class Device:
    """Gives a pulse every PERIOD_NS; writes down what it is told, and whether the gate is high then."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        self.capabilities = Capabilities(8, 0, 0)
        self.told: list[str] = []
        self.pulses_ns: list[int] = []
        self.fails: set[str] = set()  # knob: what raises, after it was noted
        self._output, self._due_ns = ZERO, -NEVER_NS

    def _hear(self, what: str) -> None:
        gate = self._bench.lines[CHIP, LINE]
        state = "let go" if not gate.claimed else "high" if gate.high else "low"
        self.told.append(f"{what}, gate {state}")
        if what in self.fails:
            raise DeviceError(f"{what} failed")

    def open(self) -> None:
        self._hear("open")
        self.capabilities = self.capabilities._replace(amplitude_most_ua=130_000)

    def identify(self) -> str:
        return "a device"

    def fileno(self) -> int:
        return 7

    def listen(self, now_ns: int) -> Sequence[int]:
        self._hear("listen")
        return ()

    def zero(self, now_ns: int) -> None:
        self._output = ZERO
        self._hear("zero")

    def apply(self, output: Output, now_ns: int) -> None:
        self._hear("apply zero" if is_zero(output) else "apply")
        self._output = output

    def tick(self, now_ns: int) -> Given:
        self._hear("tick")
        if is_zero(self._output):
            return Given(0, 0, 0, NEVER_NS)
        pulses = int(now_ns >= self._due_ns)
        if pulses:
            self.pulses_ns.append(now_ns)
            self._due_ns = now_ns + PERIOD_NS
        return Given(pulses, pulses * 2_500_000, 0, self._due_ns)

    def close(self) -> None:
        self._hear("close")


class Bench:
    """A gated device, at a time that only the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = START
        self.lines = FakeLines(lambda: self.now_ns)
        self.lines.wire_to(monkeypatch)
        self.gate = self.lines[CHIP, LINE]
        self.device = Device(self)
        self.gated = Gated(self.device, GATE)

    def opened(self) -> "Bench":
        self.gated.open()
        self.device.told.clear()
        return self

    def giving(self) -> "Bench":
        self.opened()
        self.gated.apply(GIVING, self.now_ns)
        self.tick()
        self.device.told.clear()
        return self

    def tick(self, after_ns: int = 0) -> Given:
        self.now_ns += after_ns
        return self.gated.tick(self.now_ns)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({}, r"\[gate\] chip is missing: a text is needed"),
        ({"chip": CHIP}, r"\[gate\] line is missing: must be the line's number, 0 to 511"),
        (GATE | {"line": -1}, "line = -1: must be"),
        (GATE | {"toggle_ms": 0}, "toggle_ms = 0 ms: must be 1 to 10 ms"),
        (GATE | {"toggle": 5}, "toggle = .*: there is no such key"),
    ],
)
def test_a_wrong_gate_is_refused(gate: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Gated(make_driver("null", "none"), gate)


def test_the_gate_is_low_before_the_device_is_opened(bench: Bench) -> None:
    bench.gated.open()
    assert bench.device.told == ["open, gate low"]
    assert bench.gated.capabilities.amplitude_most_ua == 130_000
    assert bench.gated.identify() == (
        "a device; behind a gate on line 27 of pinctrl-fake, toggled every 5 ms"
    )
    assert bench.gated.fileno() == 7
    bench.gated.listen(START)
    assert bench.device.told[-1] == "listen, gate low"


def test_without_the_gate_the_device_is_not_opened(bench: Bench) -> None:
    bench.gate.claim()
    with pytest.raises(DeviceError, match="another program has this line"):
        bench.gated.open()
    assert bench.device.told == []


def test_without_the_device_the_gate_is_let_go(bench: Bench) -> None:
    bench.device.fails.add("open")
    with pytest.raises(DeviceError, match="open failed"):
        bench.gated.open()
    assert not bench.gate.claimed


def test_it_toggles_only_in_ticks_and_only_while_output_is_wanted(bench: Bench) -> None:
    bench.opened()
    for _ in range(10):
        assert bench.tick(TOGGLE_NS).next_ns == NEVER_NS
    bench.gated.apply(GIVING, bench.now_ns)
    assert bench.gate.changes == []
    start_ns = bench.now_ns
    given = bench.tick()
    assert given == (1, 2_500_000, 0, start_ns + TOGGLE_NS)
    for n in range(1, 10):
        assert bench.gate.changes[-1] == (start_ns + (n - 1) * TOGGLE_NS, n % 2 == 1)
        bench.tick(TOGGLE_NS - 1)
        assert len(bench.gate.changes) == n
        bench.tick(1)
    bench.now_ns += 10**9  # no ticks, no toggles
    assert bench.gate.changes[-1] == (start_ns + 9 * TOGGLE_NS, False)


def test_the_next_tick_is_the_earlier_of_both(bench: Bench) -> None:
    bench.giving()
    nexts = [bench.tick(after_ns).next_ns - START for after_ns in (0, TOGGLE_NS, TOGGLE_NS)]
    assert nexts == [TOGGLE_NS, 2 * TOGGLE_NS, PERIOD_NS]


def test_the_gate_is_open_when_the_device_may_give_and_shut_when_it_is_told_zero(
    bench: Bench,
) -> None:
    bench.opened()
    bench.gated.apply(GIVING, START)
    bench.tick()
    bench.gated.apply(ZERO, START)
    bench.gated.apply(GIVING, START)
    bench.tick()
    bench.gated.zero(START)
    bench.tick()
    bench.gated.close()
    assert bench.device.told == [
        "apply, gate low",
        "tick, gate high",
        "apply zero, gate low",
        "apply, gate low",
        "tick, gate high",
        "zero, gate low",
        "tick, gate low",
        "close, gate let go",
    ]
    assert not bench.gate.high


@pytest.mark.parametrize("how", ["zero", "apply zero", "close"])
def test_whatever_fails_both_are_shut_and_the_first_failure_is_raised(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def shut(bench: Bench) -> None:
        match how:
            case "zero":
                bench.gated.zero(START)
            case "close":
                bench.gated.close()
            case _:
                bench.gated.apply(ZERO, START)

    device_fails = Bench(monkeypatch).giving()
    device_fails.device.fails.add(how)
    with pytest.raises(DeviceError, match=f"{how} failed"):
        shut(device_fails)
    assert not device_fails.gate.high

    gate_fails = Bench(monkeypatch).giving()
    gate_fails.gate.broken = True
    with pytest.raises(DeviceError, match="line 27 of pinctrl-fake cannot be set"):
        shut(gate_fails)
    assert [told.split(",")[0] for told in gate_fails.device.told] == [how]
    assert gate_fails.tick(TOGGLE_NS).pulses == 0

    both_fail = Bench(monkeypatch).giving()
    both_fail.gate.broken = True
    both_fail.device.fails.add(how)
    with pytest.raises(DeviceError, match="line 27"):
        shut(both_fail)
    assert len(both_fail.device.told) == 1


def test_a_gate_that_cannot_open_gives_no_pulse(bench: Bench) -> None:
    bench.opened()
    bench.gated.apply(GIVING, START)
    bench.gate.broken = True
    with pytest.raises(DeviceError, match="line 27"):
        bench.tick()
    assert bench.device.pulses_ns == []


def test_a_device_that_refuses_leaves_the_gate_low(bench: Bench) -> None:
    bench.opened()
    bench.device.fails.add("apply")
    with pytest.raises(DeviceError, match="apply failed"):
        bench.gated.apply(GIVING, START)
    bench.tick()
    assert bench.gate.changes == []


def test_closed_it_refuses_output(bench: Bench) -> None:
    bench.giving().gated.close()
    bench.gated.zero(START)
    bench.gated.close()
    with pytest.raises(DeviceError, match="restart the guard"):
        bench.gated.apply(GIVING, START)
    assert bench.gate.changes == [(START, True), (START, False)]


def test_it_is_what_guard_toml_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = FakeLines(lambda: START)
    lines.wire_to(monkeypatch)
    stimulator = {"driver": "null", "port": "none", "level": "full"}
    driver = driver_from_config(stimulator, GATE)
    driver.open()
    assert "no stimulator; behind a gate on line 27" in driver.identify()
    driver.apply(GIVING, START)
    driver.tick(START)
    assert lines[CHIP, LINE].high
    driver.close()
    dry = driver_from_config(stimulator | {"level": "dry-run"}, GATE)
    dry.open()
    dry.apply(GIVING, START)
    dry.tick(START)
    assert not lines[CHIP, LINE].high


@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["tick"] * 8 + ["apply", "zero", "apply zero"]),
            st.integers(0, 12 * NS_PER_MS) | st.integers(0, 100 * NS_PER_MS),
        ),
        max_size=60,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_silent_is_shut_and_pulses_pass_an_open_gate(
    monkeypatch: pytest.MonkeyPatch, acts: list[tuple[str, int]]
) -> None:
    bench = Bench(monkeypatch).opened()
    giving, pulses, late = False, 0, False
    last_ns = START
    for act, after_ns in acts:
        bench.now_ns += after_ns
        moved = len(bench.gate.changes)
        match act:
            case "tick":
                pulses += bench.tick().pulses
                late |= bench.now_ns - last_ns > 2 * TOGGLE_NS  # the guard's 5 ms and 5 ms late
                last_ns = bench.now_ns
            case "apply":
                bench.gated.apply(GIVING, bench.now_ns)
                assert len(bench.gate.changes) == moved
                giving = True
            case "zero":
                bench.gated.zero(bench.now_ns)
                giving = False
            case _:
                bench.gated.apply(ZERO, bench.now_ns)
                giving = False
        assert giving or not bench.gate.high
    assert pulses == len(bench.device.pulses_ns)
    if not late:  # as a guard's ticks, else it trips: then every pulse found the gate open
        spans = open_spans(bench.gate.changes, HOLD * TOGGLE_NS)
        for at_ns in bench.device.pulses_ns:
            assert any(a <= at_ns <= b for a, b in spans)
