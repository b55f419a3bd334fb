"""What the guard relies on, asked of every driver in DRIVERS with what it drives, in real time."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from nmesd.drivers import DRIVERS, make_driver
from nmesd.errors import ConfigError, DeviceError
from nmesd.units import NS_PER_MS, NS_PER_US
from nmesd.wire import CHANNELS, ZERO, ChannelOutput, Output

PERIOD_NS = 20 * NS_PER_MS
ONE = ChannelOutput(10_000, 250, PERIOD_NS // NS_PER_US)
GIVING: Output = (ONE, *ZERO[1:])
# Drivers with a device that can be opened at all, and that no two may have.
EXCLUSIVE = {"sim_device"}
TELLS_NOBODY = {"null"}


@pytest.fixture(params=sorted(DRIVERS))
def bench(request: pytest.FixtureRequest, make_bench: Callable[..., Any]) -> Any:
    return make_bench(request.param)


def run_until(bench: Any, pulses: int) -> None:
    bench.until(lambda: bench.pulses >= pulses)


def test_it_says_what_it_is(bench: Any) -> None:
    assert bench.driver.identify()
    assert bench.driver.capabilities.channels == CHANNELS
    assert bench.driver.capabilities.simulated


def test_it_is_silent_when_opened_and_under_ticks_alone(bench: Any) -> None:
    now_ns = time.monotonic_ns()
    assert bench.driver.tick(now_ns)[:3] == (0, 0, 0)
    bench.turn_for(3 * PERIOD_NS)
    assert bench.driver.tick(time.monotonic_ns())[:3] == (0, 0, 0)
    assert bench.given == []


def test_no_pulse_before_a_tick_lets_it_through(bench: Any) -> None:
    bench.apply(GIVING)
    bench.turn_for(3 * PERIOD_NS, lease=False)
    assert bench.given == []
    bench.until(lambda: bench.pulses > 0 and (bench.given or bench.name in TELLS_NOBODY))


def test_pulses_and_charge_are_counted_never_too_low_and_balance(bench: Any) -> None:
    for amplitude_ua in range(1000, 10_000, 100):  # a ramp, renewed faster than it pulses
        bench.apply((ONE._replace(amplitude_ua=amplitude_ua), *ZERO[1:]))
        bench.turn_for(2 * NS_PER_MS)
    run_until(bench, bench.pulses + 10)
    bench.zero()
    bench.turn_for(PERIOD_NS, lease=False)
    bench.driver.tick(time.monotonic_ns())
    assert bench.net_pc == 0
    if bench.name in TELLS_NOBODY:
        return
    heard_pc = sum(pulse.amplitude_ua * pulse.pulse_width_us for pulse in bench.given)
    given = bench.emulator.event("stopped")["pulses"] if bench.emulator else len(bench.given)
    assert given <= bench.pulses
    assert heard_pc <= bench.charge_pc
    # A device of its own may be late and the driver cannot know: generous on a busy machine.
    assert bench.pulses <= 1.5 * given + 2
    if len(bench.given) == given:  # the kernel queues ten, a busy test may miss some
        assert bench.charge_pc <= 1.5 * heard_pc + 2 * 2_500_000


def test_the_rate_is_never_over_what_was_asked(bench: Any) -> None:
    half = ONE._replace(period_us=2 * ONE.period_us)
    output = (ONE, ChannelOutput(), half, *ZERO[3:])
    start_ns = time.monotonic_ns()
    for n in range(5):  # also not by renewing, zero and again
        bench.apply(output)
        run_until(bench, 4 * n + 3)
        bench.zero()
        bench.turn_for(NS_PER_MS)
    span_ns = time.monotonic_ns() - start_ns
    assert {pulse.channel for pulse in bench.given} <= {0, 2}
    for channel in (0, 2):
        period_ns = output[channel].period_us * NS_PER_US
        times_ns = [pulse.given_ns for pulse in bench.given if pulse.channel == channel]
        assert len(times_ns) <= span_ns // period_ns + 1
        if bench.emulator:  # `sim` is asked the same in made-up time, in test_pulse_by_pulse.py
            assert all(after - one >= period_ns for one, after in pairwise(times_ns))


def test_zero_ends_it_and_may_be_repeated(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 3)
    bench.zero()
    bench.turn_for(2 * PERIOD_NS, lease=False)  # a device of its own has acknowledged by now
    before = len(bench.given)
    bench.driver.tick(time.monotonic_ns())  # what came before the zero, counted late
    for _ in range(5):
        bench.zero()
        bench.turn_for(PERIOD_NS)
        assert bench.driver.tick(time.monotonic_ns())[:2] == (0, 0)
    assert len(bench.given) == before
    assert bench.name in TELLS_NOBODY or bench.heard[-1].amplitude_ua == 0


def test_an_apply_of_zero_is_zero(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 2)
    bench.apply(ZERO)
    bench.turn_for(2 * PERIOD_NS)
    before = bench.pulses, len(bench.given)
    bench.turn_for(2 * PERIOD_NS)
    assert (bench.pulses, len(bench.given)) == before


def test_it_gives_again_after_zero_only_when_applied_again(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 2)
    bench.zero()
    bench.turn_for(2 * PERIOD_NS)
    before = bench.pulses
    bench.turn_for(2 * PERIOD_NS)
    assert bench.pulses == before
    bench.apply(GIVING)
    run_until(bench, before + 2)


def test_a_dead_guard_ends_it(make_bench: Callable[..., Any]) -> None:
    """No turn at all: what is sent pulse by pulse ends at once, the others by their own dead-man."""
    dead_man_ns = 300 * NS_PER_MS
    for name in sorted(set(DRIVERS) - TELLS_NOBODY):
        bench = make_bench(name, dead_man_ms=300)
        bench.apply(GIVING)
        run_until(bench, 3)
        silent_ns = time.monotonic_ns()
        time.sleep(4 * dead_man_ns / 1e9)
        last_ns = max(pulse.given_ns for pulse in bench.given)
        assert last_ns <= silent_ns + dead_man_ns
        if bench.emulator:
            assert bench.emulator.event("stopped")["why"] == "dead-man"
            assert last_ns > silent_ns  # it does go on by itself: that is what the dead-man is for


def test_a_long_train_outlives_the_dead_man(make_bench: Callable[..., Any]) -> None:
    """The keep-alive is sent, by ticks: with the output unchanged nothing else is."""
    bench = make_bench("sim_device", dead_man_ms=300)
    bench.apply(GIVING)
    bench.turn_for(1000 * NS_PER_MS)
    bench.zero()
    assert bench.emulator.event("stopped")["why"] == "command"


def test_close_ends_it_and_lets_it_go(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 3)
    bench.driver.close()
    closed_ns = time.monotonic_ns()
    time.sleep(3 * PERIOD_NS / 1e9)
    assert bench.driver.fileno() == -1
    assert all(pulse.given_ns <= closed_ns for pulse in bench.given)
    bench.driver.close()
    again = make_driver(bench.name, bench.port)
    again.open()
    again.close()


def test_two_cannot_have_it(bench: Any) -> None:
    if bench.name not in EXCLUSIVE:
        another = make_driver(bench.name, bench.port)
        another.open()
        another.close()
        return
    bench.apply(GIVING)
    run_until(bench, 2)
    with pytest.raises(DeviceError, match="another program has this port"):
        make_driver(bench.name, bench.port).open()
    before = bench.pulses
    run_until(bench, before + 2)  # and the first does not notice


def test_an_unknown_driver_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="known are null, sim, sim_device"):
        make_driver("rehastim1", "/dev/null")
