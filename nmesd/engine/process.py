"""The engine's loop: hear, decide, lease; then, when that is done, talk to guard and daemon, and look around.

Every turn waits for the first new sample, at most PULL_S. Only a turn in which at least one hop was decided on
sends a lease.
"""

from __future__ import annotations

import select
import socket
import time
from typing import NamedTuple

import numpy as np

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.core.decider import Decider
from nmesd.core.machine import DISTURBED, NO_MEASUREMENT, SETTLING, listening
from nmesd.core.values import Arm, Command, Disarm, Mode, ModeChanged, Reset, SetOutput, Trip
from nmesd.engine.guard_link import GuardLink
from nmesd.engine.inhibits import PASSING_NS, Inhibits
from nmesd.engine.settings import EngineSettings, settings_hash
from nmesd.engine.snapshot import snapshot
from nmesd.engine.stream import Stream
from nmesd.engine.teller import Teller
from nmesd.errors import LinkError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    ZERO,
    Act,
    ActKind,
    Beat,
    Capabilities,
    ChannelOutput,
    GuardState,
    Link,
    Output,
    Report,
    Snapshot,
    misfits,
)
from nmesd.wire.lifeline import Watch

PULL_S = 0.004
SNAPSHOT_NS = 50 * NS_PER_MS
ANSWER_NS = 500 * NS_PER_MS  # how long the guard may take to arm or reset
DAEMON_SILENT_NS = NS_PER_S

_SEARCHING = (
    Reason.EMG_NO_STREAM,
    Reason.EMG_AMBIGUOUS,
    Reason.EMG_MISMATCH,
    Reason.EMG_STREAM_CHANGED,
)


class Pending(NamedTuple):
    """An act that waits for the guard's answer."""

    act: Act
    until_ns: int
    sequence: int


