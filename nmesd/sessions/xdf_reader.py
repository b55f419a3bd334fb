"""Reads XDF as it was written, a chunk at a time: no clock is corrected, no jitter smoothed.

For records of our own, which must come back to the bit; recordings of others are read with pyxdf (`xdf_file.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from nmesd.errors import RecordError
from nmesd.sessions.xdf_writer import MAGIC, Tag

_LENGTHS = {1: "<B", 4: "<I", 8: "<Q"}
_OF_A_STREAM = frozenset(
    {Tag.STREAM_HEADER, Tag.SAMPLES, Tag.CLOCK_OFFSET, Tag.STREAM_FOOTER},
)


class Chunk(NamedTuple):
    """One whole chunk."""

    tag: int
    stream: int  # 0 for those of no stream
    content: bytes  # after tag and stream
    end: int  # where in the file the next one begins


def chunks(path: Path) -> Iterator[Chunk]:
    """Every whole chunk, in order; one cut off at the end is left out. Raises RecordError, naming the file."""
    try:
        with path.open("rb") as file:
            yield from _chunks(path, file)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error}; is this a session folder?") from None


def _chunks(path: Path, file: BinaryIO) -> Iterator[Chunk]:
    if file.read(len(MAGIC)) != MAGIC:
        raise RecordError(f"{path}: damaged: it does not begin as XDF does")
    while head := file.read(1):
        size = head[0]
        if size not in _LENGTHS:
            raise RecordError(f"{path}: damaged at byte {file.tell() - 1}: no chunk begins there")
        length_bytes = file.read(size)
        if len(length_bytes) < size:
            return
        (length,) = struct.unpack(_LENGTHS[size], length_bytes)
        body = file.read(length)
        if len(body) < length:
            return
        tag = int.from_bytes(body[:2], "little")
        stream = int.from_bytes(body[2:6], "little") if tag in _OF_A_STREAM else 0
        yield Chunk(tag, stream, body[6:] if tag in _OF_A_STREAM else body[2:], file.tell())


def numbers(
    content: bytes, dtype: np.dtype[Any], channels: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    """(stamps (n,) seconds, values (n, channels)) of a chunk of samples that all have their stamps.

    Raises ValueError on any other.
    """
    n, start = _count(content)
    layout = np.dtype([("size", "u1"), ("stamp", "<f8"), ("values", dtype, (channels,))])
    if len(content) != start + n * layout.itemsize:
        raise ValueError("not a chunk of stamped samples")
    rows = np.frombuffer(content, layout, offset=start)
    if not (rows["size"] == 8).all():  # noqa: PLR2004 - bytes of a stamp
        raise ValueError("not a chunk of stamped samples")
    return rows["stamp"].astype(np.float64), np.ascontiguousarray(rows["values"])


def texts(content: bytes) -> Iterator[tuple[float, str]]:
    """(seconds, text) of a chunk of texts, one channel. Raises ValueError on any other."""
    n, position = _count(content)
    try:
        for _ in range(n):
            size, stamp_s, length_size = struct.unpack_from("<BdB", content, position)
            (length,) = struct.unpack_from(_LENGTHS[length_size], content, position + 10)
            first = position + 10 + length_size
            position = first + length
            if size != 8 or position > len(content):  # noqa: PLR2004
                raise ValueError("not a chunk of stamped texts")
            yield stamp_s, content[first:position].decode()
    except (struct.error, KeyError):
        raise ValueError("not a chunk of stamped texts") from None


def _count(content: bytes) -> tuple[int, int]:
    """Number of samples, and where they begin."""
    size = content[0] if content else 0
    if size not in _LENGTHS or len(content) < 1 + size:
        raise ValueError("not a chunk of samples")
    return int(struct.unpack_from(_LENGTHS[size], content, 1)[0]), 1 + size
