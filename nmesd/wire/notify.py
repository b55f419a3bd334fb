"""Tells systemd that a process is ready, and that it lives (sd_notify(3)). Silent where there is no systemd.

The watchdog is for recovery alone, and is seconds long: what stops the output in time is the lease.
"""

from __future__ import annotations

import contextlib
import os
import socket

_NEVER_NS = 2**63


class Beacon:
    """One per process. `beat` it only when something was really done."""

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if path else None
        if self._socket is not None:
            self._socket.setblocking(False)
        ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit_us = int(os.environ.get("WATCHDOG_USEC", "0")) if ours else 0
        self._every_ns = limit_us * 1000 // 3 or _NEVER_NS  # three chances
        self._next_ns = 0

    def beat(self, now_ns: int) -> None:
        """Ready the first time, alive after that; as often as the watchdog asks, however often it is called."""
        if now_ns < self._next_ns:
            return
        self.say("READY=1\nWATCHDOG=1" if not self._next_ns else "WATCHDOG=1")
        self._next_ns = now_ns + self._every_ns

    def say(self, text: str) -> None:
        """Something else, as `STATUS=armed`. Never waits, never fails."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # a systemd that is busy is told next time
                self._socket.sendto(text.encode(), self._address)

    def close(self) -> None:
        """Say that it ends, and let the socket go."""
        self.say("STOPPING=1")
        if self._socket is not None:
            self._socket.close()
            self._socket = None
