"""The guard's serial line, on pty pairs."""

import errno
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmesd.drivers.tty import SPEEDS, Tty
from nmesd.errors import DeviceError

OPEN = """
import sys
from nmesd.drivers.tty import Tty
from nmesd.errors import DeviceError
try:
    Tty(sys.argv[1], 115200)
except DeviceError as error:
    print(error)
"""


class Pair:
    """A pty: the test is the device."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        self.vanished = False

    def vanish(self) -> None:
        self.vanished = True
        os.close(self.master)

    def close(self) -> None:
        if not self.vanished:
            self.vanish()
        os.close(self._slave)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def flood(line: Tty) -> None:
    for _ in range(10_000):
        line.write(b"x" * 100)


@pytest.mark.parametrize("speed", SPEEDS)
def test_every_byte_goes_both_ways_at_every_speed(pair: Pair, speed: int) -> None:
    line = Tty(pair.path, speed)
    everything = bytes(range(256))
    line.write(everything)
    assert os.read(pair.master, 4096) == everything
    assert line.read() == b""
    os.write(pair.master, everything)
    assert select.select([line], [], [], 5)[0] == [line]
    assert line.read() == everything
    assert termios.tcgetattr(line.fileno())[4:6] == [SPEEDS[speed]] * 2
    line.close()


def test_it_takes_what_a_device_needs_beyond_8n1(pair: Pair) -> None:
    line = Tty(pair.path, 3_000_000, cflag=termios.CSTOPB | termios.CRTSCTS)
    assert termios.tcgetattr(line.fileno())[2] & termios.CSTOPB
    line.close()


def test_what_came_before_it_was_opened_is_forgotten(pair: Pair) -> None:
    os.write(pair.master, b"stale")
    line = Tty(pair.path, 115_200)
    assert line.read() == b""
    line.close()


def test_no_two_have_it_in_one_process_or_in_two(pair: Pair, repo_root: Path) -> None:
    line = Tty(pair.path, 115_200)
    with pytest.raises(DeviceError, match=f"{pair.path}: another program has this port: end it"):
        Tty(pair.path, 115_200)
    command = [sys.executable, "-c", OPEN, pair.path]
    other = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=True)
    assert "another program has this port" in other.stdout
    line.write(b"still mine")
    assert os.read(pair.master, 4096) == b"still mine"
    line.close()
    Tty(pair.path, 115_200).close()


def test_a_child_process_does_not_inherit_it(pair: Pair) -> None:
    line = Tty(pair.path, 115_200)
    assert not os.get_inheritable(line.fileno())
    line.close()


@pytest.mark.parametrize("what", ["read", "write"])
def test_one_that_vanishes_is_gone_for_good(pair: Pair, what: str) -> None:
    line = Tty(pair.path, 115_200)
    pair.vanish()
    with pytest.raises(DeviceError, match="the stimulator is gone"):
        line.read() if what == "read" else line.write(b"x")
    assert line.fileno() == -1
    with pytest.raises(DeviceError, match="the stimulator is gone"):
        line.write(b"x")
    with pytest.raises(DeviceError, match="the stimulator is gone"):
        line.read()
    line.close()


def test_a_write_that_does_not_fit_fails_at_once_and_leaves_room(pair: Pair) -> None:
    line = Tty(pair.path, 115_200)
    with pytest.raises(DeviceError, match="does not take what is sent"):
        flood(line)
    line.write(b"stop")
    data = b""
    while select.select([pair.master], [], [], 0.1)[0]:
        data += os.read(pair.master, 65536)
    assert data.endswith(b"stop")
    line.close()


@pytest.mark.parametrize("fits", [0, 4])
def test_a_write_that_is_not_whole_fails(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    line = Tty(pair.path, 115_200)

    def write(_fd: int, _data: bytes) -> int:
        if not fits:
            raise BlockingIOError
        return fits

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(DeviceError, match=rf"\({fits} of 5 bytes\)"):
        line.write(b"stop\n")
    monkeypatch.undo()
    line.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "another program has this port"),
        (errno.EACCES, "dialout"),
        (errno.EINVAL, "Invalid argument"),
    ],
)
def test_why_it_cannot_be_opened_is_said(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DeviceError, match=words):
        Tty("/dev/ttyUSB0", 460_800)


def test_what_is_no_port_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no such port"):
        Tty(str(tmp_path / "ttyUSB0"), 460_800)
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="not a serial port"):
        Tty(str(tmp_path / "file"), 460_800)
