"""The loop closed in sample time, as fast as it goes: patient -> chain -> decider -> pulses -> patient.

No clock, process, stream or guard: what is decided here is decided by the very code that runs live, on EMG that
has the stimulator's artefact and the M-wave in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from dsp.blocks import Array
from dsp.chain import Chain, HopValues
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.core.decider import Decider
from nmesd.core.values import Arm, CoreSettings, Mode, ModeChanged, SetOutput
from nmesd.drivers.pulses import PulseClock
from nmesd.engine.settings import EngineSettings
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_S
from nmesd.wire import ZERO, ChannelOutput

CHUNK: Final = (
    4  # samples: what is heard of a pulse comes at the earliest with the next chunk, as live
)
ARM_S: Final = 1.0


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

    decider = _decider(settings, note, rule_7=rule_7)
    patient, clock, cutter = (
        VirtualPatient(spec),
        PulseClock(),
        HopCutter(settings.core.hop_samples, 1),
    )
    pulses = 0
    while (
        patient.position < seconds * spec.rate_hz
        and len(trains) <= most_trains
        and not decider.state.trip
    ):
        for hop in cutter.cut(patient.generate(CHUNK)[:, :1]):
            _obey(clock, decider.hop(hop))
        if decider.state.mode is Mode.DISARMED and decider.t_ns > ARM_S * NS_PER_S:
            decider.act(Arm(decider.t_ns, 1, 0))
        for _, pulse in clock.due(decider.t_ns):
            pulses += 1
            patient.hear(patient.position, pulse.amplitude_ua, pulse.pulse_width_us)
    attempts = [(a.onset / spec.rate_hz, a.offset / spec.rate_hz) for a in patient.attempts]
    trip = decider.state.trip
    return Outcome(attempts, trains, pulses, trip.reason.name if trip else "")


def _decider(
    settings: EngineSettings, note: Callable[[int, object], None], *, rule_7: bool
) -> Decider[Array]:
    core: CoreSettings = settings.core
    chain = Chain(ChainCoefficients.from_dict(settings.chain), 1)
    if rule_7:
        return Decider(chain, core, note)
    core = core._replace(hold_off_ns=0, relax_ns=0, off_nv=2**60)  # always "relaxed"
    return Decider(Deaf(chain, settings.core.on_nv, settings.core.off_nv), core, note)


def _obey(clock: PulseClock, commands: Sequence[object]) -> None:
    for command in commands:
        if isinstance(command, SetOutput):
            one = ChannelOutput(command.amplitude_ua, command.pulse_width_us, command.period_us)
            clock.set((one, *ZERO[1:]) if command.amplitude_ua else ZERO)
