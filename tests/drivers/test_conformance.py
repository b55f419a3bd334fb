"""What the guard relies on, asked of every driver with what it drives, in real time.

NMESD_DEVICE (see conftest.py) adds a real one on a dummy load: of that only counts can be asked, nobody hears it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nmesd.drivers import DRIVERS, make_driver
from nmesd.errors import ConfigError, DeviceError
from nmesd.units import NS_PER_MS, NS_PER_S, NS_PER_US
from nmesd.wire import ZERO, ChannelOutput, Output, coded
from tests.drivers.conftest import TARGETS

PERIOD_NS = 40 * NS_PER_MS  # single pulses of a RehaStim 2 come every 25 ms at most
ONE = ChannelOutput(10_000, 250, PERIOD_NS // NS_PER_US)
GIVING: Output = (ONE, *ZERO[1:])
CHANNELS = {"null": 8, "sim": 8, "gpio": 1, "rehamove3": 4}  # the others have 8
SIMULATED = {"null", "sim"}
EXCLUSIVE = {"sciencemode2", "sciencemode4", "gpio"}  # drivers with a device that no two may have
DEAD_MAN_MS = 500  # LIVE_NS of the drivers is 100: a busy machine may be late
REPEATING = sorted(name for name, target in TARGETS.items() if target.repeats)
HEARD = sorted(name for name, target in TARGETS.items() if target.tells)


@pytest.fixture(params=sorted(TARGETS))
def bench(request: pytest.FixtureRequest, make_bench: Callable[..., Any]) -> Any:
    return make_bench(request.param)


def run_until(bench: Any, pulses: int) -> None:
    """Until so many were counted, and as many heard where somebody hears."""
    bench.until(lambda: bench.pulses >= pulses)


def sleep_listening(bench: Any, span_ns: int) -> None:
    """No turn at all, but hear the pulses: the kernel queues about ten."""
    end_ns = time.monotonic_ns() + span_ns
    while time.monotonic_ns() < end_ns:
        time.sleep(0.005)
        assert bench.given is not None


def as_given(bench: Any, output: Output) -> Output:
    return coded(output, bench.driver.capabilities)


def test_it_says_what_it_is(bench: Any) -> None:
    can = bench.driver.capabilities
    assert bench.driver.identify()
    if bench.name == "real":
        return
    assert can.channels == CHANNELS.get(bench.name, 8)
    assert bool(can.simulated) is (bench.name in SIMULATED)
    assert as_given(bench, GIVING) == GIVING  # all that is asked here can be given as it is


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
    bench.until(lambda: bench.pulses > 0 and (bench.given or not bench.target.tells))
    assert bench.pulses > 0


def test_pulses_and_charge_are_counted_never_too_low_and_balance(bench: Any) -> None:
    for amplitude_ua in range(1000, 10_000, 100):  # a ramp, renewed faster than it pulses
        bench.apply((ONE._replace(amplitude_ua=amplitude_ua), *ZERO[1:]))
        bench.turn_for(2 * NS_PER_MS)
    bench.apply(GIVING)
    run_until(bench, bench.pulses + 6)
    bench.zero()
    bench.turn_for(2 * PERIOD_NS, lease=False)
    bench.tick()
    assert bench.net_pc == 0
    assert bench.charge_pc <= bench.pulses * 2_500_000
    if not bench.target.tells:
        return
    heard = bench.given
    heard_pc = sum(pulse.amplitude_ua * pulse.pulse_width_us for pulse in heard)
    bench.driver.close()
    given = bench.emulator.close() if bench.emulator else len(heard)
    assert len(heard) <= given <= bench.pulses
    assert heard_pc <= bench.charge_pc
    # A device of its own may be late and the driver cannot know: generous on a busy machine.
    assert bench.pulses <= 1.5 * given + 2
    if len(heard) == given:  # a busy test may miss some
        assert bench.charge_pc <= 1.5 * heard_pc + 2 * 2_500_000


def test_each_pulse_is_as_it_was_coded(bench: Any) -> None:
    """Asked between its steps it gives less, never more; what the device gets is what is counted."""
    asked = ChannelOutput(10_999, 255, 40_250)
    if bench.target.driver == "gpio":  # that is set by hand, and asked for more it gives nothing
        asked = asked._replace(amplitude_ua=10_000, pulse_width_us=250)
    bench.apply((asked, *ZERO[1:]))
    given, *others = as_given(bench, (asked, *ZERO[1:]))
    assert given.amplitude_ua in (10_000, 10_500, 10_999)
    assert not any(other.amplitude_ua for other in others)
    assert given.pulse_width_us <= 255
    assert given.period_us >= 40_250
    bench.until(lambda: bench.pulses >= 2 and (bench.given or not bench.target.tells))
    assert bench.charge_pc == bench.pulses * given.amplitude_ua * given.pulse_width_us
    for pulse in bench.given:
        assert pulse[1:] == (0, given.amplitude_ua, given.pulse_width_us)


def test_the_rate_is_never_over_what_was_asked(bench: Any) -> None:
    half = ONE._replace(period_us=2 * ONE.period_us)
    output = (ONE, ChannelOutput(), half, *ZERO[3:])
    start_ns = time.monotonic_ns()
    for n in range(4):  # also not by renewing, zero and again
        bench.apply(output)
        run_until(bench, 3 * n + 3)
        bench.zero()
        bench.turn_for(NS_PER_MS)
    span_ns = time.monotonic_ns() - start_ns
    wanted = as_given(bench, output)
    assert {pulse.channel for pulse in bench.given} <= {0, 2}
    for channel in (0, 2):
        times_ns = [pulse.given_ns for pulse in bench.given if pulse.channel == channel]
        if not times_ns:
            continue
        period_ns = wanted[channel].period_us * NS_PER_US
        assert len(times_ns) <= span_ns // period_ns + 1
        if (
            bench.target.repeats
        ):  # the others are asked the same in made-up time: the tick decides there
            assert all(after - one >= period_ns for one, after in pairwise(times_ns))


def test_zero_ends_it_and_may_be_repeated(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 3)
    bench.zero()
    bench.turn_for(2 * PERIOD_NS, lease=False)  # a device of its own has acknowledged by now
    before = len(bench.given)
    bench.driver.tick(time.monotonic_ns())  # what came before the zero, counted late
    for _ in range(3):
        bench.zero()
        bench.turn_for(PERIOD_NS)
        assert bench.driver.tick(time.monotonic_ns())[:2] == (0, 0)
    assert len(bench.given) == before
    if bench.target.tells and bench.target.driver != "gpio":  # a line has no word for zero
        assert bench.heard[-1].amplitude_ua == 0


def test_an_apply_of_zero_is_zero(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 2)
    bench.apply(ZERO)
    bench.turn_for(3 * PERIOD_NS)
    before = bench.pulses, len(bench.given)
    bench.turn_for(3 * PERIOD_NS)
    assert (bench.pulses, len(bench.given)) == before


def test_it_gives_again_after_zero_only_when_applied_again(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 2)
    bench.zero()
    bench.turn_for(3 * PERIOD_NS)
    before = bench.pulses
    bench.turn_for(2 * PERIOD_NS)
    assert bench.pulses == before
    bench.apply(GIVING)
    run_until(bench, before + 2)


@pytest.mark.parametrize("name", HEARD)
def test_a_dead_guard_ends_it(make_bench: Callable[..., Any], name: str) -> None:
    """No turn at all: what is sent pulse by pulse ends at once, the others by their own dead-man."""
    repeats = TARGETS[name].repeats
    options = ("--dead-man-ms", str(DEAD_MAN_MS)) if repeats else ()
    bench = make_bench(name, *options)
    bench.apply(GIVING)
    run_until(bench, 3)
    silent_ns = time.monotonic_ns()
    sleep_listening(bench, (DEAD_MAN_MS * NS_PER_MS if repeats else 0) + 5 * PERIOD_NS)
    last_ns = max(pulse.given_ns for pulse in bench.given)
    if repeats:
        stopped = bench.emulator.event("stopped")
        assert stopped["why"] == "dead-man"
        # It does go on by itself: that is what the dead-man is for.
        assert silent_ns < last_ns <= stopped["at_ns"]
        assert stopped["at_ns"] <= silent_ns + 2 * DEAD_MAN_MS * NS_PER_MS
    else:
        assert last_ns <= silent_ns + PERIOD_NS


@pytest.mark.parametrize("name", REPEATING)
def test_a_long_train_outlives_the_dead_man(make_bench: Callable[..., Any], name: str) -> None:
    """The keep-alive is sent, by ticks: with the output unchanged nothing else is."""
    bench = make_bench(name, "--dead-man-ms", str(DEAD_MAN_MS))
    bench.apply(GIVING)
    bench.turn_for(3 * DEAD_MAN_MS * NS_PER_MS)
    bench.zero()
    assert bench.emulator.event("stopped")["why"] == "command"


KILLED = """
import json, os, signal, sys, time
from nmesd.drivers import make_driver
from nmesd.wire import ZERO, ChannelOutput, coded
name, port, options = sys.argv[1:]
driver = make_driver(name, port, json.loads(options))
driver.open()
driver.apply(coded((ChannelOutput(10_000, 250, 40_000), *ZERO[1:]), driver.capabilities), time.monotonic_ns())
pulses = 0
while pulses < 3:
    driver.listen(time.monotonic_ns())
    pulses += driver.tick(time.monotonic_ns()).pulses
    time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", [one for one in HEARD if TARGETS[one].emulated])
