"""A whole session in sample time, with a person who hears the cues.

The person tries when told to, after a time to react; sometimes not, sometimes when told not to. In a relaxation it
is tense during the rest, and lets go after the cue.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dsp.blocks import Array
from nmesd.core.decider import Decider
from nmesd.core.journal import Entry
from nmesd.core.values import Command, Cue, CueKind, Kind, Mode
from nmesd.engine.deciding import chain_of
from nmesd.engine.settings import EngineSettings
from nmesd.sim.sample_time import ARM_S, Loop
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_S

NEVER_S = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """How somebody follows cues."""

    seed: int = 1
    tries: float = 0.9  # share of TRY cues that are followed
    slips: float = 0.15  # share of DO_NOT_TRY cues that are not
    against: float = 0.2  # share of tries in which the antagonist pulls too
    react_s: tuple[float, float] = (0.3, 0.9)


class Session:
    """A session as it goes: its journal in `noted`, each entry with its hop.

    spec: of every muscle, each with its own seed; attempts of its own are left out.
    """

    def __init__(
        self, settings: EngineSettings, spec: PatientSpec, person: Person, chunk: int
    ) -> None:
        self.noted: list[tuple[int, Entry]] = []
        self._person, self._rng = person, random.Random(person.seed)
        columns = len(settings.stream.columns) if settings.stream else 0
        self.patients = [
            VirtualPatient(
                replace(spec, seed=spec.seed + n, first_attempt_s=NEVER_S, interval_s=NEVER_S)
            )
            for n in range(columns)
        ]
        decider: Decider[Array] = Decider(
            chain_of(settings), settings.core, lambda *note: self.noted.append(note)
        )
        self.loop = Loop(decider, self.patients, settings.core.hop_samples, chunk)
        self._core = settings.core
        self._due: list[tuple[int, int]] = []  # when, which column

    def run(self, most_s: float) -> None:
        """Until the session is over, or trips. Raises TimeoutError if it lasts longer."""
        state = self.loop.decider
        while state.t_ns < ARM_S * NS_PER_S:
            self.loop.turn()
        self._hear(self.loop.arm())
        while state.armed:
            if state.t_ns > most_s * NS_PER_S:
                raise TimeoutError(f"not over after {most_s:g} s, but {state.state.mode.name}")
            while self._due and self._due[0][0] <= state.t_ns:
                self.patients[self._due.pop(0)[1]].attempt()
            self._hear(self.loop.turn())

    def _hear(self, commands: Sequence[Command]) -> None:
        for cue in _cues(commands):
            if self.patients and self._follows(cue):
                muscle = self._core.muscles[cue.trial % len(self._core.muscles)]
                due_ns = cue.t_ns + round(self._rng.uniform(*self._person.react_s) * NS_PER_S)
                self._due.append((due_ns, muscle.emg))
                if muscle.antagonist >= 0 and self._rng.random() < self._person.against:
                    self._due.append((due_ns, muscle.antagonist))

    def _follows(self, cue: Cue) -> bool:
        if self._core.programme.kind is Kind.RELAXATION:
            return cue.cue is CueKind.REST
        share = {CueKind.TRY: self._person.tries, CueKind.DO_NOT_TRY: self._person.slips}
        return cue.cue in share and self._rng.random() < share[cue.cue]

    @property
    def entries(self) -> list[Entry]:
        """The journal without the hops."""
        return [entry for _, entry in self.noted]

    @property
    def tripped(self) -> bool:
        """Whether it ended by a trip."""
        return self.loop.decider.state.mode is Mode.TRIPPED


def _cues(commands: Sequence[Command]) -> Iterator[Cue]:
    return (command for command in commands if isinstance(command, Cue))
