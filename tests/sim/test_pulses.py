import json
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmesd.errors import LinkError
from nmesd.sim.pulses import PulseListener
from nmesd.wire import Beat, Pulse, encode


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        yield sender


def pulse(amplitude_ua: int, given_ns: int) -> Pulse:
    return Pulse(given_ns, 1, amplitude_ua, 300)


def test_pulses_are_read_in_order_logged_and_passed_on(
    tmp_path: Path, sender: socket.socket
) -> None:
    log = tmp_path / "pulses.jsonl"
    with (
        PulseListener(tmp_path / "b") as spectator,
        PulseListener(tmp_path / "a", forward=tmp_path / "b", log=log) as listener,
    ):
        assert listener.read_all() == []
        sent = [pulse(20_000, 10), pulse(21_000, 30), pulse(0, 50)]
        for number, frame in enumerate(sent, 1):
            sender.sendto(encode(frame, number, time.monotonic_ns()), str(tmp_path / "a"))
        assert select.select([listener], [], [], 1.0)[0] == [listener]
        assert listener.read_all() == sent
        assert spectator.read_all() == sent
        assert (listener.count, listener.last_given_ns, listener.not_forwarded) == (2, 30, 0)
        assert [json.loads(line)["given_ns"] for line in log.read_text().splitlines()] == [
            10,
            30,
            50,
        ]
    assert not (tmp_path / "a").exists()


def test_nobody_to_pass_on_to_is_counted_and_no_trouble(
    tmp_path: Path, sender: socket.socket
) -> None:
    with PulseListener(tmp_path / "a", forward=tmp_path / "nobody") as listener:
        sender.sendto(encode(pulse(1000, 10), 1, 0), str(tmp_path / "a"))
        assert len(listener.read_all()) == 1
        assert listener.not_forwarded == 1


def test_what_is_no_pulse_is_an_error(tmp_path: Path, sender: socket.socket) -> None:
    with PulseListener(tmp_path / "a") as listener:
        sender.sendto(b"hello", str(tmp_path / "a"))
        with pytest.raises(LinkError):
            listener.read_all()
        sender.sendto(encode(Beat(), 1, 0), str(tmp_path / "a"))
        with pytest.raises(LinkError, match="only pulses"):
            listener.read_all()


def test_a_socket_left_by_a_killed_process_is_replaced_but_no_file_is(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(tmp_path / "a"))
    PulseListener(tmp_path / "a").close()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OSError, match="in use"):
        PulseListener(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"
