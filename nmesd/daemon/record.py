"""Which session folder is being written, if any. A record that fails ends itself, and never a session."""

from __future__ import annotations

import asyncio
import hashlib
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from nmesd.core.journal import Entry
from nmesd.daemon.engine_config import Config
from nmesd.errors import RecordError
from nmesd.sessions.folder import Writer
from nmesd.wire import Raw

SYNC_S = 1.0
PACKAGES = ("nmesd", "numpy", "scipy", "pylsl", "pydantic", "structlog")


def now_utc() -> datetime:
    """The date and time of a session: the one place that reads the wall clock."""
    return datetime.now(UTC)  # noqa: TID251


class Record:
    """The record of the session that runs. `first`: folder of the first session, if it was chosen."""

    def __init__(self, first: Path | None) -> None:
        self._first = first
        self._writer: Writer | None = None
        self._log = structlog.get_logger(room="daemon")

    def open(self, config: Config) -> None:
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
        session = {
            "started": now.isoformat(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "versions": {name: version(name) for name in PACKAGES},
            "settings_sha256": hashlib.sha256(config.engine).hexdigest(),
            **config.files.facts(),
        }
        try:
            self._writer = Writer(folder, session, config.engine)
        except RecordError as error:
            self._log.error("no record", error=str(error))

    def entry(self, hop: int, entry: Entry) -> None:
        """One entry of the journal."""
        self._keep(lambda writer: writer.entry(hop, entry))

    def event(self, name: str, **facts: Any) -> None:
        """Something else worth keeping."""
        self._keep(lambda writer: writer.event(name, **facts))

    def raw(self, raw: Raw) -> None:
        """EMG as received."""
        self._keep(lambda writer: writer.raw(raw))

    async def sync(self) -> None:
        """Onto the disk every SYNC_S, until cancelled."""
        while True:
            await asyncio.sleep(SYNC_S)
            if self._writer is not None:
                try:
                    await asyncio.to_thread(self._writer.sync)
                except (OSError, ValueError) as error:
                    self._log.error("record not synced", error=str(error))

    def close(self) -> None:
        """Sync and close, if there is one."""
        self._keep(lambda writer: writer.close())
        self._writer = None

    def _keep(self, write: Callable[[Writer], None]) -> None:
        if self._writer is None:
            return
        try:
            write(self._writer)
        except (
            OSError
        ) as error:  # a full disk must not end a session, and does not: it ends the record
            self._log.error("record ended", folder=str(self._writer.folder), error=str(error))
            self._writer = None
