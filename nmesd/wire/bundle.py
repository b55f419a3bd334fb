"""Several frames as one message: what the engine says a thousand times a second, the daemon hears a hundred times.

A message wakes whoever reads it, which costs more than what it says. Between engine and daemon alone: what goes to
the guard and back is for this moment.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from nmesd.errors import LinkError
from nmesd.units import NS_PER_MS
from nmesd.wire.codec import MAX_FRAME, OVERHEAD, Received, decode, encode
from nmesd.wire.frames import Bundle, Frame
from nmesd.wire.link import Link

GATHER_NS: Final = 10 * NS_PER_MS
_LENGTH = struct.Struct("<I")


class Gatherer:
    """Holds frames back for a while, in their order."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._held: list[bytes] = []
        self._size, self._since_ns, self._urgent = OVERHEAD, 0, False

    def add(self, frame: Frame, now_ns: int, *, urgent: bool = False) -> None:
        """To be sent by `flush`; urgent: by the next `flush_if_due`. What is too long to be held goes at once."""
        data = encode(frame, 0, now_ns)
        if self._size + _LENGTH.size + len(data) > MAX_FRAME:
            self.flush()
        if OVERHEAD + _LENGTH.size + len(data) > MAX_FRAME:
            self._link.send(frame)
            return
        if not self._held:
            self._since_ns = now_ns
        self._held += (_LENGTH.pack(len(data)), data)
        self._size += _LENGTH.size + len(data)
        self._urgent |= urgent

    def flush_if_due(self, now_ns: int) -> None:
        """Send what has been held for long enough, or has something urgent in it."""
        if self._urgent or now_ns - self._since_ns >= GATHER_NS:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            self._link.send(Bundle(b"".join(self._held)))
            self._held.clear()
            self._size, self._urgent = OVERHEAD, False


def unbundled(received: Received) -> Iterator[Received]:
    """The frames of one message, in order. Raises LinkError on a damaged bundle."""
    if not isinstance(received.frame, Bundle):
        yield received
        return
    payload, position = received.frame.payload, 0
    while position < len(payload):
        if len(payload) - position < _LENGTH.size:
            raise LinkError("a bundle of frames that ends in the middle of one")
        begin = position + _LENGTH.size
        position = begin + _LENGTH.unpack_from(payload, position)[0]
        yield decode(payload[begin:position])
