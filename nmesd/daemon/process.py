"""`nmesd run`: the asyncio process. One TaskGroup, named tasks."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from nmesd.core.journal import Entry, from_ints
from nmesd.core.values import ARMED_MODES, CoreSettings, Mode
from nmesd.daemon import stimulator
from nmesd.daemon.acts import ACTS, NOT_TO_GIVE, operator_number, senseless, to_give
from nmesd.daemon.broadcast import Broadcast
from nmesd.daemon.changes import Change, changes, needs_restart, while_armed
from nmesd.daemon.control import serve
from nmesd.daemon.designing import DESIGNER
from nmesd.daemon.engine_config import Config, load, lsl_config
from nmesd.daemon.engine_host import EngineHost
from nmesd.daemon.engine_process import EngineProcess
from nmesd.daemon.events import Hub, event_of
from nmesd.daemon.memory import keep_flat
from nmesd.daemon.mqtt import Mqtt
from nmesd.daemon.record import Record
from nmesd.daemon.roles import BROKER, Peer, Roles
from nmesd.daemon.telemetry import inhibits_changed, refused, telemetry, trip_of
from nmesd.daemon.timing import Timings
from nmesd.daemon.topics import Fault, Telemetry
from nmesd.daemon.view import Tally, view
from nmesd.engine.settings import EngineSettings
from nmesd.errors import ConfigError, LinkError, Reason, explain
from nmesd.units import NS_PER_S
from nmesd.wire import (
    Capabilities,
    Found,
    Frame,
    Hops,
    Note,
    Opened,
    Raw,
    Snapshot,
    Timing,
)
from nmesd.wire.notify import Beacon


class Daemon:
    """Settings, supervision and control.

    config: nmesd.toml; read now, raising ConfigError, and again at every reload.
    record: folder for the first session's record; [record] of the file says where the others go.
    engine: one that was started ahead, and is told what to listen for while the filters are designed.
    """

    def __init__(
        self, config: Path, record: Path | None, engine: EngineProcess | None = None
    ) -> None:
        self._path = config
        self._config: Config = load(config, ahead=engine.tell) if engine else load(config)
        self._reloading = asyncio.Lock()
        self._record = Record(record)
        self._timings = Timings(lambda stages: self._record.event("timing", stages=stages))
        self._hub, self._tally = Hub(), Tally()
        self._beacon, self._beaten_hop = Beacon(), 0
        self._broadcast = Broadcast(self._record, lsl_config(self._config.files.settings.lsl))
        section = self._config.files.settings.mqtt
        told = self._view, self._telemetry, self._stop_or_disarm
        self._mqtt = Mqtt(section, *told) if section.enabled else None
        self._roles = Roles(self._config.files.settings.control.operators)
        self._host = EngineHost(self._config.engine, self._hear, self._engine_changed, engine)
        self._snapshot: Snapshot | None = None
        self._heard_ns, self._inhibits = 0, 0  # of the last snapshot there was
        self._found: list[str] = []
        self._device: dict[str, Any] = {}  # the guard's stimulator
        self._log = structlog.get_logger(room="daemon")

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. SIGHUP reloads."""
        self._socket = self._config.files.settings.control.socket
        if self._roles.group_is_missing:
            text = "there is no such group: only root and the daemon's user are operators"
            self._log.warning(text, group=self._roles.operators)
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
                        serve(self._socket, self._roles, self._answer, self._hub.watch),
                        name="control",
                    ),
                    tasks.create_task(self._record.sync(), name="record"),
                    tasks.create_task(self._broadcast.clock.run(), name="clock"),
                    tasks.create_task(self._reload_on(hung_up), name="reload"),
                ]
                if self._mqtt is not None:
                    running.append(tasks.create_task(self._mqtt.run(), name="mqtt"))
                await ended.wait()
                self._log.info("ending")
                for task in running:
                    task.cancel()
        finally:
            self._timings.flush()
            self._record.close()
            self._beacon.close()

    # ---- settings -----------------------------------------------------------------------------------------

    async def _reload_on(self, hung_up: asyncio.Event) -> None:
        while True:
            await hung_up.wait()
            hung_up.clear()
            await self._reload("", "SIGHUP")

    async def _reload(self, operator: str, user: str, programme: str = "") -> dict[str, Any]:
        """Read the files again, and take up all of them or none.

        An armed session goes on, with other thresholds and rests; anything else is refused until it is over.
        Without one a new engine begins with them, disarmed.
        """
        async with self._reloading:
            armed = self._mode in ARMED_MODES
            try:
                config = await asyncio.to_thread(load, self._path, programme)
                found = changes(self._config.files, config.files)
                needs_restart(found)
                told = while_armed(self._config, config, found) if armed else b""
                if told:
                    await self._retune(config, operator or user, told)
            except (ConfigError, LinkError) as error:
                self._log.error("reload refused, nothing changed", error=str(error), user=user)
                return {"ok": False, "text": f"not reloaded, nothing changed: {error}"}
            self._config = config
            self._tell_changes(found, {"operator": operator, "user": user})
            if not armed:
                try:
                    await self._host.replace(config.engine)
                except LinkError as error:
                    self._log.error("reload", error=str(error))
                    return {"ok": False, "text": str(error)}
            done = "the session goes on" if armed else "a new engine begins disarmed"
            lines = [f"reload: done, {done}, programme {config.files.name}", *map(str, found)]
            return {"ok": True, "text": "\n".join(lines)}

    async def _retune(self, config: Config, operator: str, told: bytes) -> None:
        reply = await self._host.retune(config.engine, operator_number(operator), told)
        if reply.reason:
            raise LinkError(explain(Reason(reply.reason), reply.value, reply.limit))

    def _tell_changes(self, found: tuple[Change, ...], who: dict[str, str]) -> None:
        """Old and new, who and when: the log has the time."""
        self._log.info("reload", file=str(self._path), changes=len(found), **who)
        for change in found:
            self._log.info("changed", **change._asdict(), **who)
        changed = [change._asdict() for change in found]
        facts = self._config.files.facts()
        self._record.event("reload", changes=changed, **who, **facts)

    # ---- the engine ---------------------------------------------------------------------------------------

    def _engine_changed(self, what: str, number: int) -> None:
        self._log.info(what, number=number)
        if what == "engine started":
            self._snapshot, self._device = None, {}
            self._timings.begin()
            self._broadcast.begin(self._config)
        else:
            self._record.event(what, number=number)

    def _hear(self, frame: Frame) -> None:
        match frame:
            case Snapshot():
                self._beat(frame)
                self._snapshot, self._heard_ns = frame, time.monotonic_ns()
                self._tell_faults(inhibits_changed(self._inhibits, frame.inhibits))
                self._inhibits = frame.inhibits
            case Raw():
                self._record.raw(frame)
            case Note():
                entry = from_ints(frame.code, frame.args[: frame.valid])
                self._broadcast.note(frame.hop, entry, frame.stamp_ns)
                self._tell(entry, frame.stamp_ns)
            case Hops():
                self._broadcast.hops(frame)
            case Timing():
                self._timings.hear(frame)
            case Opened():
                self._broadcast.opened(frame.payload.decode(errors="replace"))
            case Found():
                self._found = json.loads(frame.payload)
                reason = Reason(frame.reason)
                self._log.info("stream open" if not reason else explain(reason), found=self._found)
                self._record.event("stream", reason=reason.name, found=self._found)
            case Capabilities():
                self._broadcast.device(frame)
                self._device = stimulator.facts(frame, self._core)
                self._record.stimulator(self._device["stimulator"])
                self._record.event("stimulator", **self._device)
                log = self._log.warning if self._device["cannot"] else self._log.info
                log("stimulator", **self._device)
            case _:
                self._log.warning("unexpected frame", frame=type(frame).__name__)

    def _beat(self, snapshot: Snapshot) -> None:
        """The watchdog is fed only by an engine that does its work: armed, by steps that were completed."""
        steps = snapshot.hop - self._beaten_hop
        if steps or Mode(snapshot.mode) not in ARMED_MODES:
            self._beaten_hop = snapshot.hop
            self._beacon.beat(time.monotonic_ns())

    @property
    def _mode(self) -> Mode:
        return Mode(self._snapshot.mode) if self._snapshot else Mode.DISARMED

    @property
    def _core(self) -> CoreSettings:
        return EngineSettings.from_json(self._config.engine).core

    def _tell(self, entry: Entry, stamp_ns: int = 0) -> None:
        """Everybody who wants to know: the log, LSL, watchers."""
        self._tally.hear(entry)
        event = event_of(entry, [muscle.label for muscle in self._config.files.patient.muscle])
        if event is None:
            return
        self._broadcast.event(event, stamp_ns)
        self._hub.publish(event)
        if self._mqtt is not None:
            self._mqtt.event(event)
        if (trip := trip_of(entry)) is not None:
            self._tell_faults([trip])
        facts = {key: value for key, value in event.items() if key != "event"}
        log = self._log.warning if facts.get("reason", "NONE") != "NONE" else self._log.info
        log(facts.pop("after", event["event"]), **facts)

    def _view(self) -> dict[str, Any]:
        now = self._snapshot, self._config.files, self._tally
        return {
            **view(*now, self._found, self._host.pid, self._device),
            **self._record.facts(),
        }

    def _age_s(self) -> float | None:
        """How long ago the engine said what the view shows: an engine that stands still says nothing new."""
        if self._snapshot is None:
            return None
        return round((time.monotonic_ns() - self._heard_ns) / NS_PER_S, 2)

    def _telemetry(self) -> Telemetry | None:
        if self._snapshot is None:
            return None
        return telemetry(
            self._snapshot, self._config.files, self._heard_ns, self._timings.figures()
        )

    def _tell_faults(self, faults: Sequence[Fault]) -> None:
        if self._mqtt is not None:
            for fault in faults:
                self._mqtt.fault(fault)

    async def _stop_or_disarm(self, command: str) -> None:
        """What may come from the network."""
        await self._answer({"command": command}, BROKER)

    # ---- the operator -------------------------------------------------------------------------------------

    async def _answer(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        command = request["command"]
        if (text := self._roles.refusal(command, peer)) is not None:
            self._log.warning("refused", command=command[:40], user=peer.user)
            return self._refused(request, peer, text)
        if command == "status":
            timing = self._timings.figures()
            return {"ok": True, **self._view(), "timing": timing, "age_s": self._age_s()}
        if command == "timing":
            return {"ok": True, "stages": self._timings.counted()}
        if command == "watch":
            return {"ok": True, "text": "events follow, a line each", "watching": True}
        if command == "reload":
            operator, programme = (str(request.get(k, "")) for k in ("operator", "programme"))
            return await self._reload(operator, peer.user, programme)
        patient = self._config.files.patient.code
        if (text := senseless(request, patient, self._mode)) is not None:
            return self._refused(request, peer, text)
        return await self._act(command, request, peer)

    async def _act(self, command: str, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        given = to_give(request, self._core) if command == "give" else (0, 0)
        if given is None:
            return self._refused(request, peer, NOT_TO_GIVE)
        operator = str(request.get("operator", ""))
        number = operator_number(operator or peer.user)
        self._log.info(command, operator=operator, user=peer.user)
        who = {"operator": operator, "user": peer.user, "operator_id": number}
        checked = {"checked": bool(request.get("checked"))} if command == "arm" else {}
        self._record.operator(operator or peer.user, number)
        self._record.event("act", act=command, **who, **checked)
        try:
            reply = await self._host.act(ACTS[command], number, *given)
        except LinkError as error:
            return self._refused(request, peer, str(error))
        reason = Reason(reply.reason)
        if reason is not Reason.NONE:
            text = explain(reason, reply.value, reply.limit)
            self._log.warning(f"{command} refused", reason=reason.name, text=text, user=peer.user)
            told = self._refused(request, peer, text, reason, reply.value, reply.limit)
            return {**told, "reason": reason.name}
        return {"ok": True, "text": f"{command}: done"}

    def _refused(
        self, request: dict[str, Any], peer: Peer, text: str, *numbers: Any
    ) -> dict[str, Any]:
        self._tell_faults([refused(request, peer.user, text, *numbers)])
        return {"ok": False, "text": text}


def run(config: Path, record: Path | None = None, engine: EngineProcess | None = None) -> None:
    """Run the daemon until it is told to end. Raises ConfigError."""
    daemon = Daemon(config, record, engine)
    DESIGNER.dismiss()  # of a programme that hears no EMG
    keep_flat()
    asyncio.run(daemon.run())
