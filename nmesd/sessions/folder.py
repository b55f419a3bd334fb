"""A session folder, as everything later reads it. `writer.py` says how it is written.

    session.toml   who, when, versions, files; under [settings] what the engine decided with, with coefficients;
                   at its end what became known later: [[stimulator]], [[operator]]
    events.jsonl   every act, command and change of mode, in order, a JSON object a line, chained (`hash_chain.py`)
    session.xdf    the EMG as received, and what was made of it (`streams.py`)

Files only ever grow. A chunk or line cut off at the end (power cut) is ignored.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nmesd.core.journal import Entry, from_json
from nmesd.errors import RecordError
from nmesd.sessions import streams, xdf_reader
from nmesd.sessions.names import COVERED, EVENTS, SESSION, SIGNALS
from nmesd.sessions.signals import CHUNKS_NUMBER, EMG_NUMBER
from nmesd.sessions.verify import Verified, verify
from nmesd.sessions.writer import Writer
from nmesd.sessions.xdf_writer import DTYPES, Tag
from nmesd.units import NS_PER_S

__all__ = ["Folder", "RawChunk", "Series", "Writer"]

_CAME: Final = 4  # epoch, first sample, samples, arrival
_ABSENT: Final = ("stream", "chain")  # what a programme that hears no EMG has not


class RawChunk(NamedTuple):
    """EMG as received."""

    epoch: int
    first_sample: int
    arrival_ns: int
    stamps_ns: npt.NDArray[np.int64]  # (n,)
    samples: npt.NDArray[np.float32]  # (n, channels) microvolts


class Series(NamedTuple):
    """All of one stream of numbers."""

    labels: tuple[str, ...]
    stamps_s: npt.NDArray[np.float64]  # (n,) on the clock of the EMG
    values: npt.NDArray[Any]  # (n, channels)


class Folder:
    """Reads one session folder. Raises RecordError, naming file and remedy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session: dict[str, Any] = self._toml()
        self.settings: dict[str, Any] = self.session.pop("settings", {})
        for name in _ABSENT:
            self.settings.setdefault(name, None)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """(hop, entry) of the journal, in order."""
        return ((hop, entry) for hop, _, entry in self._journal())

    def stamped(self) -> Iterator[tuple[int, Entry]]:
        """(time stamp of the hop's last sample, entry) of the journal, in order; 0 before the first sample."""
        return ((stamp_ns, entry) for _, stamp_ns, entry in self._journal())

    def _journal(self) -> Iterator[tuple[int, int, Entry]]:
        for number, data in self._lines():
            if "entry" in data:
                try:
                    yield data["hop"], int(data.get("stamp_ns", 0)), from_json(data)
                except (TypeError, KeyError, ValueError, RecordError) as error:
                    raise self._bad(number, error) from None

    def events(self) -> Iterator[dict[str, Any]]:
        """Everything else that was kept, in order: acts of operators, streams found, engines that ended."""
        for _, data in self._lines():
            if data.get("event") not in (None, COVERED):
                yield data

    def emg(self, progress: Callable[[float], None] | None = None) -> Iterator[RawChunk]:
        """The EMG as received, in order. Raises RecordError where samples are missing from the record.

        progress: told the share of the file that was read, 0 to 1, now and then.
        """
        path, channels, expected = self.path / SIGNALS, 0, 0
        size = max(1, path.stat().st_size) if path.exists() else 1
        stamps_s, samples = np.empty(0), np.empty((0, 0), np.float32)
        for chunk in xdf_reader.chunks(path):
            if chunk.stream == EMG_NUMBER and chunk.tag == Tag.STREAM_HEADER:
                channels = int(_element(chunk.content, "channel_count"))
                samples = np.empty((0, channels), np.float32)
            elif chunk.stream == EMG_NUMBER and chunk.tag == Tag.SAMPLES:
                new_s, new = self._numbers(chunk, DTYPES["float32"], channels)
                stamps_s = np.concatenate((stamps_s, new_s))
                samples = np.concatenate((samples, new))
            elif chunk.stream == CHUNKS_NUMBER and chunk.tag == Tag.SAMPLES:
                came = self._numbers(chunk, DTYPES["int64"], _CAME)[1].tolist()
                stamps_ns = np.rint(stamps_s * NS_PER_S).astype(np.int64)
                position = 0
                for epoch, first, n, arrival_ns in came:
                    end = position + n
                    if first != expected or end > len(samples):
                        raise RecordError(
                            f"{self.path}: samples {expected} to {first - 1} are missing from the record"
                        )
                    expected = first + n
                    yield RawChunk(
                        epoch, first, arrival_ns, stamps_ns[position:end], samples[position:end]
                    )
                    position = end
                stamps_s, samples = stamps_s[position:], samples[position:]
            if progress is not None:
                progress(chunk.end / size)

    def series(self, name: str) -> Series:
        """All of a stream of numbers, as `streams.ENVELOPE`. Raises RecordError if there is none."""
        number, dtype = 0, DTYPES["float32"]
        labels: tuple[str, ...] = ()
        stamps, values = [], []
        for chunk in xdf_reader.chunks(self.path / SIGNALS):
            if chunk.tag == Tag.STREAM_HEADER and _element(chunk.content, "name") == name:
                number, labels = chunk.stream, _labels(chunk.content)
                dtype = DTYPES[_element(chunk.content, "channel_format")]
            elif number and chunk.stream == number and chunk.tag == Tag.SAMPLES:
                new_s, new = self._numbers(chunk, dtype, len(labels))
                stamps.append(new_s)
                values.append(new)
        if not number:
            raise RecordError(f"{self.path / SIGNALS}: has no stream {name!r}")
        if not stamps:
            return Series(labels, np.empty(0), np.empty((0, len(labels)), dtype))
        return Series(labels, np.concatenate(stamps), np.concatenate(values))

    def envelope(self) -> Series:
        """Every hop: mode, flags, envelopes and thresholds in microvolts."""
        return self.series(streams.ENVELOPE)

    def verify(self) -> Verified:
        """Is it as it was written? The first place that is not."""
        return verify(self.path)

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        lines = self._read(EVENTS).split(b"\n")
        for number, line in enumerate(lines[:-1], 1):  # what has no line end was cut off
            try:
                data = json.loads(line)
            except ValueError as error:
                raise self._bad(number, error) from None
            if not isinstance(data, dict):
                raise self._bad(number, ValueError("not an object"))
            data.pop("chain", None)
            yield number, data

    def _bad(self, number: int, error: Exception) -> RecordError:
        return RecordError(f"{self.path / EVENTS}, line {number}: {error}")

    def _numbers(
        self, chunk: xdf_reader.Chunk, dtype: np.dtype[Any], channels: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
        try:
            return xdf_reader.numbers(chunk.content, dtype, channels)
        except ValueError as error:
            raise RecordError(
                f"{self.path / SIGNALS}: damaged before byte {chunk.end}: {error}"
            ) from None

    def _toml(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._read(SESSION).decode())
        except ValueError as error:
            raise RecordError(f"{self.path / SESSION}: damaged: {error}") from None

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise RecordError(
                f"{self.path / name}: cannot be read: {error}; is this a session folder?"
            ) from None


def _element(xml: bytes, name: str) -> str:
    """Text of the first element of that name; empty if there is none."""
    found = re.search(rf"<{name}>(.*?)</{name}>", xml.decode(), re.DOTALL)
    return found[1] if found else ""


def _labels(xml: bytes) -> tuple[str, ...]:
    return tuple(re.findall(r"<label>(.*?)</label>", xml.decode(), re.DOTALL))
