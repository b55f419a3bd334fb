"""The FTDI bridge inside a RehaStim 2 keeps what it received back for 16 ms, unless told to answer soon."""

from __future__ import annotations

import array
import fcntl
import os
import termios
from pathlib import Path

LATENCY_MS = 1  # ScienceMode 2 protocol, 2.1: to be set to 1 ms
_TIMERS = Path("/sys/bus/usb-serial/devices")
_FLAGS_AT = 4  # in struct serial_struct (linux/serial.h): type, line, port, irq, flags
_ASYNC_LOW_LATENCY = (
    1 << 13
)  # linux/tty_flags.h; ftdi_sio then sets its timer to 1 ms, and asks for no right


def answer_soon(path: str, fd: int) -> str:
    """Set the latency timer of the port `path`, open as `fd`. What a person should know of it, "" if nothing.

    A port that is no FTDI bridge has none.
    """
    timer = _TIMERS / Path(os.path.realpath(path)).name / "latency_timer"
    if not timer.exists():
        return ""
    settings = array.array("i", [0] * 32)
    try:
        fcntl.ioctl(fd, termios.TIOCGSERIAL, settings)
        settings[_FLAGS_AT] |= _ASYNC_LOW_LATENCY
        fcntl.ioctl(fd, termios.TIOCSSERIAL, settings)
        now_ms = int(timer.read_text())
    except (OSError, ValueError) as error:
        return f", latency timer not set ({error}): answers come up to 16 ms late"
    return (
        "" if now_ms <= LATENCY_MS else f", latency timer {now_ms} ms: answers come that much late"
    )
