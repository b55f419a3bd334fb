"""What goes into session.xdf: gathered in memory as it comes, made into XDF when it is time to write.

Stream 1 is the EMG, 2 how it came, the rest in the order they were given. All samples since the last time become
one chunk of each stream: the EMG first, so that what is said to have come is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nmesd.sessions import streams, xdf_writer
from nmesd.sessions.streams import Stream
from nmesd.units import NS_PER_S
from nmesd.wire import Raw

EMG_NUMBER: Final = 1
CHUNKS_NUMBER: Final = 2

Rows = tuple[npt.NDArray[np.float64], npt.NDArray[Any]]  # stamps (n,) s, values (n, channels)


@dataclass
class Batch:
    """What came since the last time."""

    raws: list[Raw] = field(default_factory=list)
    rows: dict[str, list[Rows]] = field(default_factory=lambda: defaultdict(list))
    texts: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    offsets: list[tuple[float, float]] = field(default_factory=list)  # at s, on their clock; s
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.raws or self.rows or self.texts or self.offsets)


@dataclass
class _Stream:
    """What the footer says."""

    first_s: float = 0.0
    last_s: float = 0.0
    count: int = 0


class Signals:
    """The streams of one file. `begin`, `encoded` and `end` give what to append to it."""

    def __init__(self, settings: Mapping[str, Any], derived: Sequence[Stream]) -> None:
        self._settings, self._derived = settings, tuple(derived)
        self._numbers = {one.name: n for n, one in enumerate(derived, CHUNKS_NUMBER + 1)}
        self._dtypes = {
            one.name: xdf_writer.DTYPES[one.format] for one in derived if one.format != "string"
        }
        self._told: dict[int, _Stream] = {}
        self.emg_xml = ""  # what the sender says of itself, if it is known by then

    def begin(self) -> bytes:
        """File header, and the headers of all streams but the EMG's, which is known when it comes."""
        headers = [self._header(self._numbers[one.name], one.xml()) for one in self._derived]
        return b"".join([xdf_writer.begin(), *headers])

    def encoded(self, batch: Batch) -> bytes:
        """All of it as chunks."""
        parts = [*self._emg(batch.raws)] if batch.raws else []
        for name, rows in batch.rows.items():
            stamps = np.concatenate([stamps for stamps, _ in rows])
            values = np.concatenate([values for _, values in rows])
            number = self._numbers[name]
            parts.append(xdf_writer.samples(number, stamps, values.astype(self._dtypes[name])))
            self._count(number, stamps)
        for name, told in batch.texts.items():
            parts.append(xdf_writer.texts(self._numbers[name], told))
            self._count(self._numbers[name], np.array([stamp for stamp, _ in told]))
        parts += [
            xdf_writer.clock_offset(number, at_s, offset_s)
            for at_s, offset_s in batch.offsets
            for number in self._told
        ]
        return b"".join([*parts, xdf_writer.boundary()])

    def end(self) -> bytes:
        """The footers."""
        return b"".join(
            xdf_writer.stream_footer(number, one.first_s, one.last_s, one.count)
            for number, one in self._told.items()
        )

    def _emg(self, raws: list[Raw]) -> list[bytes]:
        channels = raws[0].channels
        parts = []
        if EMG_NUMBER not in self._told:
            xml = self.emg_xml or streams.emg(self._settings, channels).xml()
            parts.append(self._header(EMG_NUMBER, xml))
            parts.append(self._header(CHUNKS_NUMBER, streams.chunks().xml()))
        stamps = np.concatenate([np.frombuffer(r.payload, "<i8", r.samples) for r in raws])
        values = np.concatenate(
            [np.frombuffer(r.payload, "<f4", offset=8 * r.samples) for r in raws]
        )
        came = np.array(
            [(r.epoch, r.first_sample, r.samples, r.arrival_ns) for r in raws], np.int64
        )
        stamps_s = stamps / NS_PER_S
        ends_s = stamps_s[np.cumsum(came[:, 2]) - 1]
        parts.append(
            xdf_writer.samples(EMG_NUMBER, stamps_s, values.reshape(len(stamps), channels))
        )
        parts.append(xdf_writer.samples(CHUNKS_NUMBER, ends_s, came))
        self._count(EMG_NUMBER, stamps_s)
        self._count(CHUNKS_NUMBER, ends_s)
        return parts

    def _header(self, number: int, xml: str) -> bytes:
        self._told[number] = _Stream()
        return xdf_writer.stream_header(number, xml)

    def _count(self, number: int, stamps_s: npt.NDArray[np.float64]) -> None:
        told = self._told[number]
        if not told.count:
            told.first_s = float(stamps_s[0])
        told.last_s = float(stamps_s[-1])
        told.count += len(stamps_s)
