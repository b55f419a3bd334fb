"""Records for tests: made, and changed afterwards as nobody should."""

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from nmesd.core.journal import Entry
from nmesd.sessions.folder import Folder, RawChunk, Writer
from nmesd.wire import Raw


def raw(first: int, samples: int, channels: int = 2, epoch: int = 1) -> Raw:
    """Samples that count on, a millisecond each."""
    emg = np.arange(first * channels, (first + samples) * channels, dtype=np.float32)
    stamps_ns = np.arange(first, first + samples, dtype=np.int64) * 1_000_000
    return Raw(epoch, first, samples, channels, 10**9 + first, stamps_ns.tobytes() + emg.tobytes())


def frame(chunk: RawChunk) -> Raw:
    """As it came from the engine."""
    n, channels = chunk.samples.shape
    payload = chunk.stamps_ns.tobytes() + np.ascontiguousarray(chunk.samples).tobytes()
    return Raw(chunk.epoch, chunk.first_sample, n, channels, chunk.arrival_ns, payload)


def with_settings(folder: Path, change: Callable[[dict[str, Any]], None]) -> Folder:
    """The same record, but for what was decided with."""
    path = folder / "session.toml"
    data = tomllib.loads(path.read_text())
    change(data["settings"])
    path.write_text(tomli_w.dumps(data))
    return Folder(folder)


def with_emg(folder: Folder, to: Path, chunks: Iterable[RawChunk], settings: bytes) -> Folder:
    """The same journal beside other EMG."""
    entries: list[tuple[int, Entry]] = list(folder.entries())
    with Writer(to, {}, settings) as writer:
        for chunk in chunks:
            writer.raw(frame(chunk))
        for hop, entry in entries:
            writer.entry(hop, entry)
    return Folder(to)
