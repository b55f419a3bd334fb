"""Which session folder is being written, if any. A record that fails ends itself, and never a session."""

from __future__ import annotations

import asyncio
import hashlib
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from nmesd.core.journal import Entry
from nmesd.daemon.engine_config import Config
from nmesd.errors import ConfigError, RecordError
from nmesd.sessions import disk
from nmesd.sessions.streams import Stream
from nmesd.sessions.writer import Writer
from nmesd.wire import Raw

SYNC_S = 0.5  # with the time that writing takes, what a power cut loses stays below a second
PACKAGES = ("nmesd", "numpy", "scipy", "pylsl", "pydantic", "structlog")


def now_utc() -> datetime:
    """The date and time of a session: the one place that reads the wall clock."""
    return datetime.now(UTC)  # noqa: TID251


class Record:
    """The record of the session that runs. `first`: folder of the first session, if it was chosen."""

    def __init__(self, first: Path | None) -> None:
        self._first = first
        self._writer: Writer | None = None
        self._operators: set[str] = set()
        self._state, self._warned = "none is kept", ""
        self._log = structlog.get_logger(room="daemon")

    def open(self, config: Config, streams: Sequence[Stream] = ()) -> None:
        """End the old record and begin a new one: every engine is a session of its own."""
        self.close()
        now = now_utc()
        folder, self._first = self._first, None
        if folder is None:
            if not config.files.settings.record.folder:
                return
            folder = Path(config.files.settings.record.folder) / now.strftime(
                "%Y-%m-%dT%H-%M-%S.%fZ"
            )
        self._operators.clear()
        try:
            session = {
                "started": now.isoformat(),
                "python": platform.python_version(),
                "system": platform.platform(),
                "versions": {name: version(name) for name in PACKAGES},
                "settings_sha256": hashlib.sha256(config.engine).hexdigest(),
                **config.files.facts(),
            }
            self._writer = Writer(folder, session, config.engine, streams)
        except (RecordError, ConfigError) as error:
            self._ended(str(error))
            return
        self._look(self._writer)

    def entry(self, hop: int, entry: Entry, stamp_ns: int = 0) -> None:
        """One entry of the journal."""
        self._keep(lambda writer: writer.entry(hop, entry, stamp_ns))

    def event(self, name: str, **facts: Any) -> None:
        """Something else worth keeping."""
        self._keep(lambda writer: writer.event(name, **facts))

    def operator(self, name: str, number: int) -> None:
        """Whose number is whose, once a session."""
        if name and name not in self._operators:
            self._operators.add(name)
            self._keep(lambda writer: writer.fact("operator", name=name, number=number))

    def stimulator(self, name: str) -> None:
        """Who the stimulator says it is, firmware included."""
        self._keep(lambda writer: writer.fact("stimulator", name=name))

    def opened(self, xml: str) -> None:
        """What the sender of the EMG says of itself."""
        self._keep(lambda writer: writer.opened(xml))

    def raw(self, raw: Raw) -> None:
        """EMG as received."""
        self._keep(lambda writer: writer.raw(raw))

    def rows(
        self, stream: str, stamps_s: npt.NDArray[np.float64], rows: npt.NDArray[np.float32]
    ) -> None:
        """Samples of a stream of ours."""
        self._keep(lambda writer: writer.rows(stream, stamps_s, rows))

    def text(self, stream: str, stamp_s: float, text: str) -> None:
        """A marker of a stream of ours."""
        self._keep(lambda writer: writer.text(stream, stamp_s, text))

    def clock(self, at_s: float, offset_s: float) -> None:
        """Our clock is the EMG's plus offset_s."""
        self._keep(lambda writer: writer.clock(at_s, offset_s))

    def facts(self) -> dict[str, str]:
        """For the status: what is kept where, and whether the disk is filling up."""
        return {"record": self._state, "disk": self._warned}

    async def sync(self) -> None:
        """Onto the disk every SYNC_S, until cancelled."""
        while True:
            await asyncio.sleep(SYNC_S)
            writer = self._writer
            if writer is None:
                continue
            try:
                await asyncio.to_thread(writer.sync)
            except (OSError, ValueError) as error:
                if writer is self._writer:
                    self._ended(f"{writer.folder}: {error}")
            else:
                if writer is self._writer:
                    self._look(writer)

    def close(self) -> None:
        """Sync and close, if there is one."""
        writer, self._writer, self._state = self._writer, None, "none is kept"
        if writer is None:
            return
        try:
            writer.close()
        except (OSError, ValueError) as error:
            self._ended(f"{writer.folder}: {error}")
        else:
            self._log.info("record closed", folder=str(writer.folder), chain=writer.chain)

    def _keep(self, write: Callable[[Writer], None]) -> None:
        if self._writer is not None:
            write(self._writer)

    def _look(self, writer: Writer) -> None:
        """At what the last sync met: told once, and in the status as long as it lasts."""
        state = f"in {writer.folder}"
        if writer.signals_end:
            state = f"EVENTS ONLY, no more EMG ({writer.signals_end}), in {writer.folder}"
            if state != self._state:
                self._log.error("record", state=state)
        self._state = state
        warning = disk.warning(writer.free_bytes)
        if bool(warning) != bool(self._warned) and warning:
            self._log.warning("disk", text=warning)
        self._warned = warning

    def _ended(self, why: str) -> None:
        """A full disk must not end a session, and does not: it ends the record."""
        self._writer, self._state = None, f"ENDED: {why}"
        self._log.error("record ended", why=why)
