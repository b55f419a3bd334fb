"""The emulated stimulators as processes on a pty: what a host meets, and what can be ordered."""

import contextlib
import errno
import fcntl
import os
import select
import signal
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.drivers import sciencemode2_packets as sm2
from nmesd.drivers import sciencemode4_packets as sm4
from nmesd.drivers.hasomed_bytes import Packet, Splitter
from nmesd.drivers.tty import Tty
from nmesd.errors import DeviceError
from nmesd.sim.emulate import MODELS
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS
from nmesd.wire import Pulse

SOON_S = 20.0  # far beyond what anything here takes, also on a busy machine
TIOCGEXCL = 0x80045440  # asm-generic/ioctls.h; termios does not have it
STATUS = (sm4.Command.GET_STIM_STATUS, b"")
UPDATE = b"\x01" + sm4.ml_channel(sm4.biphasic(200, 40, 100), 20_000)


class Host:
    """Whoever is on the other end of the line."""

    def __init__(self, start: Callable[..., Any], folder: Path, model: str, *options: str) -> None:
        self.listener = PulseListener(folder / "p")
        self.link = folder / "tty"
        places = ("--link", str(self.link), "--pulses", str(folder / "p"))
        self.device = start("emulate", model, *places, "--until-eof", *options)
        self.ready = self.device.event("ready")
        self.codec = sm2 if model == "rehastim2" else sm4
        self.pulses: list[Pulse] = []
        self.plug()

    def plug(self) -> None:
        self.line = Tty(str(self.link), 460_800)
        self.splitter = Splitter(self.codec.MOST_BYTES, self.codec.HEAD_BYTES)
        self.reads: list[bytes] = []
        self.packets: list[Packet] = []

    def hear(self, span_s: float = SOON_S) -> Packet | None:
        """The next whole packet, None if none comes. Damaged ones are passed over."""
        end_s = time.monotonic() + span_s
        while not self.packets and (left_s := end_s - time.monotonic()) > 0:
            if select.select([self.line], [], [], left_s)[0]:
                self.reads.append(self.line.read())
                for inner in self.splitter.feed(self.reads[-1]):
                    with contextlib.suppress(DeviceError):
                        self.packets.append(self.codec.decode(inner))
        return self.packets.pop(0) if self.packets else None

    def send(self, command: int, data: bytes = b"") -> None:
        self.line.write(self.codec.encode(Packet(7, command, data)))

    def ask(self, command: int, data: bytes = b"", span_s: float = SOON_S) -> bytes | None:
        """The data of the answer."""
        self.send(command, data)
        answer = self.hear(span_s)
        if answer is None:
            return None
        assert (answer.number, answer.command) == (7, command + 1)
        return answer.data

    def order(self, order: str, **more: object) -> dict[str, Any]:
        self.device.order(order=order, **more)
        event: dict[str, Any] = self.device.event("order")
        return event

    def given(self) -> list[Pulse]:
        self.pulses += self.listener.read_all()
        return [pulse for pulse in self.pulses if pulse.amplitude_ua]

    def until(self, done: Callable[[], bool]) -> None:
        end_s = time.monotonic() + SOON_S
        while not done():
            assert time.monotonic() < end_s
            time.sleep(0.002)


Make = Callable[..., Host]


@pytest.fixture
def make_host(start: Callable[..., Any], tmp_path: Path) -> Iterator[Make]:
    hosts: list[Host] = []

    def make(model: str = "p24", *options: str) -> Host:
        hosts.append(Host(start, tmp_path, model, *options))
        return hosts[-1]

    yield make
    for host in hosts:
        host.line.close()
        host.listener.close()


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host()


