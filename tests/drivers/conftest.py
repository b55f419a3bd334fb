"""Every driver with what it drives, turned as the guard turns it, and what a listener heard of it."""

import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.drivers import make_driver
from nmesd.drivers.base import NEVER_NS
from nmesd.errors import DeviceError
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import Output, Pulse

SOON_NS = 20 * NS_PER_S  # far beyond what anything here takes, also on a busy machine
TICK_NS = 5 * NS_PER_MS  # as the guard's
# Ten times the driver's own limit, which is tested in made-up time: what goes through a pty passes a kernel worker
# without real-time rights, and a busy machine keeps that one waiting over 20 ms now and then.
ACK_NS = 200 * NS_PER_MS


class Emulator:
    """The emulated device as a child process."""

    def __init__(self, folder: Path, dead_man_ms: int) -> None:
        self.events: list[dict[str, Any]] = []
        options = ["--link", str(folder / "tty"), "--pulses", str(folder / "p"), "--until-eof"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nmesd.sim.device", *options, f"--dead-man-ms={dead_man_ms}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.event("ready")

    def event(self, name: str) -> dict[str, Any]:
        """The next event of that name."""
        assert self.process.stdout
        while line := self.process.stdout.readline():
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == name:
                return self.events[-1]
        pytest.fail(f"ended without {name}: {self.events}")

    def order(self, order: str, **more: object) -> int:
        """Give an order; when it was obeyed."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"order": order, **more}) + "\n")
        self.process.stdin.flush()
        at_ns = self.event("order")["at_ns"]
        assert isinstance(at_ns, int)
        return at_ns

    def close(self) -> None:
        try:
            self.process.communicate(timeout=20)  # closes its stdin, and it ends
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


class Bench:
    """A driver, opened, with its device and a listener; `turn` does what a turn of the guard does."""

    ack_ns = ACK_NS

    def __init__(self, name: str, folder: Path, dead_man_ms: int, *, opened: bool) -> None:
        self.name, self.folder = name, folder
        self.listener = PulseListener(folder / "p")
        self.emulator = Emulator(folder, dead_man_ms) if name == "sim_device" else None
        self.port = str(folder / ("tty" if self.emulator else "p"))
        self.driver = make_driver(name, self.port)
        if opened:
            self.driver.open()
        self.heard: list[Pulse] = []
        self.pulses = self.charge_pc = self.net_pc = 0
        self._next_ns = NEVER_NS

    @property
    def given(self) -> list[Pulse]:
        """What was heard that gives current."""
        self.heard += self.listener.read_all()
        return [pulse for pulse in self.heard if pulse.amplitude_ua]

    def apply(self, output: Output) -> None:
        self._next_ns = time.monotonic_ns()
        self.driver.apply(output, self._next_ns)

    def zero(self) -> None:
        self._next_ns = NEVER_NS
        self.driver.zero(time.monotonic_ns())

    def turn(self, *, lease: bool = True) -> None:
        now_ns = time.monotonic_ns()
        until_ns = min(self._next_ns, now_ns + TICK_NS)
        sources = [self.driver] if self.driver.fileno() >= 0 else []
        select.select(sources, [], [], max(0, until_ns - now_ns) / NS_PER_S)
        self.driver.listen(time.monotonic_ns())
        if lease and time.monotonic_ns() >= self._next_ns:
            got = self.driver.tick(time.monotonic_ns())
            self._next_ns = got.next_ns
            self.pulses += got.pulses
            self.charge_pc += got.charge_pc
            self.net_pc += abs(got.net_pc)
        self.heard += self.listener.read_all()

    def turn_for(self, span_ns: int, *, lease: bool = True) -> None:
        end_ns = time.monotonic_ns() + span_ns
        while time.monotonic_ns() < end_ns:
            self.turn(lease=lease)

    def until(self, done: Callable[[], bool]) -> None:
        end_ns = time.monotonic_ns() + SOON_NS
        while not done():
            assert time.monotonic_ns() < end_ns
            self.turn()

    def fails(self) -> DeviceError:
        """Turn until the driver raises."""
        end_ns = time.monotonic_ns() + SOON_NS
        while time.monotonic_ns() < end_ns:
            try:
                self.turn()
            except DeviceError as error:
                return error
        pytest.fail("the driver did not raise")

    def close(self) -> None:
        self.driver.close()
        if self.emulator:
            self.emulator.close()
        self.listener.close()


@pytest.fixture
def make_bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setattr("nmesd.drivers.sim_device.ACK_NS", ACK_NS)
    benches: list[Bench] = []
    with tempfile.TemporaryDirectory(prefix="nd", dir="/tmp") as folder:  # a socket's path is short

        def make(name: str, dead_man_ms: int = 1200, *, opened: bool = True) -> Bench:
            place = Path(folder) / str(len(benches))
            place.mkdir()
            benches.append(Bench(name, place, dead_man_ms, opened=opened))
            return benches[-1]

        yield make
        for bench in benches:
            bench.close()
