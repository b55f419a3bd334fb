"""The engine's loop: decide, lease; then, when that is done, talk to guard and daemon, and look around.

Every turn waits for the first new sample, or for the clock, at most PULL_S. Only a turn in which at least one step
was completed sends a lease.
"""

from __future__ import annotations

import select
import time
from typing import NamedTuple

from nmesd.core.flags import DISTURBED, NO_MEASUREMENT, SETTLING
from nmesd.core.state import listening
from nmesd.core.values import Arm, Disarm, Give, Mode, Pause, Refused, Release, Reset, Resume, Trip
from nmesd.engine.deciding import Deciding
from nmesd.engine.ear import Ear, Source, Ticker
from nmesd.engine.guard_link import GuardLink
from nmesd.engine.inhibits import Inhibits
from nmesd.engine.settings import EngineSettings, outputs, settings_hash
from nmesd.engine.snapshot import snapshot
from nmesd.engine.stream import Stream
from nmesd.engine.teller import Teller
from nmesd.errors import LinkError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    Act,
    ActKind,
    Beat,
    Capabilities,
    GuardState,
    Link,
    Report,
    Retune,
    Snapshot,
    misfits,
)
from nmesd.wire.lifeline import Watch

SNAPSHOT_NS = 50 * NS_PER_MS
ANSWER_NS = 500 * NS_PER_MS  # how long the guard may take to arm or reset
DAEMON_SILENT_NS = NS_PER_S


class Pending(NamedTuple):
    """An act that waits for the guard's answer."""

    act: Act
    until_ns: int
    sequence: int


