"""The pty an emulated stimulator answers on, and what can be wrong with a line."""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import pty
import random
import termios
import tty
from pathlib import Path

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.hasomed_bytes import START
from nmesd.units import NS_PER_US

_NOISE = bytes(set(range(256)) - {START})  # after a false start the packet behind it is lost too
_NOISE_BYTES = 12
# Between the bytes of a split answer, so that the host reads them one by one; 30 of them take 3 ms.
_SPLIT_NS = 100 * NS_PER_US


class PtyPort:
    """Bytes in, answers out when they are due, with the faults that are ordered.

    Faults, one at a time: "silent" (no answers), "late", "garbage" (random bytes in the answer's place), "noise"
    (random bytes before it), "split" (a byte at a time), "healthy". They meet the answers given from then on.
    """

    def __init__(self, link: Path) -> None:
        self._link = link
        self._fault, self._late_ns = "healthy", 0
        self._to_lose = 0
        self._waiting: list[tuple[int, int, bytes]] = []  # when, which, what
        self._said = 0
        self._split: bytearray = bytearray()  # what goes out a byte at a time
        self._next_byte_ns = 0
        self.fd = self._slave = -1
        self.plug()

    def plug(self) -> None:
        """A new pty under the same link, as a cable plugged in again gets a new device node."""
        self.fd, self._slave = pty.openpty()  # kept open here, so that a host's end is not its end
        tty.setraw(self._slave)
        os.set_blocking(self.fd, False)
        self._link.unlink(missing_ok=True)  # left by one that was killed
        self._link.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        """The cable is out: the host's end hangs up, what was to be said is lost."""
        if self.fd < 0:
            return
        self._link.unlink(missing_ok=True)
        os.close(self.fd)
        os.close(self._slave)
        self.fd = self._slave = -1
        self._waiting.clear()
        self._split.clear()

    def fault(self, fault: str, late_ns: int = 0) -> None:
        """From now on."""
        self._fault, self._late_ns = fault, late_ns
        self._to_lose = 0

    def lose_next(self) -> None:
        """The next answer never arrives."""
        self._to_lose = 1

    def read(self) -> bytes:
        """What has come, b"" if nothing has."""
        if self.fd >= 0:
            with contextlib.suppress(BlockingIOError):
                return os.read(self.fd, 65536)
        return b""

    def say(self, due_ns: int, answer: bytes) -> None:
        """Answer, then."""
        if self.fd < 0 or self._fault == "silent":
            return
        if self._to_lose:
            self._to_lose -= 1
            return
        if self._fault == "garbage":
            answer = os.urandom(len(answer))
        elif self._fault == "noise":
            answer = bytes(random.choices(_NOISE, k=_NOISE_BYTES)) + answer
        self._said += 1
        heapq.heappush(self._waiting, (due_ns + self._late_ns, self._said, answer))

    def speak(self, now_ns: int) -> None:
        """Write what is due by now."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            answer = heapq.heappop(self._waiting)[2]
            if self._fault == "split" or self._split:  # bytes stay in order
                self._split += answer
            else:
                self._write(answer)
        if self._split and now_ns >= self._next_byte_ns:
            self._write(bytes((self._split.pop(0),)))
            self._next_byte_ns = now_ns + _SPLIT_NS

    def next_ns(self) -> int:
        """When there is something to write."""
        return min(
            self._next_byte_ns if self._split else NEVER_NS,
            self._waiting[0][0] if self._waiting else NEVER_NS,
        )

    def forget_owner(self) -> None:
        """As a real port does at its last close: a guard that was killed has left TIOCEXCL behind."""
        if self._slave >= 0:
            fcntl.ioctl(self._slave, termios.TIOCNXCL)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # the host does not listen: its loss
            os.write(self.fd, data)
