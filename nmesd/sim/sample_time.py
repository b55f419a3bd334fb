"""The loop closed in sample time, as fast as it goes: patient -> chain -> decider -> pulses -> patient.

No clock, process, stream or guard: what is decided here is decided by the very code that runs live, on EMG that
has the stimulator's artefact and the M-wave in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.blocks import Array
from dsp.chain import Chain, HopValues
from dsp.hops import HopCutter
from nmesd.core.decider import Decider
from nmesd.core.journal import Entry
from nmesd.core.values import Arm, Command, CoreSettings, Mode, ModeChanged, SetOutput
from nmesd.drivers.pulses import PulseClock
from nmesd.engine.deciding import chain_of, output_after
from nmesd.engine.settings import EngineSettings
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_S
from nmesd.wire import ZERO, Output

CHUNK: Final = (
    4  # samples: what is heard of a pulse comes at the earliest with the next chunk, as live
)
ARM_S: Final = 1.0
Note = Callable[[int, Entry], None]


class Loop:
    """A decider, and a patient for each column of EMG it decides on; without patients the clock ticks.

    Everybody hears every pulse: the artefact is everywhere, and the M-wave is the harder case.
    """

    def __init__(
        self, decider: Decider[Array], patients: Sequence[VirtualPatient], hop_samples: int, chunk: int = CHUNK
    ) -> None:  # fmt: skip
        self.decider = decider
        self.pulses: list[tuple[int, int, int, int]] = []  # t_ns, channel, µA, µs
        self.emg_uv: list[NDArray[np.float32]] = []  # chunks as they were decided on
        self._patients = patients
        self._clock = PulseClock()
        self._output: Output = ZERO
        self._chunk = chunk
        self._cutter = HopCutter(hop_samples, max(1, len(patients)))

    def turn(self) -> list[Command]:
        """One chunk further, arming once a second is over; gives what was commanded."""
        commands: list[Command] = []
        if self._patients:
            columns = [one.generate(self._chunk)[:, :1] for one in self._patients]
            emg_uv = np.hstack(columns).astype(np.float32)  # as LSL carries it
            self.emg_uv.append(emg_uv)
            for hop in self._cutter.cut(emg_uv):
                commands += self._obey(self.decider.hop(hop))
        else:
            commands += self._obey(self.decider.tick())
        for channel, pulse in self._clock.due(self.decider.t_ns):
            given = (self.decider.t_ns, channel, pulse.amplitude_ua, pulse.pulse_width_us)
            self.pulses.append(given)
            for one in self._patients:
                one.hear(one.position, pulse.amplitude_ua, pulse.pulse_width_us)
        return commands

    def arm(self) -> list[Command]:
        """An operator does."""
        return self._obey(self.decider.act(Arm(self.decider.t_ns, 1, 0)))

    def _obey(self, commands: Sequence[Command]) -> list[Command]:
        for command in commands:
            if isinstance(command, SetOutput):
                self._output = output_after(self._output, command)
                self._clock.set(self._output)
        return list(commands)


class Deaf:
    """A chain that rule 7 cannot restart, and that keeps its own thresholds."""

    def __init__(self, chain: Chain, on_nv: int, off_nv: int) -> None:
        self._chain, self._on_nv, self._off_nv = chain, (on_nv,), (off_nv,)

    def run(self, hop: object, on_nv: Sequence[int], off_nv: Sequence[int]) -> HopValues:
        """As the chain, whatever the thresholds."""
        return self._chain.run(hop, self._on_nv, self._off_nv)  # type: ignore[arg-type]

    def restart(self) -> None:
        """Not done: that is the point."""


class Outcome(NamedTuple):
    """What a run came to; seconds of sample time."""

    attempts: list[tuple[float, float]]
    trains: list[float]
    pulses: int
    trip: str

    def answered(self) -> int:
        """Attempts in which a train began."""
        return sum(any(a <= t <= b for t in self.trains) for a, b in self.attempts)

    def false(self) -> list[float]:
        """Trains that began without an attempt, and second ones within one."""
        hits = [[t for t in self.trains if a <= t <= b] for a, b in self.attempts]
        first = {times[0] for times in hits if times}
        return [t for t in self.trains if t not in first]


def run(
    spec: PatientSpec,
    settings: EngineSettings,
    seconds: float,
    *,
    rule_7: bool = True,
    most_trains: int = 2**31,
    show: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Arm after a second, and run for so long or so many trains. `rule_7=False` takes away all of the rule."""
    trains: list[float] = []

    def note(_: int, entry: object) -> None:
        if isinstance(entry, ModeChanged) and entry.after is Mode.STIMULATING:
            trains.append(entry.t_ns / NS_PER_S)
            show(len(trains))

    decider, patient = _decider(settings, note, rule_7=rule_7), VirtualPatient(spec)
    loop = Loop(decider, [patient], settings.core.hop_samples)
    while (
        patient.position < seconds * spec.rate_hz
        and len(trains) <= most_trains
        and not decider.state.trip
    ):
        loop.turn()
        if decider.state.mode is Mode.DISARMED and decider.t_ns > ARM_S * NS_PER_S:
            loop.arm()
    attempts = [(a.onset / spec.rate_hz, a.offset / spec.rate_hz) for a in patient.attempts]
    trip = decider.state.trip
    return Outcome(attempts, trains, len(loop.pulses), trip.reason.name if trip else "")


def _decider(settings: EngineSettings, note: Note, *, rule_7: bool) -> Decider[Array]:
    core: CoreSettings = settings.core
    chain = chain_of(settings)
    if rule_7 or chain is None:
        return Decider(chain, core, note)
    (muscle,) = core.muscles
    relaxed = muscle._replace(off_nv=2**60)  # always
    core = core._replace(
        muscles=(relaxed,), programme=core.programme._replace(hold_off_ns=0, relax_ns=0)
    )
    return Decider(Deaf(chain, muscle.on_nv, muscle.off_nv), core, note)