@pytest.mark.parametrize("model", MODELS)
def test_each_model_is_ready_and_speaks(make_host: Make, model: str) -> None:
    host = make_host(model)
    dead_man_ms = 1200 if model == "rehastim2" else 2000
    assert host.ready == {
        "event": "ready",
        "port": str(host.link),
        "model": model,
        "dead_man_ms": dead_man_ms,
    }
    if model == "rehastim2":
        init = host.hear()
        assert init is not None
        assert (init.command, init.data) == (sm2.Command.INIT, b"\1")
        host.line.write(sm2.encode(Packet(init.number, sm2.Command.INIT_ACK, b"\0")))
        assert host.ask(sm2.Command.GET_MODE) == b"\0\0"
    else:
        version = host.ask(sm4.Command.GET_EXTENDED_VERSION)
        assert version is not None
        assert version[4] == (4 if model == "p24" else 3)
    assert host.given() == []


def test_it_repeats_in_time_and_stops_without_its_host(make_host: Make) -> None:
    host = make_host("p24", "--dead-man-ms=300", "--ack-ms=0", "--version=2")
    assert host.ready["dead_man_ms"] == 300
    assert (host.ask(sm4.Command.GET_EXTENDED_VERSION) or b"")[4:5] == b"\2"
    assert host.ask(sm4.Command.ML_INIT, b"\0") == b"\0"
    assert host.ask(sm4.Command.ML_UPDATE, UPDATE) == b"\0"
    told_ns = time.monotonic_ns()
    host.until(lambda: bool(host.given()) and host.pulses[-1].amplitude_ua == 0)
    stopped = host.device.event("stopped")
    assert stopped["why"] == "dead-man"
    assert stopped["pulses"] >= 2
    assert {pulse[1:] for pulse in host.given()} == {(0, 20_000, 200)}
    assert host.given()[-1].given_ns < stopped["at_ns"] == host.pulses[-1].given_ns
    assert stopped["at_ns"] >= host.given()[0].given_ns + 300 * NS_PER_MS
    assert stopped["at_ns"] < told_ns + SOON_S * 1000 * NS_PER_MS


def test_a_pulse_that_leaves_charge_behind_is_reported(host: Host) -> None:
    host.ask(sm4.Command.LL_INIT, b"\0")
    shape = sm4.ll_channel(1, (sm4.Point(200, 40),))
    assert host.ask(sm4.Command.LL_CHANNEL, shape) == b"\0\1\0"
    unbalanced = host.device.event("unbalanced")
    assert unbalanced == {"event": "unbalanced", "channel": 2, "net_pc": 4_000_000}
    host.until(lambda: len(host.given()) == 1)


def test_faults_of_the_line_come_and_go(host: Host) -> None:
    level = b"\0\0\1"
    host.order("silent")
    assert host.ask(*STATUS, 0.3) is None
    assert host.order("late", ms=300, event="dance", at_ns=1)["ms"] == 300
    asked_s = time.monotonic()
    assert host.ask(*STATUS) == level
    assert time.monotonic() - asked_s > 0.3
    host.order("garbage")
    assert host.ask(*STATUS, 0.3) is None
    assert sum(map(len, host.reads)) > 0
    host.order("healthy")
    host.splitter.feed(b"\xf0" * 3 + b"\x0f")  # whatever garbage had begun
    assert host.ask(*STATUS) == level
    host.order("noise")
    before = host.splitter.dropped
    assert host.ask(*STATUS) == level
    assert host.splitter.dropped > before
    host.order("split")
    host.reads.clear()
    assert host.ask(*STATUS) == level
    assert len(host.reads) > 3
    host.order("healthy")
    host.order("lost")
    assert host.ask(*STATUS, 0.3) is None
    assert host.ask(*STATUS) == level


def test_unplugged_it_goes_on_until_its_dead_man_and_is_there_again(host: Host) -> None:
    host.ask(sm4.Command.ML_INIT, b"\0")
    host.ask(sm4.Command.ML_UPDATE, UPDATE)
    at_ns = host.order("unplug")["at_ns"]
    assert not os.path.lexists(host.link)
    with pytest.raises(DeviceError, match="is gone"):
        host.hear()
    host.until(lambda: any(pulse.given_ns > at_ns for pulse in host.given()))
    assert host.device.event("stopped")["why"] == "dead-man"
    host.device.order(order="unplug")
    assert host.device.event("refused")["reason"] == "unplug: it is already"
    host.order("replug")
    host.plug()
    assert host.ask(*STATUS) == bytes((0, 2, 6))
    host.device.order(order="replug")
    assert host.device.event("refused")["reason"] == "replug: it is already"
    host.order("restart")
    assert host.ask(*STATUS) == bytes((0, 0, 1))


