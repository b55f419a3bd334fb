"""A stimulator set by hand: triggers, the gate, the gate alone, on fake lines in made-up time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers import make_driver
from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.gpio_line import HOLD, HOLD_MOST, LAPSE
from nmesd.errors import DeviceError
from nmesd.units import NS_PER_MS, NS_PER_S, NS_PER_US
from nmesd.wire import ZERO
from tests.drivers.fake_lines import FakeLines, open_spans
from tests.drivers.gpio_bench import (
    BOTH,
    CHARGE_PC,
    CHIP,
    GATE,
    GATED,
    GIVING,
    ONE,
    PERIOD_NS,
    PROPERTY,
    START,
    TOGGLE_NS,
    TRIGGER,
    TRIGGER_NS,
    TRIGGERED,
    Bench,
    Make,
)


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
