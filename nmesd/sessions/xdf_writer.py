"""XDF 1.0 as bytes, a chunk at a time: whoever has them in order after `begin` has a file that every reader knows.

https://github.com/sccn/xdf/wiki/Specifications. A chunk is its length, its tag, its content, all little-endian.
Nothing here goes back to what was written: a file that ends after any whole chunk is a good one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

MAGIC: Final = b"XDF:"
BOUNDARY: Final = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")  # of the specification
DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "float32": np.dtype("<f4"),
    "double64": np.dtype("<f8"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
}


class Tag(IntEnum):
    """Kinds of chunks."""

    FILE_HEADER = 1
    STREAM_HEADER = 2
    SAMPLES = 3
    CLOCK_OFFSET = 4
    BOUNDARY = 5
    STREAM_FOOTER = 6


def begin() -> bytes:
    """What every file begins with."""
    return MAGIC + _chunk(Tag.FILE_HEADER, _xml({"version": "1.0"}))


def stream_header(number: int, xml: str) -> bytes:
    """Describes a stream, before anything else of it. xml: an <info> element, as `info_xml` or LSL write it."""
    return _chunk(Tag.STREAM_HEADER, struct.pack("<I", number) + xml.encode())


def samples(number: int, stamps_s: npt.NDArray[np.float64], values: npt.NDArray[Any]) -> bytes:
    """Numbers of one stream.

    stamps_s: (n,) seconds. values: (n, channels) of the stream's format. Raises ValueError on other shapes.
    """
    n, channels = values.shape
    if stamps_s.shape != (n,):
        raise ValueError(f"{len(stamps_s)} time stamps for {n} samples")
    layout = np.dtype([("size", "u1"), ("stamp", "<f8"), ("values", values.dtype, (channels,))])
    rows = np.empty(n, layout)
    rows["size"], rows["stamp"], rows["values"] = 8, stamps_s, values
    return _chunk(Tag.SAMPLES, struct.pack("<IBI", number, 4, n) + rows.tobytes())


def texts(number: int, told: Sequence[tuple[float, str]]) -> bytes:
    """Texts of a stream of one channel: (seconds, text) each."""
    parts = [struct.pack("<IBI", number, 4, len(told))]
    for stamp_s, text in told:
        data = text.encode()
        parts += (struct.pack("<BdBI", 8, stamp_s, 4, len(data)), data)
    return _chunk(Tag.SAMPLES, b"".join(parts))


def clock_offset(number: int, at_s: float, offset_s: float) -> bytes:
    """To be added to the stream's time stamps to have ours. at_s: when it was measured, on the stream's clock."""
    return _chunk(Tag.CLOCK_OFFSET, struct.pack("<Idd", number, at_s, offset_s))


def boundary() -> bytes:
    """Where a reader that met damage can go on."""
    return _chunk(Tag.BOUNDARY, BOUNDARY)


def stream_footer(number: int, first_s: float, last_s: float, count: int) -> bytes:
    """Ends a stream."""
    facts = {
        "first_timestamp": repr(first_s),
        "last_timestamp": repr(last_s),
        "sample_count": str(count),
    }
    return _chunk(Tag.STREAM_FOOTER, struct.pack("<I", number) + _xml(facts))


def info_xml(facts: Mapping[str, Any]) -> str:
    """An <info> element of texts, and of mappings and lists of mappings below them, as XDF nests them."""
    return f'<?xml version="1.0"?><info>{_elements(facts)}</info>'


def _elements(facts: Mapping[str, Any]) -> str:
    parts = []
    for name, value in facts.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            inner = _elements(one) if isinstance(one, Mapping) else escape(str(one))
            parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


def _xml(facts: Mapping[str, str]) -> bytes:
    return info_xml(facts).encode()


def _chunk(tag: Tag, content: bytes) -> bytes:
    return struct.pack("<BIH", 4, 2 + len(content), tag) + content
