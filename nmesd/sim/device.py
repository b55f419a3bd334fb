"""An emulated stimulator on a pty: `python -m nmesd.sim.device --link PATH --pulses SOCKET`.

Speaks the line protocol of `drivers/sim_lines.py` on the pty that PATH links to, repeats pulses by itself, and
gives each as a `wire.Pulse` datagram to SOCKET (amplitude 0: it stopped, by command or by itself). Without a
valid command for its dead-man it stops; after that, or an electrode error, it needs a new `give`.

Orders on stdin, one JSON object a line:

{"order": "silent"}                    obey, but answer no more
{"order": "late", "ms": 50}            answer that much later
{"order": "garbage"}                   answer with random bytes
{"order": "electrode", "channel": 1}   report an electrode error and stop that output
{"order": "healthy"}                   answer as it should again

On stdout:

{"event": "ready", "port", "dead_man_ms"}
{"event": "order", "order", "at_ns"}             obeyed
{"event": "refused", "reason"}                   an order that could not be understood
{"event": "stopped", "why", "at_ns", "pulses"}   command, dead-man or electrode; was giving until then
{"event": "ended", "pulses"}
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import select
import sys
import termios
import threading
import time
import tty
from collections import deque
from pathlib import Path

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.sim_lines import MAX_LINE, sealed, unsealed
from nmesd.errors import DeviceError
from nmesd.realtime import SOURCE_PRIORITY, try_priority
from nmesd.sim.lines import LineReader, emit, stop_on_signals
from nmesd.sim.self_pulsing import DEAD_MAN_MS, SelfPulsing
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import CHANNELS

_LOOK_NS = 50 * NS_PER_MS  # how long it may be deaf to a signal


class Line:
    """The pty: commands in, answers out, with the faults that are ordered."""

    def __init__(self, link: Path, stimulator: SelfPulsing, dead_man_ms: int) -> None:
        self.fd, self._slave = pty.openpty()  # kept open here, so that a guard's end is not its end
        tty.setraw(self._slave)
        os.set_blocking(self.fd, False)
        self._link = link
        link.unlink(missing_ok=True)  # left by one that was killed
        link.symlink_to(os.ttyname(self._slave))
        self._stimulator = stimulator
        self._identity = f"nmesd-emulator {CHANNELS} {dead_man_ms}"
        self._heard = b""
        self._waiting: deque[tuple[int, bytes]] = deque()  # when to say what
        self._mode, self._late_ns = "healthy", 0

    def hear(self, now_ns: int) -> None:
        """Obey and answer every line that has come."""
        with contextlib.suppress(BlockingIOError):
            *lines, self._heard = (self._heard + os.read(self.fd, 65536)).split(b"\n")
            self._heard = self._heard[-MAX_LINE:]
            for line in filter(None, lines):
                self._answer(self._obey(line, now_ns), now_ns)

    def speak(self, now_ns: int) -> None:
        """Say what is due by now."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            with contextlib.suppress(BlockingIOError):  # the host does not listen: its loss
                os.write(self.fd, self._waiting.popleft()[1])

    def next_ns(self) -> int:
        """When there is something to say."""
        return self._waiting[0][0] if self._waiting else NEVER_NS

    def order(self, text: str, now_ns: int) -> None:
        """Change how it behaves."""
        try:
            order = json.loads(text)
            match order:
                case {"order": "late", "ms": int(ms) | float(ms)}:
                    self._mode, self._late_ns = "late", round(ms * NS_PER_MS)
                case {"order": "silent" | "garbage" | "healthy" as mode}:
                    self._mode, self._late_ns = mode, 0
                case {"order": "electrode", "channel": int(channel)} if 1 <= channel <= CHANNELS:
                    self._stimulator.electrode(channel, now_ns)
                    self._answer(sealed(f"error electrode {channel}"), now_ns)
                case _:
                    emit("refused", reason=f"no such order: {text}")
                    return
        except ValueError as error:
            emit("refused", reason=f"{text}: {error}")
            return
        emit("order", order=order["order"], at_ns=now_ns)

    def forget_owner(self) -> None:
        """As a real port does at its last close: a guard that was killed has left TIOCEXCL behind."""
        fcntl.ioctl(self._slave, termios.TIOCNXCL)

    def close(self) -> None:
        """Gone."""
        self._link.unlink(missing_ok=True)
        os.close(self.fd)
        os.close(self._slave)

    def _obey(self, line: bytes, now_ns: int) -> bytes:
        try:
            number, *words = unsealed(line).split()
        except (DeviceError, ValueError):
            return sealed("error line 0")
        refusal = self._stimulator.command(words, now_ns)
        if refusal:
            return sealed(f"error {refusal} {number}")
        if words == ["who"]:
            state = "giving" if self._stimulator.giving else "idle"
            return sealed(f"ok {number} {self._identity} {state}")
        return sealed(f"ok {number}")

    def _answer(self, answer: bytes, now_ns: int) -> None:
        if self._mode == "garbage":
            answer = os.urandom(len(answer))
        if self._mode != "silent":
            self._waiting.append((now_ns + self._late_ns, answer))


def run(stimulator: SelfPulsing, line: Line, stop: threading.Event, *, until_eof: bool) -> None:
    """Until `stop`, or with `until_eof` until stdin ends: whoever started this is gone."""
    orders = LineReader(sys.stdin.fileno())
    while not stop.is_set() and not (until_eof and orders.ended):
        now_ns = time.monotonic_ns()
        until_ns = min(stimulator.next_ns(), line.next_ns(), now_ns + _LOOK_NS)
        sources = [line.fd] if orders.ended else [line.fd, sys.stdin.fileno()]
        # select, for epoll rounds up to whole milliseconds
        select.select(sources, [], [], max(0, until_ns - now_ns) / NS_PER_S)
        now_ns = time.monotonic_ns()
        line.hear(now_ns)
        for order in orders.lines():
            line.order(order, now_ns)
        stimulator.give(time.monotonic_ns())
        line.speak(time.monotonic_ns())
        if not stimulator.giving:
            line.forget_owner()


def main(argv: list[str] | None = None) -> int:
    """Process entry; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m nmesd.sim.device", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--link", type=Path, required=True, help="symbolic link to make to the pty")
    add("--pulses", type=Path, required=True, help="unix datagram socket to give pulses to")
    add("--dead-man-ms", type=int, default=DEAD_MAN_MS, help="default: %(default)s")
    add("--until-eof", action="store_true", help="end when stdin is closed")
    options = parser.parse_args(argv)
    try_priority(SOURCE_PRIORITY)
    stop = stop_on_signals()
    stimulator = SelfPulsing(options.pulses, options.dead_man_ms)
    line = Line(options.link, stimulator, options.dead_man_ms)
    emit("ready", port=str(options.link), dead_man_ms=options.dead_man_ms)
    run(stimulator, line, stop, until_eof=options.until_eof)
    line.close()
    emit("ended", pulses=stimulator.pulses)
    return 0


if __name__ == "__main__":
    sys.exit(main())
