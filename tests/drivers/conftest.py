"""Every driver with what it drives, turned as the guard turns it, and what was heard of it."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from nmesd.drivers import make_driver
from nmesd.drivers.base import NEVER_NS
from nmesd.errors import DeviceError
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import Output, Pulse, coded
from tests.drivers import gpio_bench
from tests.drivers.fake_lines import FakeLines

SOON_NS = 20 * NS_PER_S  # far beyond what anything here takes, also on a busy machine
TICK_NS = 5 * NS_PER_MS  # as the guard's
# Far over the drivers' own limits, which are tested in made-up time: what goes through a pty passes a kernel
# worker without real-time rights, and a busy machine keeps that one waiting over 20 ms now and then.
ACK_NS = 300 * NS_PER_MS
SET_UA, SET_US = 10_000, 250  # what the device behind GPIO lines is set to


class Target(NamedTuple):
    """A driver, with its options, and what it drives."""

    driver: str
    options: Mapping[str, Any] = MappingProxyType({})
    emulated: str = ""  # model of `nmesd emulate`
    repeats: bool = False  # gives pulses by itself until its dead-man
    tells: bool = True  # somebody can hear its pulses


_GPIO = {"set_amplitude_ua": SET_UA, "set_pulse_width_us": SET_US}
TARGETS = {
    "null": Target("null", tells=False),
    "sim": Target("sim"),
    "gpio": Target("gpio", {**_GPIO, "trigger_line": 17, "gate_line": 27}),
    "p24-low": Target("sciencemode4", {}, "p24"),
    "p24-mid": Target("sciencemode4", {"mode": "mid"}, "p24", repeats=True),
    "rehamove3": Target("sciencemode4", {"model": "rehamove3"}, "rehamove3"),
    "rehastim2-list": Target("sciencemode2", {"parity": "none"}, "rehastim2", repeats=True),
    "rehastim2-single": Target("sciencemode2", {"parity": "none", "mode": "single"}, "rehastim2"),
}
# A real device on a dummy load: NMESD_DEVICE='{"driver": "sciencemode4", "port": "/dev/ttyACM0"}' and options.
REAL = json.loads(os.environ.get("NMESD_DEVICE", "null"))
if REAL:
    _OWN = {key: value for key, value in REAL.items() if key not in ("driver", "port")}
    TARGETS["real"] = Target(REAL["driver"], _OWN, tells=False)


class Emulator:
    """An emulated device as a child process."""

    def __init__(self, model: str, folder: Path, *options: str) -> None:
        self.events: list[dict[str, Any]] = []
        place = ["--link", str(folder / "tty"), "--pulses", str(folder / "p"), "--until-eof"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nmesd.sim.emulate", model, *place, *options],
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

    def close(self) -> int:
        """End it; how many pulses it gave, -1 if it was killed."""
        try:
            out, _ = self.process.communicate(timeout=20)  # closes its stdin, and it ends
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return -1
        ended = [json.loads(line) for line in out.splitlines() if '"ended"' in line]
        return int(ended[0]["pulses"]) if ended else -1


class Bench:
    """A driver, opened, with its device and a listener; `turn` does what a turn of the guard does."""

    ack_ns = ACK_NS

    def __init__(
        self, name: str, folder: Path, emulator: tuple[str, ...], lines: FakeLines, *, opened: bool
    ) -> None:
        self.name, self.target, self.folder = name, TARGETS[name], folder
        self.lines = lines
        self.listener = PulseListener(folder / "p")
        self.emulator: Emulator | None = None
        self.port = "gpiochip" if self.target.driver == "gpio" else str(folder / "p")
        if self.target.emulated:
            self.emulator = Emulator(self.target.emulated, folder, *emulator)
            self.port = str(folder / "tty")
        elif name == "real":
            self.port = REAL["port"]
        self.driver = self.another()
        if opened:
            self.driver.open()
        self.heard: list[Pulse] = []
        self.pulses = self.charge_pc = self.net_pc = 0
        self._next_ns = NEVER_NS

    def another(self) -> Any:
        """Another driver for the same device."""
        return make_driver(self.target.driver, self.port, self.target.options)

    @property
    def given(self) -> list[Pulse]:
        """What was heard that gives current."""
        self.heard += self.listener.read_all()
        if self.target.driver == "gpio":
            rises_ns = self.lines[self.port, 17].rises_ns
            return [Pulse(at_ns, 0, SET_UA, SET_US) for at_ns in rises_ns]
        return [pulse for pulse in self.heard if pulse.amplitude_ua]

    def apply(self, output: Output) -> None:
        """As the guard does: armed, and as the device codes it."""
        self._next_ns = time.monotonic_ns()
        self.driver.apply(coded(output, self.driver.capabilities), self._next_ns)

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
            self.tick()
        self.heard += self.listener.read_all()

    def tick(self) -> None:
        got = self.driver.tick(time.monotonic_ns())
        self._next_ns = got.next_ns
        self.pulses += got.pulses
        self.charge_pc += got.charge_pc
        self.net_pc += abs(got.net_pc)

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
    for module in ("sciencemode2", "sciencemode4"):
        monkeypatch.setattr(f"nmesd.drivers.{module}.ACK_NS", ACK_NS)
    lines = FakeLines()
    lines.wire_to(monkeypatch)
    benches: list[Bench] = []
    with tempfile.TemporaryDirectory(prefix="nd", dir="/tmp") as folder:  # a socket's path is short

        def make(name: str, *emulator: str, opened: bool = True) -> Bench:
            place = Path(folder) / str(len(benches))
            place.mkdir()
            benches.append(Bench(name, place, emulator, lines, opened=opened))
            return benches[-1]

        yield make
        for bench in benches:
            bench.close()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> gpio_bench.Make:
    """A way to make stimulators set by hand, on fake lines."""
    return lambda options: gpio_bench.Bench(monkeypatch, options)