def test_a_killed_guard_ends_it_and_the_next_can_open_it(
    make_bench: Callable[..., Any], repo_root: Path, name: str
) -> None:
    repeats = TARGETS[name].repeats
    options = ("--dead-man-ms", str(DEAD_MAN_MS)) if repeats else ()
    bench = make_bench(name, *options, opened=False)
    given = json.dumps(bench.target.options)
    command = [sys.executable, "-c", KILLED, bench.target.driver, bench.port, given]
    guard = subprocess.run(command, cwd=repo_root, env=dict(os.environ), check=False, timeout=60)
    assert guard.returncode == -9
    killed_ns = time.monotonic_ns()
    sleep_listening(bench, (DEAD_MAN_MS * NS_PER_MS if repeats else 0) + 3 * PERIOD_NS)
    last_ns = max(pulse.given_ns for pulse in bench.given)
    assert last_ns <= killed_ns + (2 * DEAD_MAN_MS * NS_PER_MS if repeats else 0)
    before = len(bench.given)
    bench.driver.open()
    bench.turn_for(2 * PERIOD_NS)
    assert len(bench.given) == before
    bench.apply(GIVING)
    bench.until(lambda: len(bench.given) >= before + 2)


def test_close_ends_it_and_lets_it_go(bench: Any) -> None:
    bench.apply(GIVING)
    run_until(bench, 3)
    bench.driver.close()
    closed_ns = time.monotonic_ns()
    sleep_listening(bench, 3 * PERIOD_NS)
    assert bench.driver.fileno() == -1
    assert all(pulse.given_ns <= closed_ns for pulse in bench.given)
    bench.driver.close()
    again = bench.another()
    again.open()
    again.close()


