"""`nmesd run`: the asyncio process. One TaskGroup, named tasks."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import structlog

from nmesd.core.journal import from_ints
from nmesd.core.values import ModeChanged
from nmesd.daemon import stimulator
from nmesd.daemon.control import serve
from nmesd.daemon.engine_config import Config, load
from nmesd.daemon.engine_host import EngineHost
from nmesd.daemon.record import Record
from nmesd.daemon.view import view
from nmesd.engine.settings import EngineSettings
from nmesd.errors import ConfigError, LinkError, Reason, explain
from nmesd.wire import ActKind, Capabilities, Found, Frame, Note, Raw, Snapshot

_ACTS = {"arm": ActKind.ARM, "disarm": ActKind.DISARM, "stop": ActKind.STOP, "reset": ActKind.RESET}


class Daemon:
    """Settings, supervision and control.

    config: nmesd.toml; read now, raising ConfigError, and again at every reload.
    record: folder for the first session's record; [record] of the file says where the others go.
    """

    def __init__(self, config: Path, record: Path | None) -> None:
        self._path = config
        self._config: Config = load(config)
        self._reloading = asyncio.Lock()
        self._record = Record(record)
        self._host = EngineHost(self._config.engine, self._hear, self._engine_changed)
        self._snapshot: Snapshot | None = None
        self._found: list[str] = []
        self._device: dict[str, Any] = {}  # the guard's stimulator
        self._log = structlog.get_logger(room="daemon")

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        ended, hung_up = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        loop.add_signal_handler(signal.SIGHUP, hung_up.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._host.run(), name="engine"),
                    tasks.create_task(
                        serve(self._config.settings.control.socket, self._answer), name="control"
                    ),
                    tasks.create_task(self._record.sync(), name="record"),
                    tasks.create_task(self._reload_on(hung_up), name="reload"),
                ]
                await ended.wait()
                self._log.info("ending")
                for task in running:
                    task.cancel()
        finally:
            self._record.close()

    # ---- settings -----------------------------------------------------------------------------------------

    async def _reload_on(self, hung_up: asyncio.Event) -> None:
        while True:
            await hung_up.wait()
            hung_up.clear()
            await self._reload()

    async def _reload(self) -> dict[str, Any]:
        """Read nmesd.toml again. Only if all of it is good does a new engine begin with it, disarmed."""
        async with self._reloading:
            try:
                config = await asyncio.to_thread(load, self._path)
                if config.settings.control != self._config.settings.control:
                    raise ConfigError(f"{self._path}: [control] changed: restart nmesd instead")
            except ConfigError as error:
                self._log.error("reload refused, nothing changed", error=str(error))
                return {"ok": False, "text": f"not reloaded, nothing changed: {error}"}
            self._log.info("reload", file=str(self._path))
            self._record.event("reload")
            self._config = config
            try:
                await self._host.replace(config.engine)
            except LinkError as error:
                self._log.error("reload", error=str(error))
                return {"ok": False, "text": str(error)}
            return {"ok": True, "text": "reload: done, a new engine begins disarmed"}

    # ---- the engine ---------------------------------------------------------------------------------------

    def _engine_changed(self, what: str, number: int) -> None:
        self._log.info(what, number=number)
        if what == "engine started":
            self._snapshot, self._device = None, {}
            self._record.open(self._config)
        else:
            self._record.event(what, number=number)

    def _hear(self, frame: Frame) -> None:
        match frame:
            case Snapshot():
                self._snapshot = frame
            case Raw():
                self._record.raw(frame)
            case Note():
                entry = from_ints(frame.code, frame.args[: frame.valid])
                self._record.entry(frame.hop, entry)
                if isinstance(entry, ModeChanged):
                    self._tell_mode(entry)
            case Found():
                self._found = json.loads(frame.payload)
                reason = Reason(frame.reason)
                self._log.info("stream open" if not reason else explain(reason), found=self._found)
                self._record.event("stream", reason=reason.name, found=self._found)
            case Capabilities():
                core = EngineSettings.from_json(self._config.engine).core
                self._device = stimulator.facts(frame, core)
                self._record.event("stimulator", **self._device)
                log = self._log.warning if self._device["cannot"] else self._log.info
                log("stimulator", **self._device)
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
            return {"ok": True, **view(self._snapshot, self._found, self._host.pid, self._device)}
        if command == "reload":
            return await self._reload()
        if command not in _ACTS:
            known = ", ".join(("status", "reload", *_ACTS))
            return {"ok": False, "text": f"unknown command {command!r}; known are {known}"}
        operator = str(request.get("operator", ""))
        if command in ("arm", "reset") and not operator:
            return {
                "ok": False,
                "text": f"{command} needs the operator's name: nmesd {command} --operator NAME",
            }
        number = operator_number(operator)
        self._log.info(command, operator=operator)
        self._record.event("act", act=command, operator=operator, operator_id=number)
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


def operator_number(name: str) -> int:
    """The number of an operator in frames and journal: 56 bits of a hash, never 0, which stands for nobody.

    No name, as for a disarm or a stop, has its number too: it is a person's act.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "little") or 1


def run(config: Path, record: Path | None = None) -> None:
    """Run the daemon until it is told to end. Raises ConfigError."""
    daemon = Daemon(config, record)
    asyncio.run(daemon.run())
