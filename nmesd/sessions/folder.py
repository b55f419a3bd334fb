"""A session folder: how the daemon writes it, how everything later reads it.

    session.json   who, when, versions, what was used
    settings.json  exactly the bytes the engine decided with, coefficients included
    events.jsonl   every act, command and change of mode, in order, one JSON object a line
    emg.bin        raw EMG as received: frames of `_HEAD`, time stamps (i64 ns), samples (f32 microvolts)

Files only ever grow. A frame or line cut off at the end (power cut) is ignored by the reader.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from nmesd.core.journal import Entry, from_json, to_json
from nmesd.errors import RecordError
from nmesd.wire import Raw

_HEAD = struct.Struct("<IQHHq")  # epoch, first sample, samples, channels, arrival ns


class RawChunk(NamedTuple):
    """EMG as received."""

    epoch: int
    first_sample: int
    arrival_ns: int
    stamps_ns: npt.NDArray[np.int64]  # (n,)
    samples: npt.NDArray[np.float32]  # (n, channels) microvolts


class Writer:
    """Writes one session folder. Raises RecordError if it cannot be made; the loop never waits for it."""

    def __init__(self, folder: Path, session: dict[str, Any], settings: bytes) -> None:
        try:
            folder.mkdir(parents=True)
            (folder / "session.json").write_text(json.dumps(session, indent=2) + "\n")
            (folder / "settings.json").write_bytes(settings)
            self._events = (folder / "events.jsonl").open("a")
            self._emg = (folder / "emg.bin").open("ab")
        except OSError as error:
            raise RecordError(
                f"{folder}: cannot be made: {error}; choose a new folder on a disk with room"
            ) from None
        self.folder = folder

    def entry(self, hop: int, entry: Entry) -> None:
        """One entry of the journal."""
        self._events.write(json.dumps({"hop": hop, **to_json(entry)}) + "\n")

    def event(self, name: str, **facts: Any) -> None:
        """Something else worth keeping: a stream found, an act refused, an engine restarted."""
        self._events.write(json.dumps({"event": name, **facts}) + "\n")

    def raw(self, raw: Raw) -> None:
        """EMG as received."""
        head = _HEAD.pack(raw.epoch, raw.first_sample, raw.samples, raw.channels, raw.arrival_ns)
        self._emg.write(head + raw.payload)

    def sync(self) -> None:
        """Onto the disk. May take long: call it off the event loop."""
        for file in (self._events, self._emg):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._events.close()
        self._emg.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Folder:
    """Reads one session folder. Raises RecordError, naming file and remedy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session: dict[str, Any] = self._json("session.json")
        self.settings: dict[str, Any] = self._json("settings.json")

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """(hop, entry) of the journal, in order."""
        lines = self._read("events.jsonl").split(b"\n")
        for number, line in enumerate(lines[:-1], 1):  # what has no line end was cut off
            try:
                data = json.loads(line)
                if "entry" in data:
                    yield data["hop"], from_json(data)
            except (ValueError, TypeError, KeyError, RecordError) as error:
                raise RecordError(f"{self.path / 'events.jsonl'}, line {number}: {error}") from None

    def emg(self) -> Iterator[RawChunk]:
        """The EMG as received, in order. Raises RecordError where samples are missing from the record."""
        data, position, expected = self._read("emg.bin"), 0, 0
        while position + _HEAD.size <= len(data):
            epoch, first, samples, channels, arrival_ns = _HEAD.unpack_from(data, position)
            position += _HEAD.size
            stamps_end = position + 8 * samples
            end = stamps_end + 4 * samples * channels
            if end > len(data):
                return
            if first != expected:
                raise RecordError(
                    f"{self.path}: samples {expected} to {first - 1} are missing from the record"
                )
            expected = first + samples
            yield RawChunk(
                epoch,
                first,
                arrival_ns,
                np.frombuffer(data[position:stamps_end], np.int64),
                np.frombuffer(data[stamps_end:end], np.float32).reshape(samples, channels),
            )
            position = end

    def _json(self, name: str) -> dict[str, Any]:
        try:
            values = json.loads(self._read(name))
        except ValueError as error:
            raise RecordError(f"{self.path / name}: damaged: {error}") from None
        if not isinstance(values, dict):
            raise RecordError(f"{self.path / name}: damaged: not an object")
        return values

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise RecordError(
                f"{self.path / name}: cannot be read: {error}; is this a session folder?"
            ) from None