def test_what_befalls_the_device_is_ordered_too(make_host: Make) -> None:
    host = make_host("rehastim2", "--dead-man-ms=60000")
    init = host.hear()
    assert init is not None
    host.line.write(sm2.encode(Packet(init.number, sm2.Command.INIT_ACK, b"\0")))
    host.order("busy")
    assert host.ask(sm2.Command.GET_MODE) == b"\xf8"
    host.order("healthy")
    for order, code in (("emergency", b"\xff"), ("module", b"\xfd")):
        host.order(order)
        error = host.hear()
        assert error is not None
        assert error[1:] == (sm2.Command.STIMULATION_ERROR, code)
        host.order("healthy")
    host.order("electrode", channel=1)
    host.send(sm2.Command.SINGLE_PULSE, sm2.single_pulse(0, sm2.ListPulse(200, 10)))
    said = [host.hear(), host.hear()]
    assert [one[1:] for one in said if one] == [
        (sm2.Command.SINGLE_PULSE_ACK, b"\0"),
        (sm2.Command.STIMULATION_ERROR, b"\xfe"),
    ]
    assert host.given() == []


@pytest.mark.parametrize(
    "order",
    [
        {"order": "dance"},
        {"order": "late"},
        {"order": "late", "ms": -1},
        {"order": "late", "ms": float("inf")},
        {"order": "electrode"},
        {"order": "electrode", "channel": 9},
        {"order": "emergency"},  # a P24 has no switch
        {},
    ],
)
def test_an_order_it_cannot_obey_is_refused(host: Host, order: dict[str, Any]) -> None:
    host.device.order(**order)
    assert host.device.event("refused")["reason"]


def test_a_line_that_is_no_order_is_refused(host: Host) -> None:
    for line in ("{", "[]", "7"):
        host.device.process.stdin.write(line + "\n")
        host.device.process.stdin.flush()
        assert host.device.event("refused")["reason"]


def exclusive(link: Path) -> bool:
    """Is the port still somebody's alone?"""
    try:
        fd = os.open(link, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        assert error.errno == errno.EBUSY  # noqa: PT017 - anybody but root meets this
        return True
    found = fcntl.ioctl(fd, TIOCGEXCL, b"\0" * 4)
    os.close(fd)
    return found != b"\0" * 4


def test_it_outlives_a_host_that_was_killed_and_takes_the_next(host: Host) -> None:
    fd = os.open(host.link, os.O_RDWR | os.O_NOCTTY)
    host.line.close()
    fcntl.ioctl(fd, termios.TIOCEXCL)
    os.close(fd)  # as a kill does: nothing gives it back
    host.until(lambda: not exclusive(host.link))
    host.plug()
    assert host.ask(*STATUS) == b"\0\0\1"


def test_it_ends_when_told_and_takes_its_link_along(host: Host) -> None:
    host.device.process.send_signal(signal.SIGTERM)
    assert host.device.event("ended")["pulses"] == 0
    assert host.device.process.wait(SOON_S) == 0
    assert not os.path.lexists(host.link)
    with pytest.raises(DeviceError, match="is gone"):
        host.line.read()


def test_it_ends_with_whoever_started_it_also_unplugged(host: Host) -> None:
    host.order("unplug")
    host.device.process.stdin.close()
    assert host.device.process.wait(SOON_S) == 0
    host.device.process.stdin = None


def test_one_that_was_killed_leaves_nothing_in_the_way(make_host: Make) -> None:
    first = make_host()
    first.device.process.kill()
    first.device.process.wait()
    assert os.path.lexists(first.link)
    first.listener.close()
    assert make_host().ask(*STATUS) == b"\0\0\1"
