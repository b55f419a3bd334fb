"""What ScienceMode 2 and 4 (Hasomed) share on the line: start, stop and stuffed bytes, and how packets are found.

    F0 | length and checksum, each byte stuffed | body, stuffed where needed | 0F

The body is stuffed so that neither start nor stop byte can be in it: a packet is found again after any garbage. In
the head, where every byte is stuffed, the second half may look like either (a checksum of A5 is 81 F0).
Sources: ScienceMode 2 protocol 1.24, 2.2 and 5.2; P24 instructions for use 1.1, pp. 16 to 29.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nmesd.errors import DeviceError, Reason

START, STOP, STUFFING, KEY = 0xF0, 0x0F, 0x81, 0x55
_SPECIAL = frozenset((START, STOP, STUFFING))  # not the key


class Packet(NamedTuple):
    """One packet of either side. An answer has its command's number and the next command."""

    number: int
    command: int
    data: bytes = b""


def always_stuffed(data: bytes) -> bytes:
    """Each byte in two: for length and checksum, whatever their value."""
    return b"".join(bytes((STUFFING, byte ^ KEY)) for byte in data)


def stuffed(data: bytes) -> bytes:
    """For the body: only what would be taken for something else is stuffed."""
    return b"".join(
        bytes((STUFFING, byte ^ KEY)) if byte in _SPECIAL else bytes((byte,)) for byte in data
    )


def enclosed(inner: bytes) -> bytes:
    """A packet with its start and stop byte again."""
    return bytes((START, *inner, STOP))


def unstuffed(data: bytes) -> bytes:
    """Back. Raises DeviceError on a stuffing byte with nothing behind it."""
    found, waiting = bytearray(), False
    for byte in data:
        if waiting:
            found.append(byte ^ KEY)
            waiting = False
        elif byte == STUFFING:
            waiting = True
        else:
            found.append(byte)
    if waiting:
        raise odd("a packet that ends in the middle of a byte")
    return bytes(found)


def opened(inner: bytes, head_bytes: int, seal: Callable[[bytes], bytes]) -> bytes:
    """The body, unstuffed, of a packet between start and stop byte: at least number and command.

    seal: what length and checksum of a stuffed body must be. Raises DeviceError on any other bytes.
    """
    head, body = inner[:head_bytes], inner[head_bytes:]
    if always_stuffed(unstuffed(head)) != head or len(head) != head_bytes:
        raise odd("a packet without head")
    if unstuffed(head) != seal(body):
        raise odd("a damaged packet")
    plain = unstuffed(body)
    if len(plain) < 2:  # noqa: PLR2004 - number and command
        raise odd("a packet without a command")
    return plain


def odd(what: str) -> DeviceError:
    """An answer that cannot be understood."""
    return DeviceError(f"{what} from the stimulator", Reason.DEVICE_ANSWER)


class Splitter:
    """Cuts a stream of bytes into packets, and finds the next one after anything.

    most: bytes of the longest packet, with start and stop. head: of length and checksum, stuffed.
    """

    def __init__(self, most: int, head: int) -> None:
        self._most, self._head = most, head
        self._packet: bytearray | None = None  # what came since a start byte
        self.dropped = 0  # bytes that belonged to no packet

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that `data` completes, without start and stop byte."""
        packets = []
        for byte in data:
            if self._packet is not None and self._in_head(self._packet):
                self._packet.append(byte)
            elif byte == START:
                self._drop()
                self._packet = bytearray()
            elif self._packet is None:
                self.dropped += 1
            elif byte == STOP:
                packets.append(bytes(self._packet))
                self._packet = None
            elif len(self._packet) + 3 > self._most:  # start, this byte, stop
                self._drop()
                self.dropped += 1
            else:
                self._packet.append(byte)
        return packets

    def _in_head(self, packet: bytearray) -> bool:
        """Is the next byte the second half of a stuffed one of the head?"""
        return len(packet) < self._head and len(packet) % 2 == 1 and packet[-1] == STUFFING

    def _drop(self) -> None:
        if self._packet is not None:
            self.dropped += 1 + len(self._packet)
            self._packet = None
