"""How a simulator talks to who started it: JSON lines out, text lines in, SIGTERM to end."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading


def emit(event: str, **values: object) -> None:
    """Print one JSON line, at once: {"event": event, ...}."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def complain(error: Exception) -> None:
    """Print an error for a person, on stderr."""
    sys.stderr.write(f"{error}\n")


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call in the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


class LineReader:
    """Lines from a file descriptor, without ever waiting.

    Asks before it reads rather than make the descriptor non-blocking: a terminal shares its flags
    with the shell.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._rest = b""
        self.ended = False

    def lines(self) -> list[str]:
        """The complete, non-empty lines that have come since the last call."""
        while not self.ended and self._poll.poll(0):
            data = os.read(self._fd, 4096)
            self.ended = not data
            self._rest += data
        *complete, self._rest = self._rest.split(b"\n")
        return [text for line in complete if (text := line.decode(errors="replace").strip())]
