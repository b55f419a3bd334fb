"""Frames to bytes and back: little-endian, one frame per SOCK_SEQPACKET message.

    magic u16 | version u8 | kind u8 | sequence u32 | t_ns i64 | body ... | payload ... | crc32 u32

`t_ns` is the sender's CLOCK_MONOTONIC. Each direction of each connection numbers its frames from 1 without
gaps. `decode` is the only way in: it accepts exactly what `encode` makes, and raises `LinkError`, never
anything else, on any other bytes.
"""

from __future__ import annotations

import struct
import zlib
from itertools import chain
from typing import Any, NamedTuple

from nmesd.errors import LinkError
from nmesd.wire import frames
from nmesd.wire.frames import FRAMES, KINDS, ZERO, ChannelOutput, Frame, Output

MAGIC = 0x4D4E  # "NM"
VERSION = 1
MAX_FRAME = 65_536  # bytes; a chunk of raw EMG is cut to fit

_HEADER = struct.Struct("<HBBIq")
_CRC = struct.Struct("<I")
OVERHEAD = _HEADER.size + _CRC.size


class _Codec(NamedTuple):
    frame: type[Any]
    body: struct.Struct
    whole: struct.Struct  # behind the header: one call packs both
    tail: str  # what the last field is: "" an integer, "output", "args" or "payload"


def _codec(frame: type[Frame], body: str) -> _Codec:
    last = "".join(frame._fields[-1:])
    tail = last if last in ("output", "args", "payload") else ""
    return _Codec(frame, struct.Struct("<" + body), struct.Struct(_HEADER.format + body), tail)


_CODECS = {kind: _codec(*layout) for kind, layout in FRAMES.items()}


class Received(NamedTuple):
    """A frame with its header."""

    sequence: int
    t_ns: int
    frame: Frame


def encode(frame: Frame, sequence: int, t_ns: int) -> bytes:
    """The bytes of a frame. Raises LinkError if a field does not fit its integer, or all of it MAX_FRAME."""
    kind = KINDS[type(frame)]
    codec = _CODECS[kind]
    fields: tuple[Any, ...] = (MAGIC, VERSION, kind, sequence, t_ns, *frame)
    *values, last = fields
    try:
        match codec.tail:
            case "":
                data = codec.whole.pack(*values, last)
            case "payload":
                data = codec.whole.pack(*values) + last
            case "output":
                data = codec.whole.pack(*values, *chain.from_iterable(last))
            case _:
                data = codec.whole.pack(*values, *last)
    except struct.error as error:
        raise LinkError(f"{type(frame).__name__}: a field does not fit: {error}") from None
    if len(data) + _CRC.size > MAX_FRAME:
        raise LinkError(f"{type(frame).__name__}: over {MAX_FRAME} bytes")
    return data + _CRC.pack(zlib.crc32(data))


def _output(flat: tuple[int, ...]) -> Output:
    return tuple(ChannelOutput(*flat[i : i + 3]) for i in range(0, len(flat), 3))


def decode(data: bytes) -> Received:
    """The frame in `data`. Raises LinkError, and nothing else, on bytes that `encode` does not make."""
    if not OVERHEAD <= len(data) <= MAX_FRAME:
        raise LinkError(f"frame of {len(data)} bytes, allowed are {OVERHEAD} to {MAX_FRAME}")
    magic, version, kind, sequence, t_ns = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise LinkError("not an nmesd frame")
    if version != VERSION:
        raise LinkError(
            f"protocol version {version}, this is {VERSION}: install the same nmesd everywhere"
        )
    if _CRC.unpack_from(data, len(data) - _CRC.size)[0] != zlib.crc32(data[: -_CRC.size]):
        raise LinkError("checksum wrong")
    codec = _CODECS.get(kind)
    if codec is None:
        raise LinkError(f"unknown kind {kind}")
    body = data[_HEADER.size : -_CRC.size]
    size = codec.body.size
    if len(body) < size or (len(body) > size and codec.tail != "payload"):
        raise LinkError(f"{codec.frame.__name__}: {len(body)} bytes, {size} expected")
    values: tuple[Any, ...] = codec.body.unpack_from(body)
    match codec.tail:
        case "":
            pass
        case "payload":
            values = (*values, body[size:])
        case "output":
            first = len(values) - 3 * frames.CHANNELS
            flat = values[first:]
            values = (*values[:first], _output(flat) if any(flat) else ZERO)
        case _:
            values = (*values[: -frames.NOTE_ARGS], values[-frames.NOTE_ARGS :])
    return Received(sequence, t_ns, codec.frame(*values))
