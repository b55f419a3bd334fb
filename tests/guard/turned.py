"""A guard that is turned by hand: its own loop, a real door, a driver with knobs for faults."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nmesd.drivers.base import Given
from nmesd.drivers.null import NullStimulator
from nmesd.errors import DeviceError
from nmesd.guard import loop
from nmesd.guard.config import GuardConfig
from nmesd.guard.door import Door
from nmesd.guard.loop import Guard
from nmesd.units import NS_PER_MS
from nmesd.wire import (
    ZERO,
    Arm,
    Capabilities,
    ChannelOutput,
    Frame,
    GuardState,
    Hello,
    Lease,
    Link,
    Output,
    Report,
    Reset,
    Timing,
    is_zero,
    link,
    session_token,
)
from tests.guard import scene

GIVING: Output = (ChannelOutput(10_000, 250, 10_000), *ZERO[1:])
LIMITS = scene.LIMITS._replace(amplitude_ua=20_000, rate_mhz=100_000, channels=(0,))
LIMITS_HASH = 6


class Fallible(NullStimulator):
    """Runs on by itself, as some stimulators do: what it was last told to give, until told zero."""

    def __init__(self, port: str) -> None:
        super().__init__(port)
        self.failing: set[str] = set()
        self.gives = False
        self.zeros = 0
        self.told_ns: list[int] = []
        self.net_pc = 0
        self.took_ns: Sequence[int] = ()  # its answers, told once
        self.error: DeviceError | None = None

    def _may(self, what: str) -> None:
        if what in self.failing:
            raise self.error or DeviceError(f"{what} was not acknowledged")

    def listen(self, now_ns: int) -> Sequence[int]:
        self.told_ns.append(now_ns)
        taken, self.took_ns = self.took_ns, ()
        return taken

    def zero(self, now_ns: int) -> None:
        self.told_ns.append(now_ns)
        self._may("zero")
        super().zero(now_ns)
        self.gives = False
        self.zeros += 1

    def apply(self, output: Output, now_ns: int) -> None:
        self.told_ns.append(now_ns)
        self.gives = True  # it may have heard, though it did not answer
        self._may("apply")
        super().apply(output, now_ns)

    def tick(self, now_ns: int) -> Given:
        self.told_ns.append(now_ns)
        self._may("tick")
        return super().tick(now_ns)._replace(net_pc=self.net_pc)


class Clock:
    """Stands still but where the guard waits, so that nothing here depends on this machine's load."""

    def __init__(self) -> None:
        self.now_ns = time.monotonic_ns()

    def monotonic_ns(self) -> int:
        return self.now_ns


class Bench:
    """A guard that is turned by hand."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        patch.setattr(loop, "time", self.clock)
        patch.setattr(link, "time", self.clock)
        self.oversleeps_ns = 0  # once
        self.driver = Fallible("none")
        self.path = str(folder / "g")
        self.door = Door(self.path, os.getuid())
        self.logged: list[tuple[str, bool]] = []  # event, and whether the device gave just then
        self.facts: list[dict[str, Any]] = []
        self.config = config = GuardConfig(self.driver, self.path, os.getuid(), LIMITS, LIMITS_HASH)
        self.guard = Guard(config, self.driver, self.door, self.log, real_time=False)
        self._guard_waits = self.guard._wait
        patch.setattr(self.guard, "_wait", self._wait)
        self.timings: list[Timing] = []  # what it said of its stages
        self.session = 0
        self.report = Report(*[0] * 19)
        self.device: Capabilities | None = None
        self.link = self.connect()
        self.until(lambda: self.report.nonce != 0)

    def _wait(self, until_ns: int) -> list[Any]:
        ready = self._guard_waits(until_ns)
        self.clock.now_ns += 10_000
        if not ready:
            self.clock.now_ns = max(self.clock.now_ns, until_ns)
        self.clock.now_ns += self.oversleeps_ns
        self.oversleeps_ns = 0
        return ready

    def log(self, event: str, **facts: Any) -> None:
        self.logged.append((event, self.driver.gives))
        self.facts.append(facts)

    def connect(self) -> Link:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(self.path)
        return Link(sock)

    def turn(self, *frames: Frame) -> None:
        for frame in frames:
            self.link.send(frame)
        self.guard._turn()
        self.read()

    def read(self) -> list[Report]:
        reports = []
        while not self.link.closed and (received := self.link.receive()) is not None:
            if isinstance(received.frame, Capabilities):
                self.device = received.frame
                continue
            if isinstance(received.frame, Timing):
                self.timings.append(received.frame)
                continue
            assert isinstance(received.frame, Report)
            self.report = received.frame
            reports.append(self.report)
        return reports

    def until(self, done: Callable[[], bool]) -> None:
        for _ in range(1000):
            if done():
                return
            self.turn()
        raise AssertionError((self.report, self.logged))

    def arm(self) -> None:
        arm = Arm(self.report.nonce, 7, LIMITS_HASH, 9)
        self.session = session_token(arm)
        self.turn(Hello(9, 1), arm)
        assert self.report.state == GuardState.ARMED

    def arm_again(self) -> None:
        """After whatever tripped it."""
        if self.report.state == GuardState.TRIPPED:
            self.turn(Reset(7))
        self.arm()

    def leased(self, output: Output = GIVING, ahead_ns: int = 90 * NS_PER_MS) -> Lease:
        now_ns = self.clock.now_ns
        on = not is_zero(output)
        return Lease(self.session, now_ns + ahead_ns, now_ns, now_ns, now_ns, 1, on, output)

    def lease(self, output: Output = GIVING, ahead_ns: int = 90 * NS_PER_MS) -> None:
        self.turn(self.leased(output, ahead_ns))

    def close(self) -> None:
        self.link.close()
        self.door.close()
        assert all(0 < told_ns <= self.clock.now_ns for told_ns in self.driver.told_ns)
