"""The latency timer of an FTDI bridge, with a /sys and a kernel of the test's own."""

import array
import fcntl
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from nmesd.drivers import ftdi
from nmesd.drivers.ftdi import answer_soon

LOW_LATENCY = 1 << 13  # ASYNC_LOW_LATENCY of linux/tty_flags.h
OTHER_FLAGS = 1 << 6 | 1 << 28


class Bridge:
    """A port, its timer, and what the kernel is told."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "dev" / "ttyUSB0"
        self.port.parent.mkdir()
        self.port.touch()
        self.timers = folder / "sys"
        self.timer = self.timers / "ttyUSB0" / "latency_timer"
        self.timer.parent.mkdir(parents=True)
        self.timer.write_text("16\n")
        self.flags = OTHER_FLAGS
        self.told: list[tuple[int, int]] = []  # descriptor, request
        self.works = True  # knob: the kernel obeys
        self.refuses = 0  # knob: an errno

    def ioctl(self, fd: int, request: int, settings: "array.array[int]") -> int:
        if self.refuses:
            raise OSError(self.refuses, "no")
        self.told.append((fd, request))
        assert settings.itemsize * len(settings) >= 72  # struct serial_struct on 64 bit
        if request == termios.TIOCGSERIAL:
            settings[4] = self.flags
        else:
            assert request == termios.TIOCSSERIAL
            self.flags = settings[4]
            if self.works and self.flags & LOW_LATENCY:
                self.timer.write_text("1\n")
        return 0


@pytest.fixture
def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bridge:
    bridge = Bridge(tmp_path)
    monkeypatch.setattr(ftdi, "_TIMERS", bridge.timers)
    monkeypatch.setattr(fcntl, "ioctl", bridge.ioctl)
    return bridge


def test_it_is_set_to_a_millisecond_and_nothing_else_is_changed(bridge: Bridge) -> None:
    assert answer_soon(str(bridge.port), 7) == ""
    assert bridge.flags == OTHER_FLAGS | LOW_LATENCY
    assert bridge.told == [(7, termios.TIOCGSERIAL), (7, termios.TIOCSSERIAL)]
    assert bridge.timer.read_text() == "1\n"


def test_the_port_may_be_named_by_a_link(bridge: Bridge, tmp_path: Path) -> None:
    link = tmp_path / "usb-Hasomed_RehaStim2"
    link.symlink_to(bridge.port)
    assert answer_soon(str(link), 7) == ""
    assert bridge.flags & LOW_LATENCY


def test_a_port_that_is_no_ftdi_bridge_is_left_alone(bridge: Bridge) -> None:
    bridge.timer.unlink()
    assert answer_soon(str(bridge.port), 7) == ""
    assert answer_soon("/dev/ttyACM0", 7) == ""
    assert bridge.told == []


def test_a_timer_that_stays_as_it_was_is_said_with_its_time(bridge: Bridge) -> None:
    bridge.works = False
    said = answer_soon(str(bridge.port), 7)
    assert said == ", latency timer 16 ms: answers come that much late"


def _refuse(bridge: Bridge) -> None:
    bridge.refuses = 1


def _spoil(bridge: Bridge) -> None:
    bridge.works = False
    bridge.timer.write_text("soon")


@pytest.mark.parametrize(("fault", "words"), [(_refuse, "no"), (_spoil, "soon")])
def test_what_fails_is_said_and_does_not_keep_it_from_being_opened(
    bridge: Bridge, fault: Callable[[Bridge], None], words: str
) -> None:
    fault(bridge)
    said = answer_soon(str(bridge.port), 7)
    assert said.startswith(", latency timer not set (")
    assert words in said
    assert "16 ms late" in said