class Engine:
    """State of the engine process."""

    def __init__(
        self, settings: EngineSettings, daemon: Link, lifeline: Watch | None = None
    ) -> None:
        self.ending = False
        self._settings = settings
        self._spec = settings.stream
        coefficients = ChainCoefficients.from_dict(settings.chain)
        self._daemon = daemon
        self._lifeline = [] if lifeline is None else [lifeline]
        self._teller = Teller(daemon)
        self._stream = Stream(settings)
        self._channel = self._spec.labels.index(self._spec.muscle)
        self._hop_samples = coefficients.hop_samples
        self._cutter = HopCutter(coefficients.hop_samples, 1)
        self._decider: Decider[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = Decider(
            Chain(coefficients, 1), settings.core, self._teller.note
        )
        self._guard = GuardLink(settings.guard_socket, settings_hash(settings.to_json()))
        self._inhibits = Inhibits()
        self._inhibits.set(Reason.EMG_NO_STREAM)
        self._output: Output = ZERO
        self._pending: Pending | None = None
        self._epoch = self._samples = 0
        self._snapshot_ns = self._step_max_ns = 0
        self._beat_ns = time.monotonic_ns()
        self._same_clock = self._rivalled = False
        self._device: Capabilities | None = None  # as told to the daemon

    def run(self) -> None:
        """Loop until the daemon is gone or `ending`."""
        while not self.ending and not self._daemon_gone():
            self.turn()
        self._trip(Reason.DAEMON_GONE if self._daemon_gone() else Reason.ENGINE_SHUTDOWN)
        self._guard.close()

    def _daemon_gone(self) -> bool:
        """By the end of its connection, or sooner by its lifeline: it may take 0.1 s to give its memory back."""
        return self._daemon.closed or bool(select.select(self._lifeline, [], [], 0)[0])

    def turn(self) -> None:
        """Once around: what is not on the path from muscle to current comes after the lease."""
        if self._stream.open:
            self._hear()
        else:
            self._search()
        now_ns = time.monotonic_ns()
        self._talk_to_guard(now_ns)
        self._talk_to_daemon(now_ns)
        self._look_around(now_ns)

    # ---- hear and decide ----------------------------------------------------------------------------------

    def _hear(self) -> None:
        heard, arrival_ns = self._stream.listen(PULL_S)
        if heard.finding is not None:
            self._hear_guard()  # after a freeze the guard tripped first, and its reason is the true one
            reason, value, limit = heard.finding
            lasting = reason in (Reason.EMG_STALE, Reason.EMG_STREAM_GONE)
            self._inhibits.set(reason, 2**62 if lasting else arrival_ns + PASSING_NS)
            self._trip(reason, value, limit)
            if reason is not Reason.EMG_STALE:
                self._start_afresh()
        if heard.lost or not len(heard.samples):
            return
        self._inhibits.clear(Reason.EMG_STALE)
        hops, trains = self._decider.hops, self._decider.state.trains
        held, deciding = self._cutter.held, len(heard.samples) - 1
        for hop in self._cutter.cut(heard.samples[:, self._channel : self._channel + 1]):
            for command in self._decider.hop(hop):
                self._obey(command)
            if self._decider.state.trains != trains:
                # Latency counts from the sample that decided, not from the last one of its chunk.
                trains = self._decider.state.trains
                deciding = (self._decider.hops - hops) * self._hop_samples - held - 1
        decided_ns = time.monotonic_ns()
        if self._decider.armed and self._decider.hops > hops:
            self._renew(int(heard.stamps_ns[deciding]), arrival_ns, decided_ns)
        self._step_max_ns = max(self._step_max_ns, decided_ns - arrival_ns)
        self._teller.raw(self._epoch, self._samples, heard.samples, heard.stamps_ns, arrival_ns)
        self._samples += len(heard.samples)

    def _renew(self, stamp_ns: int, arrival_ns: int, decided_ns: int) -> None:
        budget_ns = self._settings.lease_ns // 2
        if decided_ns - arrival_ns > budget_ns:
            self._trip(Reason.ENGINE_OVERRUN, decided_ns - arrival_ns, budget_ns)
            return
        sample_ns = stamp_ns if self._same_clock else arrival_ns
        # The lease counts from the sample's arrival: time spent deciding is time the guard does not give again.
        self._guard.lease(
            self._output,
            arrival_ns + self._settings.lease_ns,
            sample_ns,
            arrival_ns,
            decided_ns,
            believes_armed=self._decider.armed,
            believes_output=self._decider.state.amplitude_ua > 0,
        )

    def _obey(self, command: Command) -> None:
        match command:
            case SetOutput():
                one = ChannelOutput(command.amplitude_ua, command.pulse_width_us, command.period_us)
                one = one if command.amplitude_ua else ChannelOutput()
                self._output = tuple(
                    one if c == command.channel else ChannelOutput() for c in range(len(ZERO))
                )
            case ModeChanged(after=Mode.TRIPPED, reason=reason, value=value, limit=limit):
                self._guard.stop(reason, value, limit)
            case _:
                pass

    def _trip(self, reason: Reason, value: int = 0, limit: int = 0) -> None:
        """Zero, if an arming is in force. While disarmed the same condition only inhibits."""
        if self._decider.armed:
            self._act(Trip(self._decider.t_ns, reason, value, limit))

    def _act(self, act: Arm | Disarm | Trip | Reset) -> tuple[Command, ...]:
        commands = self._decider.act(act)
        for command in commands:
            self._obey(command)
        return commands

    def _start_afresh(self) -> None:
        self._epoch += 1
        self._stream.restart()
        self._cutter.clear()
        self._decider.restart_chain()

    def _search(self) -> None:
        result = self._stream.search(time.monotonic_ns())
        if result is None:
            time.sleep(PULL_S)
            return
        reason, found = result
        self._teller.found(reason, found)
        self._inhibits.clear(*_SEARCHING)
        if reason is not Reason.EMG_NO_STREAM:  # what is there now says more than that it went
            self._inhibits.clear(Reason.EMG_STREAM_GONE, Reason.EMG_STALE)
        if reason is not Reason.NONE:
            self._inhibits.set(reason)
            return
        self._rivalled = False
        self._same_clock = self._stream.host == socket.gethostname() and self._spec.speed == 1
        self._start_afresh()

    def _look_around(self, now_ns: int) -> None:
        """A second stream that fits: which of the two is the patient's is not for the engine to say."""
        looked = self._stream.look(now_ns)
        if looked is None:
            return
        others, found = looked
        if others:
            self._inhibits.set(Reason.EMG_AMBIGUOUS)
            self._trip(Reason.EMG_AMBIGUOUS, 1 + others, 1)
        else:
            self._inhibits.clear(Reason.EMG_AMBIGUOUS)
        if bool(others) != self._rivalled:
            self._rivalled = bool(others)
            self._teller.found(Reason.EMG_AMBIGUOUS if others else Reason.NONE, found)

    # ---- guard --------------------------------------------------------------------------------------------

    def _talk_to_guard(self, now_ns: int) -> None:
        self._guard.connect(now_ns)
        self._hear_guard()
        self._look_at_device()
        if self._guard.connected and self._guard.report is not None:
            self._inhibits.clear(Reason.GUARD_GONE)
        else:
            self._inhibits.set(Reason.GUARD_GONE)
            self._trip(Reason.GUARD_GONE)
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
        wanted = ChannelOutput(core.amplitude_ua, core.pulse_width_us, core.period_us)
        if misfits(core.channel, wanted, device):
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
                    self._act(
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
                        self._act(Reset(self._decider.t_ns, pending.act.operator))
                        self._answer(Reason.NONE)
                elif self._decider.armed:
                    self._trip(Reason.BELIEF_MISMATCH)

    def _complete_arming(self, act: Act) -> None:
        self._stream.flush()
        self._start_afresh()
        self._act(
            Arm(self._decider.t_ns, act.operator, self._mask(time.monotonic_ns(), arming=True))
        )
        if self._decider.armed:
            self._step_max_ns = 0
            self._answer(Reason.NONE)
        else:
            self._guard.disarm()
            self._answer(self._first_inhibit(self._mask(time.monotonic_ns(), arming=True)))

    # ---- daemon -------------------------------------------------------------------------------------------

    def _talk_to_daemon(self, now_ns: int) -> None:
        try:
            while (received := self._daemon.receive()) is not None:
                match received.frame:
                    case Act() as act:
                        self._hear_act(act, now_ns)
                    case Beat():
                        self._beat_ns = now_ns
                    case _:
                        pass
        except LinkError:
            self.ending = True
        if now_ns - self._beat_ns > DAEMON_SILENT_NS:
            self._trip(Reason.DAEMON_SILENT, now_ns - self._beat_ns, DAEMON_SILENT_NS)
        if now_ns >= self._snapshot_ns:
            self._snapshot_ns = now_ns + SNAPSHOT_NS
            self._teller.snapshot(self._snapshot(now_ns))

    def _hear_act(self, act: Act, now_ns: int) -> None:
        t_ns = self._decider.t_ns
        match act.act:
            case ActKind.STOP:
                self._act(Trip(t_ns, Reason.OPERATOR_STOP, 0, 0))
                self._reply(act.request)
            case ActKind.DISARM:
                self._guard.disarm(act.operator)  # also when not armed: it ends the guard's session
                self._act(Disarm(t_ns, act.operator))
                self._reply(act.request)
            case ActKind.RESET:
                self._guard.reset(act.operator)
                self._pending = Pending(act, now_ns + ANSWER_NS, self._guard.sequence)
            case ActKind.ARM:
                self._hear_arm(act, now_ns)
            case _:
                self._reply(act.request, Reason.FRAME_UNEXPECTED)

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
        if self._spec.speed != 1 and report is not None and not report.simulated:
            mask |= 1 << Reason.EMG_RATE  # a rehearsal at speed never reaches a person
        return mask

    @staticmethod
    def _first_inhibit(mask: int) -> Reason:
        return Reason((mask & -mask).bit_length() - 1)

    def _snapshot(self, now_ns: int) -> Snapshot:
        return snapshot(
            self._decider.state,
            self._settings.core,
            self._guard.report,
            hop=self._decider.hops,
            envelope_nv=self._decider.last.envelope_nv,
            inhibits=self._mask(now_ns),
            amplitude_ua=self._output[self._settings.core.channel].amplitude_ua,
            step_max_ns=self._step_max_ns,
            dropped=self._daemon.dropped,
            connected=self._guard.connected,
        )
