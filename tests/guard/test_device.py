"""A stimulator that fails: the guard's own loop, a real door, a driver with knobs for faults."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.drivers.base import Given
from nmesd.drivers.null import NullStimulator
from nmesd.errors import DeviceError, Reason
from nmesd.guard import loop
from nmesd.guard.config import GuardConfig
from nmesd.guard.door import Door
from nmesd.guard.limits import Limits
from nmesd.guard.loop import LATE_NS, Guard
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    ZERO,
    Arm,
    ChannelOutput,
    Disarm,
    Frame,
    GuardState,
    Hello,
    Lease,
    Link,
    Output,
    Report,
    Reset,
    Stop,
    session_token,
)

GIVING: Output = (ChannelOutput(10_000, 250, 10_000), *ZERO[1:])
LIMITS = Limits(20_000, 400, 100, frozenset({0}))
SOON_NS = 10 * NS_PER_S


class Fallible(NullStimulator):
    """Runs on by itself, as some stimulators do: what it was last told to give, until told zero."""

    def __init__(self, port: str) -> None:
        super().__init__(port)
        self.failing: set[str] = set()
        self.gives = False
        self.zeros = 0

    def _may(self, what: str) -> None:
        if what in self.failing:
            raise DeviceError(f"{what} was not acknowledged")

    def zero(self, now_ns: int) -> None:
        self._may("zero")
        super().zero(now_ns)
        self.gives = False
        self.zeros += 1

    def apply(self, output: Output, now_ns: int) -> None:
        self.gives = True  # it may have heard, though it did not answer
        self._may("apply")
        super().apply(output, now_ns)

    def tick(self, now_ns: int) -> Given:
        self._may("tick")
        return super().tick(now_ns)


class Bench:
    """A guard that is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.driver = Fallible("none")
        self.door = Door(str(folder / "g"))
        self.logged: list[tuple[str, bool]] = []  # event, and whether the device gave just then
        config = GuardConfig("null", "none", str(folder / "g"), LIMITS, 6)
        self.guard = Guard(config, self.driver, self.door, self._log, real_time=False)
        sock = self.door.listener.__class__(self.door.listener.family, self.door.listener.type)
        sock.connect(str(folder / "g"))
        self.link = Link(sock)
        self.report = Report(*[0] * 19)
        self.until(lambda: self.report.nonce != 0)

    def _log(self, event: str, **facts: Any) -> None:
        self.logged.append((event, self.driver.gives))

    def turn(self, *frames: Frame) -> None:
        for frame in frames:
            self.link.send(frame)
        self.guard._turn()
        while (received := self.link.receive()) is not None:
            assert isinstance(received.frame, Report)
            self.report = received.frame

    def until(self, done: Callable[[], bool]) -> None:
        deadline_ns = time.monotonic_ns() + SOON_NS
        while not done():
            assert time.monotonic_ns() < deadline_ns, (self.report, self.logged)
            self.turn()

    def arm(self) -> None:
        arm = Arm(self.report.nonce, 7, 6, 9)
        self.session = session_token(arm)
        self.turn(Hello(9, 1), arm)
        assert self.report.state == GuardState.ARMED

    def lease(self, output: Output = GIVING) -> None:
        now_ns = time.monotonic_ns()
        expiry_ns = now_ns + 90 * NS_PER_MS
        on = output is not ZERO
        self.turn(Lease(self.session, expiry_ns, now_ns, now_ns, now_ns, 1, on, output))

    def close(self) -> None:
        self.link.close()
        self.door.close()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(loop, "LATE_NS", 10 * NS_PER_S)  # turned by a test without any rights
    folder = Path(tempfile.mkdtemp(prefix="nd", dir="/tmp"))  # a socket's path is short
    bench = Bench(folder)
    yield bench
    bench.close()
    shutil.rmtree(folder)


def failed(bench: Bench) -> bool:
    return (bench.report.state, bench.report.trip_reason) == (
        GuardState.TRIPPED,
        Reason.DEVICE_FAILED,
    )


@pytest.mark.parametrize("what", ["apply", "tick"])
def test_a_device_that_fails_gets_zero_and_the_guard_trips(bench: Bench, what: str) -> None:
    bench.arm()
    bench.driver.failing = {what}
    bench.lease()
    bench.until(lambda: failed(bench))
    assert not bench.driver.gives
    assert ("device failed", False) in bench.logged  # zero first, then words
    zeros = bench.driver.zeros
    bench.turn()
    bench.turn()
    assert bench.driver.zeros == zeros  # it took one, so it is not told again


@pytest.mark.parametrize(
    "end", [Disarm(7), Stop(Reason.OPERATOR_STOP, 0, 0)], ids=["disarm", "stop"]
)
def test_a_zero_that_fails_is_tried_until_it_is_taken(bench: Bench, end: Frame) -> None:
    bench.arm()
    bench.lease()
    assert bench.driver.gives
    bench.driver.failing = {"zero"}
    bench.turn(end)
    assert bench.report.state == GuardState.TRIPPED
    for _ in range(3):
        bench.turn()
    assert bench.driver.gives  # nothing to be done yet
    bench.driver.failing = set()
    bench.turn()
    assert not bench.driver.gives


def test_a_device_that_takes_no_zero_cannot_be_armed(bench: Bench) -> None:
    bench.arm()
    bench.driver.failing = {"apply", "zero"}
    bench.lease()
    bench.until(lambda: failed(bench))
    bench.turn(Reset(7))
    bench.until(lambda: failed(bench))
    assert [event for event, _ in bench.logged].count("device failed") == 3
    bench.driver.failing = set()
    bench.turn()
    bench.turn(Reset(7))
    bench.until(lambda: bench.report.state == GuardState.DISARMED)
    bench.arm()
    bench.lease()
    assert bench.driver.gives


def test_a_bad_frame_gives_zero_before_it_is_told(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    assert bench.driver.gives
    bench.link._socket.send(b"rubbish")
    bench.turn()
    assert bench.report.trip_reason == Reason.FRAME_BAD
    assert bench.logged[-2:] == [("guard state", False), ("bad frame", False)]


def test_a_guard_that_was_held_up_trips(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LATE_NS", LATE_NS)
    bench.arm()
    bench.lease()
    wait = bench.guard._wait

    def overslept(until_ns: int) -> list[Any]:
        time.sleep(0.02)
        return wait(until_ns)

    monkeypatch.setattr(bench.guard, "_wait", overslept)
    bench.turn()
    assert bench.report.trip_reason == Reason.GUARD_LATE
    assert bench.report.trip_value > bench.report.trip_limit == LATE_NS
    assert not bench.driver.gives


def test_the_end_of_the_loop_is_zero(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    assert bench.driver.gives
    bench.guard.stopping = True
    bench.guard.run()
    assert not bench.driver.gives