def test_two_cannot_have_it(bench: Any) -> None:
    another = bench.another()
    if bench.target.driver not in EXCLUSIVE:
        another.open()
        assert another.tick(time.monotonic_ns()).pulses == 0
        another.close()
        return
    bench.apply(GIVING)
    run_until(bench, 2)
    with pytest.raises(DeviceError, match=r"another program has this (port|line)"):
        another.open()
    before = bench.pulses
    run_until(bench, before + 2)  # and the first does not notice


def test_zero_is_taken_before_it_was_ever_armed_and_after_a_long_silence(bench: Any) -> None:
    """As a guard does that nobody arms: a stimulator that greets again meanwhile is heard."""
    bench.zero()
    bench.turn_for(2 * PERIOD_NS, lease=False)
    if bench.target.emulated == "rehastim2":
        bench.turn_for(2 * NS_PER_S, lease=False)  # longer than its watchdog
    bench.zero()
    bench.turn_for(2 * PERIOD_NS, lease=False)
    assert bench.given == []
    bench.apply(GIVING)
    run_until(bench, 2)


def test_every_driver_there_is_is_asked() -> None:
    assert {target.driver for target in TARGETS.values()} == set(DRIVERS)


def test_an_unknown_driver_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="known are gpio, null, sciencemode2, sciencemode4, sim"):
        make_driver("rehastim1", "/dev/null")
