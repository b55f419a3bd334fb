"""How a session folder is written: gathered in memory, and every `sync` onto the disk.

What is told never waits: `entry`, `event`, `raw` and the like only remember. `sync` writes, in any thread: first
the signals, then the lines, the last of which says how far session.xdf and session.toml are covered by the chain.
A disk that fills up ends the signals, and the events go on in the room that is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import tomli_w

from nmesd.core.journal import Entry, to_json
from nmesd.errors import RecordError
from nmesd.sessions import disk
from nmesd.sessions.hash_chain import BEGINNING, sealed
from nmesd.sessions.kept_file import KeptFile, sync_folder
from nmesd.sessions.names import CLOSED, COVERED, EVENTS, SESSION, SIGNALS, SIGNALS_END
from nmesd.sessions.signals import Batch, Signals
from nmesd.sessions.streams import Stream
from nmesd.wire import Raw

CLOSING: Final = ({"event": CLOSED},)
MOST_WAITING: Final = 64 * 1024 * 1024  # bytes of EMG that may wait for the disk


class Writer:
    """Writes one session folder. Raises RecordError if it cannot be made, OSError where events no longer fit.

    session: facts for session.toml. settings: JSON that the engine decides with. derived: streams beside the EMG.
    """

    def __init__(
        self,
        folder: Path,
        session: Mapping[str, Any],
        settings: bytes,
        derived: Sequence[Stream] = (),
    ) -> None:
        data = json.loads(settings)
        self.folder = folder
        self.signals_end = ""  # why EMG is no longer kept
        self.free_bytes = disk.LOW_BYTES
        self.chain = BEGINNING  # of the last line
        self._signals = Signals(data, derived)
        self._batch, self._facts = Batch(), list[str]()
        self._lines: list[dict[str, Any]] = []
        self._covered = (0, 0)
        self._gathering, self._writing, self._closed = Lock(), Lock(), False
        try:
            folder.mkdir(parents=True)
            self._session, self._events, self._xdf = (
                KeptFile(folder / name) for name in (SESSION, EVENTS, SIGNALS)
            )
            self._session.append(_toml({**session, "settings": data}).encode())
            self._xdf.append(self._signals.begin())
            self.sync()
            sync_folder(folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise RecordError(
                f"{folder}: cannot be made: {error}; choose a new folder on a disk with room"
            ) from None

    # ---- remember -----------------------------------------------------------------------------------------

    def entry(self, hop: int, entry: Entry, stamp_ns: int = 0) -> None:
        """One entry of the journal; stamp_ns: of the hop's last sample, 0 where it is not known."""
        stamp = {"stamp_ns": stamp_ns} if stamp_ns else {}
        self._line({"hop": hop, **to_json(entry), **stamp})

    def event(self, name: str, **facts: Any) -> None:
        """Something else worth keeping: a stream found, an act refused, an engine restarted."""
        self._line({"event": name, **facts})

    def fact(self, table: str, **facts: str | int) -> None:
        """Something that is known only now, for session.toml: one more of [[table]]."""
        with self._gathering:
            self._facts.append(f"\n[[{table}]]\n{_toml(facts)}")

    def opened(self, xml: str) -> None:
        """What the sender of the EMG says of itself; before its first sample."""
        self._signals.emg_xml = self._signals.emg_xml or xml

    def raw(self, raw: Raw) -> None:
        """EMG as received."""
        with self._gathering:
            if not self.signals_end and self._batch.bytes <= MOST_WAITING:
                self._batch.raws.append(raw)
                self._batch.bytes += len(raw.payload)

    def rows(
        self, stream: str, stamps_s: npt.NDArray[np.float64], values: npt.NDArray[Any]
    ) -> None:
        """Samples of a derived stream: (n,) seconds on the clock of the EMG, (n, channels)."""
        with self._gathering:
            if not self.signals_end:
                self._batch.rows[stream].append((stamps_s, values))

    def text(self, stream: str, stamp_s: float, text: str) -> None:
        """A marker of a derived stream."""
        with self._gathering:
            if not self.signals_end:
                self._batch.texts[stream].append((stamp_s, text))

    def clock(self, at_s: float, offset_s: float) -> None:
        """Our clock is the EMG's plus offset_s, measured at_s on the EMG's."""
        with self._gathering:
            if not self.signals_end:
                self._batch.offsets.append((at_s, offset_s))

    def _line(self, data: dict[str, Any]) -> None:
        with self._gathering:
            self._lines.append(data)

    # ---- write --------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Onto the disk. May take long: call it off the event loop. OSError if events do not fit: the end."""
        with self._writing:
            if self._closed:
                return
            try:
                self._write()
            except OSError:
                self._release()
                raise

    def close(self) -> None:
        """Sync and close. Raises OSError if events do not fit."""
        with self._writing:
            if self._closed:
                return
            try:
                self._write()
                if not self.signals_end:
                    with suppress(OSError):  # a stream without a footer is whole, too
                        self._xdf.append(self._signals.end())
                        self._xdf.sync()
                self._write(CLOSING)
            finally:
                self._release()

    def _release(self) -> None:
        self._closed = True
        for file in (self._session, self._events, self._xdf):
            file.close()

    def _write(self, closing: tuple[dict[str, Any], ...] = ()) -> None:
        with self._gathering:
            batch, self._batch = self._batch, Batch()
            lines, self._lines = self._lines, []
            facts, self._facts = self._facts, []
        self.free_bytes = disk.free_bytes(self.folder)
        if batch and not self.signals_end:
            self.signals_end = self._keep(batch)
            if self.signals_end:
                lines.append({"event": SIGNALS_END, "why": self.signals_end})
        if facts:
            self._session.append("".join(facts).encode())
            self._session.sync()
        lines += (*self._covering(), *closing)
        if not lines:
            return
        parts, chain = [], self.chain
        for line in lines:
            text, chain = sealed(chain, json.dumps(line, ensure_ascii=False))
            parts.append(f"{text}\n")
        self._events.append("".join(parts).encode())
        self._events.sync()
        self.chain = chain

    def _keep(self, batch: Batch) -> str:
        """Signals onto the disk, or why not."""
        if self.free_bytes < disk.LEAST_FOR_SIGNALS_BYTES:
            return f"the disk is full: {self.free_bytes / 1e6:.0f} MB are left, for events"
        if batch.bytes > MOST_WAITING:
            return f"the disk is too slow: {batch.bytes >> 20} MB of EMG waited for it"
        try:
            self._xdf.append(self._signals.encoded(batch))
            self._xdf.sync()
        except OSError as error:
            return f"{SIGNALS}: {error}"
        return ""

    def _covering(self) -> list[dict[str, Any]]:
        """How far the other files are kept, where that is further than before."""
        sizes = self._session.size, self._xdf.size
        if sizes == self._covered:
            return []
        self._covered = sizes
        files = (self._session, self._xdf)
        return [{"event": COVERED, **{file.name: [file.size, file.sha256] for file in files}}]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _toml(facts: Mapping[str, Any]) -> str:
    """TOML has no null: what is none is left out. Texts with carriage returns would not come back from lines."""
    plain = _plain(facts)
    return tomli_w.dumps(plain, multiline_strings="\\r" not in json.dumps(plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
