"""The emulated stimulator, by its line alone."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nmesd.drivers.sim_lines import sealed, unsealed
from nmesd.drivers.tty import Tty
from nmesd.errors import DeviceError
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import Pulse

Start = Callable[..., Any]
GIVE = "give 1 10000 250 10000"
ALL = "give " + " ".join(f"{channel} 130000 500 8000" for channel in range(1, 9))


class Host:
    """Whoever is on the other end of the line."""

    def __init__(self, start: Start, folder: Path, dead_man_ms: int = 1200) -> None:
        self.listener = PulseListener(folder / "p")
        self.link = folder / "tty"
        options = ("--link", str(self.link), "--pulses", str(folder / "p"), "--until-eof")
        self.device = start("device", *options, f"--dead-man-ms={dead_man_ms}")
        self.ready = self.device.event("ready")
        self.line = Tty(str(self.link), 460_800)
        self.pulses: list[Pulse] = []
        self._heard = b""

    def hear(self, span_s: float = 5.0) -> str:
        """The next line, "" if none comes."""
        end_s = time.monotonic() + span_s
        while b"\n" not in self._heard and (left_s := end_s - time.monotonic()) > 0:
            if select.select([self.line], [], [], left_s)[0]:
                self._heard += self.line.read()
        line, _, self._heard = self._heard.partition(b"\n")
        return unsealed(line) if line else ""

    def ask(self, command: str) -> str:
        self.line.write(sealed(f"7 {command}"))
        return self.hear()

    def given(self) -> list[Pulse]:
        self.pulses += self.listener.read_all()
        return [pulse for pulse in self.pulses if pulse.amplitude_ua]

    def until(self, done: Callable[[], bool]) -> None:
        end_ns = time.monotonic_ns() + 20 * NS_PER_S
        while not done():
            assert time.monotonic_ns() < end_ns
            time.sleep(0.002)


@pytest.fixture
def make_host(start: Start, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(dead_man_ms: int = 1200) -> Host:
        hosts.append(Host(start, tmp_path, dead_man_ms))
        return hosts[-1]

    yield make
    for host in hosts:
        host.line.close()
        host.listener.close()


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    return make_host()


def test_it_says_who_it_is_and_what_it_does(host: Host) -> None:
    assert host.ready["dead_man_ms"] == 1200  # that of RehaStim 2
    assert host.ask("who") == "ok 7 nmesd-emulator 8 1200 idle"
    assert host.given() == []
    assert host.ask(GIVE) == "ok 7"
    assert host.ask("live") == "ok 7"
    assert host.ask("who") == "ok 7 nmesd-emulator 8 1200 giving"


def test_it_repeats_pulses_in_time_until_it_is_stopped(host: Host) -> None:
    assert host.ask(GIVE) == "ok 7"
    host.until(lambda: len(host.given()) >= 50)
    assert host.ask("stop") == "ok 7"
    acknowledged_ns = time.monotonic_ns()
    stopped = host.device.event("stopped")
    time.sleep(0.1)
    given = host.given()
    assert stopped["why"] == "command"
    assert stopped["pulses"] >= len(given)  # the kernel queues ten, a busy test may miss some
    assert given[-1].given_ns <= stopped["at_ns"] <= acknowledged_ns
    assert host.pulses[-1].amplitude_ua == 0
    shapes = {(pulse.channel, pulse.amplitude_ua, pulse.pulse_width_us) for pulse in given}
    assert shapes == {(0, 10_000, 250)}
    gaps_ns = [after.given_ns - one.given_ns for one, after in pairwise(given)]
    assert min(gaps_ns) >= 10 * NS_PER_MS
    assert sorted(gaps_ns)[len(gaps_ns) // 2] < 12 * NS_PER_MS


def test_without_a_valid_command_it_stops_and_needs_a_new_give(make_host: Any) -> None:
    host = make_host(dead_man_ms=200)
    host.ask(GIVE)
    last_ns = time.monotonic_ns()
    for _ in range(20):  # damaged lines and refused commands are no sign of life
        host.line.write(b"7 live*0000\n")
        host.line.write(sealed("7 give 9 1 1 1"))
        time.sleep(0.02)
    stopped = host.device.event("stopped")
    assert stopped["why"] == "dead-man"
    assert stopped["at_ns"] - last_ns < 200 * NS_PER_MS + NS_PER_S
    assert max(pulse.given_ns for pulse in host.given()) <= stopped["at_ns"]
    while host.hear(0.1):
        pass
    assert host.ask("live") == "error idle 7"
    before = len(host.given())
    time.sleep(0.1)
    assert len(host.given()) == before
    assert host.ask(GIVE) == "ok 7"
    host.until(lambda: len(host.given()) > before)


@pytest.mark.parametrize(
    "command",
    [
        "give",
        "give 1 10000 250",
        "give 0 10000 250 10000",
        "give 9 10000 250 10000",
        "give 1 0 250 10000",
        "give 1 130001 250 10000",
        "give 1 10000 19 10000",
        "give 1 10000 501 10000",
        "give 1 10000 250 7999",
        "give 1 10000 250 1025001",
        "give 1 -1 250 10000",
        "give 1 1e3 250 10000",
        "give 1 10000 250 10000 2 130001 250 10000",
    ],
)
def test_it_refuses_whole_what_is_out_of_range(host: Host, command: str) -> None:
    assert host.ask(command) == "error range 7"
    assert host.ask("who").endswith("idle")


def test_it_takes_the_most_it_can(host: Host) -> None:
    assert host.ask(ALL) == "ok 7"
    host.until(lambda: {pulse.channel for pulse in host.given()} == set(range(8)))


@pytest.mark.parametrize("line", [b"rubbish\n", b"*\n", sealed("7"), sealed("7 dance"), sealed("")])
def test_it_refuses_what_it_does_not_understand(host: Host, line: bytes) -> None:
    host.line.write(line)
    assert host.hear().startswith("error line")


def test_its_faults_come_and_go_as_ordered(host: Host) -> None:
    host.device.order(order="silent")
    host.device.event("order")
    host.line.write(sealed("7 who"))
    assert host.hear(0.2) == ""
    host.device.order(order="late", ms=200)
    host.device.event("order")
    asked_s = time.monotonic()
    assert host.ask("who").startswith("ok 7")
    assert time.monotonic() - asked_s > 0.15
    host.device.order(order="garbage")
    host.device.event("order")
    host.line.write(sealed("7 who"))
    assert select.select([host.line], [], [], 20)[0]
    assert b"ok 7" not in host.line.read()
    host.device.order(order="healthy")
    host.device.event("order")
    assert host.ask("who").startswith("ok 7")
    host.ask(GIVE)
    host.device.order(order="electrode", channel=1)
    assert host.device.event("stopped")["why"] == "electrode"
    assert host.hear() == "error electrode 1"
    assert host.ask("live") == "error idle 7"
    assert host.ask(GIVE) == "ok 7"


@pytest.mark.parametrize(
    "order", [{"order": "dance"}, {"order": "electrode", "channel": 9}, {"order": "late"}, {}]
)
def test_an_order_it_does_not_know_is_refused(host: Host, order: dict[str, Any]) -> None:
    host.device.order(**order)
    assert "no such order" in host.device.event("refused")["reason"]


def test_it_outlives_its_host_and_takes_the_next(host: Host) -> None:
    host.ask(GIVE)
    host.line.close()
    host.until(lambda: len(host.given()) >= 3)
    host.line = Tty(str(host.link), 460_800)
    assert host.ask("stop") == "ok 7"


def test_it_ends_when_told_and_takes_its_link_along(host: Host) -> None:
    host.device.process.send_signal(signal.SIGTERM)
    host.device.event("ended")
    assert host.device.process.wait(10) == 0
    assert not os.path.lexists(host.link)
    with pytest.raises(DeviceError, match="is gone"):
        host.line.read()


def test_it_ends_with_whoever_started_it(host: Host) -> None:
    host.device.process.stdin.close()
    assert host.device.process.wait(10) == 0
    host.device.process.stdin = None


def test_one_that_was_killed_leaves_nothing_in_the_way(make_host: Any) -> None:
    first = make_host()
    first.device.process.kill()
    first.device.process.wait()
    assert os.path.lexists(first.link)
    first.listener.close()
    assert make_host().ask("who").startswith("ok 7")