class Engine:
    """State of the engine process."""

    def __init__(
        self, settings: EngineSettings, daemon: Link, lifeline: Watch | None = None,
        begun: Stream | None = None,
    ) -> None:  # fmt: skip
        self.ending = False
        self._settings = settings
        self._daemon = daemon
        self._lifeline = [] if lifeline is None else [lifeline]
        self._teller = Teller(daemon)
        self._guard = GuardLink(
            settings.guard_socket, settings_hash(settings.to_json()), self._teller.timing
        )
        self._inhibits = Inhibits()
        self._deciding = Deciding(settings, self._guard, self._teller, self._hear_guard)
        self._decider = self._deciding.decider
        self._source: Source = (
            Ticker(settings, self._deciding, self._teller)
            if settings.stream is None
            else Ear(settings, self._deciding, self._inhibits, self._teller, begun)
        )
        self._pending: Pending | None = None
        self._orphaned = False
        self._snapshot_ns = 0
        self._beat_ns = time.monotonic_ns()
        self._device: Capabilities | None = None  # as told to the daemon

    def run(self) -> None:
        """Loop until the daemon is gone or `ending`."""
        while not self.ending and not self._daemon_gone():
            self.turn()
        self._deciding.trip(Reason.DAEMON_GONE if self._daemon_gone() else Reason.ENGINE_SHUTDOWN)
        self._teller.flush()
        self._guard.close()

    def _daemon_gone(self) -> bool:
        """By the end of its connection, or sooner by its lifeline: it may take 0.1 s to give its memory back."""
        return self._daemon.closed or self._orphaned

    def turn(self) -> None:
        """Once around: what is not on the path from muscle to current comes after the lease."""
        self._source.turn()
        now_ns = time.monotonic_ns()
        # One look for all: to ask each that is silent costs an exception.
        asked: list[Watch | Link] = [*self._lifeline, self._daemon, *self._guard.links]
        spoke = select.select(asked, [], [], 0)[0]
        self._orphaned = any(one in spoke for one in self._lifeline)
        self._talk_to_guard(now_ns, spoke=any(one in spoke for one in self._guard.links))
        self._talk_to_daemon(now_ns, spoke=self._daemon in spoke)
        self._source.look_around(now_ns)
        self._teller.turned(now_ns)

    # ---- guard --------------------------------------------------------------------------------------------

    def _talk_to_guard(self, now_ns: int, *, spoke: bool) -> None:
        self._guard.connect(now_ns)
        if spoke:
            self._hear_guard()
        self._look_at_device()
        if self._guard.connected and self._guard.report is not None:
            self._inhibits.clear(Reason.GUARD_GONE)
        else:
            self._inhibits.set(Reason.GUARD_GONE)
            self._deciding.trip(Reason.GUARD_GONE)
        if self._pending is not None and now_ns > self._pending.until_ns:
            self._answer(Reason.GUARD_GONE)

    def _look_at_device(self) -> None:
        """Another stimulator behind the guard: what is asked of it must be what it can give."""
        device, core = self._guard.device, self._settings.core
        if device == self._device:
            return
        self._device = device
        self._inhibits.clear(Reason.DEVICE_CANNOT)
        if device is None:
            return
        self._teller.device(device)
        if any(misfits(o.channel, one, device) for o, one in outputs(core)):
            self._inhibits.set(Reason.DEVICE_CANNOT)

    def _hear_guard(self) -> None:
        for report in self._guard.reports():
            self._hear_report(report)

    def _hear_report(self, report: Report) -> None:
        pending = self._pending
        match report.state:
            case GuardState.TRIPPED:
                reason = Reason(report.trip_reason)
                waits_for_reset = pending is not None and pending.act.act == ActKind.RESET
                if self._decider.state.mode is not Mode.TRIPPED and not waits_for_reset:
                    self._deciding.act(
                        Trip(self._decider.t_ns, reason, report.trip_value, report.trip_limit)
                    )
                if pending is not None and not waits_for_reset:
                    self._answer(reason, report.trip_value, report.trip_limit)
            case GuardState.ARMED:
                if (
                    pending is not None
                    and pending.act.act == ActKind.ARM
                    and report.session == self._guard.session
                ):
                    self._complete_arming(pending.act)
                elif not self._decider.armed:
                    self._guard.disarm()
            case _:
                if pending is not None and pending.act.act == ActKind.RESET:
                    if report.ack_sequence >= pending.sequence:
                        self._deciding.act(Reset(self._decider.t_ns, pending.act.operator))
                        self._answer(Reason.NONE)
                elif self._decider.armed:
                    self._deciding.trip(Reason.BELIEF_MISMATCH)

    def _complete_arming(self, act: Act) -> None:
        self._source.start_afresh()
        self._deciding.act(
            Arm(self._decider.t_ns, act.operator, self._mask(time.monotonic_ns(), arming=True))
        )
        if self._decider.armed:
            self._deciding.step_max_ns = 0
            self._answer(Reason.NONE)
        else:
            self._guard.disarm()
            self._answer(self._first_inhibit(self._mask(time.monotonic_ns(), arming=True)))

    # ---- daemon -------------------------------------------------------------------------------------------

    def _talk_to_daemon(self, now_ns: int, *, spoke: bool) -> None:
        try:
            while spoke and (received := self._daemon.receive()) is not None:
                match received.frame:
                    case Act() as act:
                        self._hear_act(act, now_ns)
                    case Retune(request, operator, payload):
                        done = self._deciding.retune(operator, payload)
                        self._reply(request, Reason.NONE if done else Reason.FRAME_UNEXPECTED)
                    case Beat():
                        self._beat_ns = now_ns
                    case _:
                        pass
        except LinkError:
            self.ending = True
        if now_ns - self._beat_ns > DAEMON_SILENT_NS:
            self._deciding.trip(Reason.DAEMON_SILENT, now_ns - self._beat_ns, DAEMON_SILENT_NS)
        if now_ns >= self._snapshot_ns:
            self._snapshot_ns = now_ns + SNAPSHOT_NS
            self._teller.snapshot(self._snapshot(now_ns))
            for timing in self._deciding.stages.due(now_ns):
                self._teller.timing(timing)

    def _hear_act(self, act: Act, now_ns: int) -> None:
        t_ns = self._decider.t_ns
        match act.act:
            case ActKind.STOP:
                self._deciding.act(Trip(t_ns, Reason.OPERATOR_STOP, 0, 0))
                self._reply(act.request)
            case ActKind.DISARM:
                self._guard.disarm(act.operator)  # also when not armed: it ends the guard's session
                self._deciding.act(Disarm(t_ns, act.operator))
                self._reply(act.request)
            case ActKind.RESET if not self._tripped:
                self._reply(
                    act.request
                )  # nothing to clear; a guard that is armed would take it for a fault
            case ActKind.RESET:
                self._guard.reset(act.operator)
                self._pending = Pending(act, now_ns + ANSWER_NS, self._guard.sequence)
            case ActKind.PAUSE:
                self._deciding.act(Pause(t_ns, act.operator))
                self._reply(act.request)
            case ActKind.RESUME:
                self._deciding.act(Resume(t_ns, act.operator))
                self._reply(act.request)
            case ActKind.RELEASE:
                self._deciding.act(Release(t_ns, act.operator))
                self._reply(act.request)
            case ActKind.GIVE:
                self._hear_give(act)
            case ActKind.ARM:
                self._hear_arm(act, now_ns)
            case _:
                self._reply(act.request, Reason.FRAME_UNEXPECTED)

    @property
    def _tripped(self) -> bool:
        report = self._guard.report
        ours = self._decider.state.mode is Mode.TRIPPED
        return ours or (report is not None and report.state == GuardState.TRIPPED)

    def _hear_give(self, act: Act) -> None:
        give = Give(self._decider.t_ns, act.operator, act.muscle, act.amplitude_ua)
        commands = self._deciding.act(give)
        refused = [command for command in commands if isinstance(command, Refused)]
        if refused:
            self._reply(act.request, refused[0].reason, refused[0].value, refused[0].limit)
        else:
            self._reply(act.request, Reason.NONE if commands else Reason.FRAME_UNEXPECTED)

    def _hear_arm(self, act: Act, now_ns: int) -> None:
        mask = self._mask(now_ns)
        if self._decider.state.mode is Mode.TRIPPED and self._decider.state.trip is not None:
            _, reason, value, limit = self._decider.state.trip
            self._reply(act.request, reason, value, limit)
        elif mask:
            self._reply(act.request, self._first_inhibit(mask))
        elif self._decider.armed:
            self._reply(act.request)
        else:
            self._guard.arm(act.operator)
            self._pending = Pending(act, now_ns + ANSWER_NS, self._guard.sequence)

    def _reply(
        self, request: int, reason: Reason = Reason.NONE, value: int = 0, limit: int = 0
    ) -> None:
        self._teller.snapshot(
            self._snapshot(time.monotonic_ns())
        )  # whoever asked sees the new state at once
        self._teller.reply(request, reason, value, limit)

    def _answer(self, reason: Reason, value: int = 0, limit: int = 0) -> None:
        if self._pending is not None:
            self._reply(self._pending.act.request, reason, value, limit)
            self._pending = None

    def _mask(self, now_ns: int, *, arming: bool = False) -> int:
        """Inhibits in force, a bit per Reason. The chain's own settling is part of arming, not against it."""
        mask = self._inhibits.mask(now_ns)
        flags = self._decider.last.flags
        told = NO_MEASUREMENT | DISTURBED if listening(self._decider.state) else NO_MEASUREMENT
        for flag, reason in told.items():
            if flags & flag:
                mask |= 1 << reason
        if flags & SETTLING and not arming:
            mask |= 1 << Reason.EMG_SETTLING
        report = self._guard.report
        stream = self._settings.stream
        at_speed = stream is not None and stream.speed != 1
        if at_speed and report is not None and not report.simulated:
            mask |= 1 << Reason.EMG_RATE  # a rehearsal at speed never reaches a person
        return mask

    @staticmethod
    def _first_inhibit(mask: int) -> Reason:
        return Reason((mask & -mask).bit_length() - 1)

    def _snapshot(self, now_ns: int) -> Snapshot:
        return snapshot(
            self._decider.state,
            self._decider.settings,
            self._guard.report,
            last=self._decider.last,
            hop=self._decider.hops,
            inhibits=self._mask(now_ns),
            output=self._deciding.output,
            step_max_ns=self._deciding.step_max_ns,
            dropped=self._daemon.dropped,
            connected=self._guard.connected,
        )
