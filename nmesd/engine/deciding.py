"""What the engine decides, and what becomes of it: the decider, the output it asked for, the lease on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from nmesd.core.decider import Decider
from nmesd.core.journal import from_ints
from nmesd.core.tuning import tuned
from nmesd.core.values import Act, Command, Mode, ModeChanged, Pace, SetOutput, Trip, Tune, Why
from nmesd.engine.guard_link import GuardLink
from nmesd.engine.settings import EngineSettings
from nmesd.engine.steps import NO_EMG
from nmesd.engine.teller import Teller
from nmesd.engine.timed import Hop, TimedChain
from nmesd.errors import Reason, RecordError
from nmesd.wire import ZERO, ChannelOutput, Output, Stage, Stages


def chain_of(settings: EngineSettings) -> Chain | None:
    """A fresh chain; None for a programme that needs no EMG."""
    if settings.stream is None or settings.chain is None:
        return None
    return Chain(ChainCoefficients.from_dict(settings.chain), len(settings.stream.columns))


def output_after(output: Output, command: SetOutput) -> Output:
    """The output once the command is obeyed: the other channels stay as they are."""
    channel = ChannelOutput()
    if command.amplitude_ua:
        channel = ChannelOutput(command.amplitude_ua, command.pulse_width_us, command.period_us)
    return (*output[: command.channel], channel, *output[command.channel + 1 :])


class Deciding:
    """One step after another; only a turn in which one was completed renews the lease."""

    def __init__(
        self, settings: EngineSettings, guard: GuardLink, teller: Teller,
        hear_guard: Callable[[], None],
    ) -> None:  # fmt: skip
        self._lease_ns = settings.lease_ns
        self._guard, self._steps = guard, teller.steps
        self._hear_guard = hear_guard
        self.stages = Stages(Stage.ARRIVAL, Stage.FILTER, Stage.DECISION, Stage.LEASE_WRITE)
        chain = chain_of(settings)
        self._chain = None if chain is None else TimedChain(chain, self.stages)
        self.decider: Decider[Hop] = Decider(self._chain, settings.core, teller.note)
        self._look_at_thresholds()
        self.output: Output = ZERO
        self.step_max_ns = 0

    @property
    def armed(self) -> bool:
        """True while an operator's arming is in force."""
        return self.decider.armed

    def hop(self, samples: Hop) -> None:
        """One step on a hop of EMG."""
        decider, chain = self.decider, self._chain
        assert chain is not None  # noqa: S101 - whoever hears EMG has one
        self._obey(decider.hop(samples))
        self.stages.met(Stage.DECISION, time.monotonic_ns() - chain.done_ns)
        self._steps.add(decider.state.mode, decider.last, self._thresholds_nv)
        if decider.state.on_nv is not self._on_nv:
            self._look_at_thresholds()

    def tick(self) -> None:
        """One step on a hop's time."""
        self._obey(self.decider.tick())
        self._steps.add(self.decider.state.mode, self.decider.last, NO_EMG)

    def act(self, act: Act) -> tuple[Command, ...]:
        """An act between two steps."""
        commands = self._obey(self.decider.act(act))
        self._look_at_thresholds()
        return commands

    def _look_at_thresholds(self) -> None:
        """For the next hop: they move between trials, and by acts."""
        self._thresholds_nv, self._on_nv = self.decider.thresholds_nv, self.decider.state.on_nv

    def retune(self, operator: int, payload: bytes) -> bool:
        """Everything a `Retune` asks for, between two steps. False: it is none, and nothing was changed."""
        acts: list[Tune | Pace] = []
        try:
            for code, *fields in json.loads(payload):
                act = from_ints(code, (self.decider.t_ns, operator, *fields))
                if not isinstance(act, Tune | Pace):
                    return False
                if min(fields) < 0:  # a muscle counted from the end, a time before now
                    return False
                tuned(self.decider.settings, act)
                acts.append(act)
        except (ValueError, TypeError, IndexError, RecordError):
            return False
        for act in acts:
            self.act(act)
        return True

    def trip(self, reason: Reason, value: int = 0, limit: int = 0) -> None:
        """Zero, if an arming is in force. While disarmed the same condition only inhibits."""
        if self.armed:
            self.act(Trip(self.decider.t_ns, reason, value, limit))

    def trip_by_clock(self, reason: Reason, value: int = 0, limit: int = 0) -> None:
        """Zero, for what a clock says: after a freeze the guard tripped first, and its reason is the true one."""
        self._hear_guard()
        self.trip(reason, value, limit)

    def renew(self, sample_ns: int, arrival_ns: int) -> None:
        """Once the steps of this turn are done: the lease, unless they took too long.

        sample_ns: time of the sample that decided; `arrival_ns` where its clock is another. arrival_ns: when the
        turn's samples came.
        """
        self._lease(sample_ns, arrival_ns)
        self.stages.count()

    def _lease(self, sample_ns: int, arrival_ns: int) -> None:
        decided_ns, budget_ns = time.monotonic_ns(), self._lease_ns // 2
        self.step_max_ns = max(self.step_max_ns, decided_ns - arrival_ns)
        if sample_ns != arrival_ns:
            self.stages.met(Stage.ARRIVAL, arrival_ns - sample_ns)
        if not self.armed:
            return
        if decided_ns - arrival_ns > budget_ns:
            self.trip_by_clock(Reason.ENGINE_OVERRUN, decided_ns - arrival_ns, budget_ns)
            return
        train = self.decider.state.train
        # The lease counts from the sample's arrival: time spent deciding is time the guard does not give again.
        self._guard.lease(
            self.output,
            arrival_ns + self._lease_ns,
            sample_ns,
            arrival_ns,
            decided_ns,
            believes_armed=True,
            believes_output=train is not None and any(train.given_ua),
        )
        self.stages.met(Stage.LEASE_WRITE, time.monotonic_ns() - decided_ns)

    def _obey(self, commands: tuple[Command, ...]) -> tuple[Command, ...]:
        for command in commands:
            match command:
                case SetOutput():
                    self.output = output_after(self.output, command)
                case ModeChanged(after=Mode.TRIPPED, reason=reason, value=value, limit=limit):
                    self._guard.stop(reason, value, limit)
                case ModeChanged(after=Mode.DISARMED, why=Why.SESSION_OVER):
                    self._guard.disarm()
                case _:
                    pass
        return commands
