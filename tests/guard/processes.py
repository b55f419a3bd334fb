"""A guard process with the simulated stimulator, and a client that is an engine as far as it can tell."""

import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.errors import Reason
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    ZERO,
    Arm,
    Capabilities,
    ChannelOutput,
    GuardState,
    Hello,
    Lease,
    Link,
    Output,
    Pulse,
    Report,
    Timing,
    is_zero,
    session_token,
)

SOON_NS = 5 * NS_PER_S  # far beyond what anything here takes
SETTINGS_HASH = 4711
PERIOD_NS = 25 * NS_PER_MS
GIVING: Output = (ChannelOutput(10_000, 250, PERIOD_NS // 1000), *ZERO[1:])

GUARD_TOML = """\
[stimulator]
driver = "sim"
level = "full"
port = "{folder}/p"
channels = [1]
[electrodes]
area_cm2 = 25
[guard]
socket = "{folder}/g"
[limits]
amplitude_ma = 20
rise_ma_s = 260
rest_s = 0.25
trains_per_min = 60
duty_percent = 100
"""


class Child:
    """A guard process, a listener to its stimulator, and what it logged."""

    def __init__(self, folder: Path, *, client_user: str | None = None) -> None:
        self.folder = folder
        self.listener = PulseListener(folder / "p")
        config = folder / "guard.toml"
        text = GUARD_TOML.format(folder=folder)
        if client_user is not None:
            text = text.replace("[guard]", f'[guard]\nclient_user = "{client_user}"')
        config.write_text(text)
        self.pulses: list[Pulse] = []
        self.links: list[Link] = []
        self._command = [sys.executable, "-m", "nmesd.guard", str(config)]
        self.start()

    def start(self) -> None:
        self._log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(self._command, stderr=self._log)
        self.until(lambda: any(line["event"] == "guard ready" for line in self.log()))

    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def until(self, done: Callable[[], bool]) -> None:
        deadline_ns = time.monotonic_ns() + SOON_NS
        while not done():
            assert time.monotonic_ns() < deadline_ns, self.log()
            time.sleep(0.002)

    def connect(self) -> Link:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(str(self.folder / "g"))
        self.links.append(Link(sock))
        return self.links[-1]

    def read_pulses(self) -> list[Pulse]:
        self.pulses += self.listener.read_all()
        return self.pulses

    def given(self) -> list[Pulse]:
        return [pulse for pulse in self.read_pulses() if pulse.amplitude_ua]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self._log.close()
        return code

    def close(self) -> None:
        for link in self.links:
            link.close()
        self.process.kill()
        self.process.wait()
        self._log.close()
        self.listener.close()


class Client:
    """An engine, as far as the guard can tell."""

    def __init__(self, child: Child, *, hello: bool = True) -> None:
        self.child = child
        self.may_be_late = False  # True where that is what is tested
        self.link = child.connect()
        select.select([self.link], [], [], SOON_NS / NS_PER_S)
        first = self.link.receive()
        assert first is not None, "the guard closed the connection or is silent"
        assert isinstance(first.frame, Capabilities)
        self.device = first.frame
        self.report = self.next_report()
        self.session = self.expiry_ns = 0
        if hello:
            self.link.send(Hello(SETTINGS_HASH, 1))

    def next_report(self) -> Report:
        select.select([self.link], [], [], SOON_NS / NS_PER_S)
        received = self.link.receive()
        assert received is not None, "the guard closed the connection or is silent"
        if isinstance(received.frame, Timing):
            return self.next_report()
        assert isinstance(received.frame, Report)
        self.report = received.frame
        held_up = self.report.trip_reason in (Reason.GUARD_LATE, Reason.MACHINE_STALLED)
        if held_up and not self.report.real_time and not self.may_be_late:
            pytest.skip("no real-time rights, and the machine held the guard up: it trips, rightly")
        return self.report

    def until(self, state: GuardState) -> Report:
        deadline_ns = time.monotonic_ns() + SOON_NS
        while self.report.state != state:
            self.child.read_pulses()
            assert time.monotonic_ns() < deadline_ns, self.report
            self.next_report()
        return self.report

    def arm(self) -> None:
        frame = Arm(self.report.nonce, 7, self.report.limits_hash, SETTINGS_HASH)
        self.session = session_token(frame)
        self.link.send(frame)
        assert self.until(GuardState.ARMED).session == self.session

    def lease(self, output: Output = GIVING, *, ahead_ns: int = 80 * NS_PER_MS) -> None:
        """Far ahead: this test shares its processor with others, and has no rights of its own."""
        now_ns = time.monotonic_ns()
        on = not is_zero(output)
        self.expiry_ns = now_ns + ahead_ns
        self.link.send(Lease(self.session, self.expiry_ns, now_ns, now_ns, now_ns, 1, on, output))

    def give(self, seconds: float) -> None:
        end_ns = time.monotonic_ns() + round(seconds * NS_PER_S)
        while time.monotonic_ns() < end_ns:
            self.lease()
            time.sleep(0.005)
            self.child.read_pulses()  # the kernel queues ten datagrams (net.unix.max_dgram_qlen)
            for report in self.reports():
                self.report = report

    def give_until(self, done: Callable[[], bool], within_ns: int = SOON_NS) -> None:
        deadline_ns = time.monotonic_ns() + within_ns
        while not done():
            self.give(0.02)
            assert time.monotonic_ns() < deadline_ns, self.child.log()

    def drain(self) -> Report:
        """Every report there is, then a fresh one."""
        for _ in self.reports():
            pass
        return self.next_report()

    def reports(self) -> Iterator[Report]:
        """Those that are there, without what the guard says of its own stages."""
        while (received := self.link.receive()) is not None:
            if not isinstance(received.frame, Timing):
                assert isinstance(received.frame, Report)
                yield received.frame


def tripped(report: Report) -> Reason:
    assert report.state == GuardState.TRIPPED
    assert not report.output_on
    return Reason(report.trip_reason)


def silent_from_now(child: Child) -> None:
    """Nothing but zero comes from here on."""
    child.read_pulses()
    before = len(child.given())
    last = child.pulses[-1]
    assert last.amplitude_ua == 0
    time.sleep(3 * PERIOD_NS / NS_PER_S)
    assert len(child.given()) == before
