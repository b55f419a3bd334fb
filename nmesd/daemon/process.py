"""`nmesd run`: the asyncio process. One TaskGroup, named tasks."""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from nmesd.core.journal import from_ints
from nmesd.core.values import ModeChanged
from nmesd.daemon.control import serve
from nmesd.daemon.engine_host import EngineHost
from nmesd.daemon.settings import DaemonSettings, engine_settings
from nmesd.daemon.view import view
from nmesd.errors import LinkError, Reason, RecordError, explain
from nmesd.sessions.folder import Writer
from nmesd.wire import ActKind, Found, Frame, Note, Raw, Snapshot

SYNC_S = 1.0
PACKAGES = ("nmesd", "numpy", "scipy", "pylsl", "pydantic", "structlog")
_ACTS = {"arm": ActKind.ARM, "disarm": ActKind.DISARM, "stop": ActKind.STOP, "reset": ActKind.RESET}


class Daemon:
    """Settings, supervision, record and control."""

    def __init__(self, settings: DaemonSettings, config_text: bytes, record: Path | None) -> None:
        self._settings = settings
        self._config_text = config_text
        self._record_parent = Path(settings.record.folder) if settings.record.folder else None
        self._record_folder = record
        self._engine_settings = engine_settings(settings).to_json()
        self._host = EngineHost(self._engine_settings, self._hear, self._engine_changed)
        self._snapshot: Snapshot | None = None
        self._found: list[str] = []
        self._writer: Writer | None = None
        self._log = structlog.get_logger(room="daemon")

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._host.run(), name="engine"),
                    tasks.create_task(
                        serve(self._settings.control.socket, self._answer), name="control"
                    ),
                    tasks.create_task(self._sync(), name="record"),
                ]
                await ended.wait()
                self._log.info("ending")
                for task in running:
                    task.cancel()
        finally:
            self._close_record()

    # ---- the engine ---------------------------------------------------------------------------------------

    def _engine_changed(self, what: str, number: int) -> None:
        self._log.info(what, number=number)
        if what == "engine started":
            self._snapshot = None
            self._close_record()
            self._open_record()
        elif self._writer is not None:
            self._writer.event(what, number=number)

    def _hear(self, frame: Frame) -> None:
        match frame:
            case Snapshot():
                self._snapshot = frame
            case Raw():
                if self._writer is not None:
                    self._keep(lambda writer: writer.raw(frame))
            case Note():
                entry = from_ints(frame.code, frame.args[: frame.count])
                self._keep(lambda writer: writer.entry(frame.hop, entry))
                if isinstance(entry, ModeChanged):
                    self._tell_mode(entry)
            case Found():
                self._found = json.loads(frame.payload)
                reason = Reason(frame.reason)
                self._log.info("stream open" if not reason else explain(reason), found=self._found)
                self._keep(
                    lambda writer: writer.event("stream", reason=reason.name, found=self._found)
                )
            case _:
                self._log.warning("unexpected frame", frame=type(frame).__name__)

    def _tell_mode(self, entry: ModeChanged) -> None:
        facts: dict[str, Any] = {"before": entry.before.name, "why": entry.why.name}
        if entry.reason:
            facts |= {
                "reason": entry.reason.name,
                "text": explain(entry.reason, entry.value, entry.limit),
            }
        log = self._log.warning if entry.reason else self._log.info
        log(entry.after.name, **facts)

    # ---- the operator -------------------------------------------------------------------------------------

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        command = request["command"]
        if command == "status":
            return {"ok": True, **view(self._snapshot, self._found, self._host.pid)}
        if command not in _ACTS:
            return {
                "ok": False,
                "text": f"unknown command {command!r}; known are status, {', '.join(_ACTS)}",
            }
        operator = str(request.get("operator", ""))
        if command in ("arm", "reset") and not operator:
            return {
                "ok": False,
                "text": f"{command} needs the operator's name: nmesd {command} --operator NAME",
            }
        number = int.from_bytes(
            hashlib.sha256(operator.encode()).digest()[:7], "little"
        )  # 56 bits: fits every frame
        self._log.info(command, operator=operator)
        self._keep(
            lambda writer: writer.event("act", act=command, operator=operator, operator_id=number)
        )
        try:
            reply = await self._host.act(_ACTS[command], number)
        except LinkError as error:
            return {"ok": False, "text": str(error)}
        reason = Reason(reply.reason)
        if reason is not Reason.NONE:
            text = explain(reason, reply.value, reply.limit)
            self._log.warning(f"{command} refused", reason=reason.name, text=text)
            return {"ok": False, "reason": reason.name, "text": text}
        return {"ok": True, "text": f"{command}: done"}

    # ---- the record ---------------------------------------------------------------------------------------

    def _open_record(self) -> None:
        now = datetime.now(UTC)  # noqa: TID251 - the one place that writes the date of a session
        folder, self._record_folder = (
            self._record_folder,
            None,
        )  # a restarted engine is another session
        if folder is None:
            if self._record_parent is None:
                return
            folder = self._record_parent / now.strftime("%Y-%m-%dT%H-%M-%S.%fZ")
        session = {
            "started": now.isoformat(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "versions": {name: version(name) for name in PACKAGES},
            "settings_sha256": hashlib.sha256(self._engine_settings).hexdigest(),
            "nmesd_toml_sha256": hashlib.sha256(self._config_text).hexdigest(),
            "nmesd_toml": self._config_text.decode(),
        }
        try:
            self._writer = Writer(folder, session, self._engine_settings)
        except RecordError as error:
            self._log.error("no record", error=str(error))

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

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            if self._writer is not None:
                try:
                    await asyncio.to_thread(self._writer.sync)
                except (OSError, ValueError) as error:
                    self._log.error("record not synced", error=str(error))

    def _close_record(self) -> None:
        if self._writer is not None:
            self._keep(lambda writer: writer.close())
            self._writer = None


def run(settings: DaemonSettings, config_text: bytes, record: Path | None = None) -> None:
    """Run the daemon until it is told to end."""
    asyncio.run(Daemon(settings, config_text, record).run())
