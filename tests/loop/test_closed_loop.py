"""The loop closed in sample time, as fast as it goes: patient -> chain -> decider -> pulses -> patient.

The stimulator's artefact and M-wave are in the very EMG that is decided on. Rule 7 is all that keeps
the loop from answering itself, and the last test takes it away to show so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from dsp.chain import Chain, HopValues
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.core.decider import Decider
from nmesd.core.values import Arm, CoreSettings, Mode, ModeChanged, SetOutput
from nmesd.daemon.settings import (
    DaemonSettings,
    StreamSection,
    ThresholdSection,
    TrainSection,
    engine_settings,
)
from nmesd.drivers.pulses import PulseClock
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_S
from nmesd.wire import ZERO, ChannelOutput

CHUNK = 4  # samples: what is heard of a pulse comes at the earliest with the next chunk, as live
ARM_S = 1.0


class Deaf:
    """A chain that rule 7 cannot restart, and that keeps its own thresholds."""

    def __init__(self, chain: Chain, on_nv: int, off_nv: int) -> None:
        self._chain, self._on_nv, self._off_nv = chain, (on_nv,), (off_nv,)

    def run(self, hop: object, on_nv: Sequence[int], off_nv: Sequence[int]) -> HopValues:
        return self._chain.run(hop, self._on_nv, self._off_nv)  # type: ignore[arg-type]

    def restart(self) -> None:
        """Not done: that is the point."""


class Outcome(NamedTuple):
    """What a run came to; seconds of sample time."""

    attempts: list[tuple[float, float]]
    trains: list[float]
    pulses: int

    def answered(self) -> int:
        return sum(any(a <= t <= b for t in self.trains) for a, b in self.attempts)

    def false(self) -> list[float]:
        return [t for t in self.trains if not any(a <= t <= b for a, b in self.attempts)]


def run(spec: PatientSpec, train: TrainSection, seconds: float, *, rule_7: bool = True) -> Outcome:
    settings = engine_settings(
        DaemonSettings(
            stream=StreamSection(name="x", rate_hz=spec.rate_hz, labels=("x",), muscle="x"),
            threshold=ThresholdSection(on_uv=7, off_uv=5.5),
            train=train,
        )
    )
    coefficients = ChainCoefficients.from_dict(settings.chain)
    chain: Chain | Deaf = Chain(coefficients, 1)
    core: CoreSettings = settings.core
    if not rule_7:
        chain = Deaf(Chain(coefficients, 1), core.on_nv, core.off_nv)
        core = core._replace(hold_off_ns=0, relax_ns=0, off_nv=2**60)  # always "relaxed"
    trains: list[float] = []

    def note(_: int, entry: object) -> None:
        if isinstance(entry, ModeChanged) and entry.after is Mode.STIMULATING:
            trains.append(entry.t_ns / NS_PER_S)

    decider = Decider(chain, core, note)
    patient, clock, cutter = VirtualPatient(spec), PulseClock(), HopCutter(core.hop_samples, 1)
    pulses = 0
    while patient.position < seconds * spec.rate_hz:
        for hop in cutter.cut(patient.generate(CHUNK)[:, :1]):
            for command in decider.hop(hop):
                if isinstance(command, SetOutput):
                    one = ChannelOutput(
                        command.amplitude_ua, command.pulse_width_us, command.period_us
                    )
                    clock.set((one, *ZERO[1:]) if command.amplitude_ua else ZERO)
        if decider.state.mode is Mode.DISARMED and decider.t_ns > ARM_S * NS_PER_S:
            decider.act(Arm(decider.t_ns, 1, 0))
        for _, pulse in clock.due(decider.t_ns):
            pulses += 1
            patient.hear(patient.position, pulse.amplitude_ua, pulse.pulse_width_us)
    attempts = [(a.onset / spec.rate_hz, a.offset / spec.rate_hz) for a in patient.attempts]
    return Outcome(attempts, trains, pulses)


# The operator's file as shipped, and the least it allows (nmesd.daemon.settings).
SHIPPED = TrainSection(amplitude_ma=20)
SHORTEST = TrainSection(
    amplitude_ma=20, ramp_up_s=0.2, plateau_s=0.5, ramp_down_s=0.2, hold_off_s=0.25, relax_s=0.1
)
ABRUPT = SHORTEST.model_copy(update={"ramp_up_s": 0.0, "ramp_down_s": 0.0, "amplitude_ma": 30.0})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("train", "interval_s", "seconds"),
    [(SHIPPED, 10.0, 155), (SHORTEST, 4.0, 80), (ABRUPT, 4.0, 80)],
    ids=["shipped", "shortest", "abrupt"],
)
def test_only_attempts_give_trains(
    seed: int, train: TrainSection, interval_s: float, seconds: float
) -> None:
    spec = PatientSpec(seed=seed, interval_s=interval_s, interval_jitter_s=0.5)
    outcome = run(spec, train, seconds)
    assert len(outcome.attempts) >= 14
    assert outcome.false() == []
    assert (
        len(outcome.trains) == outcome.answered() >= len(outcome.attempts) - 1
    )  # the last may be cut off
    assert outcome.pulses > 10 * len(outcome.trains)


def test_without_rule_7_one_attempt_is_answered_for_ever() -> None:
    spec = PatientSpec(seed=1, first_attempt_s=3.0, interval_s=60.0, defer_after_pulse_s=0.0)
    with_rule = run(spec, ABRUPT, 30)
    without = run(spec, ABRUPT, 30, rule_7=False)
    assert len(with_rule.attempts) == len(with_rule.trains) == 1
    assert len(without.attempts) == 1
    assert len(without.trains) > 20
    # one train after the other: the loop hears itself and never stops
    assert without.trains[-1] > 28


def test_before_the_first_attempt_the_loop_without_rule_7_is_quiet() -> None:
    """So it is the train that triggers the next, and not the rest."""
    spec = PatientSpec(seed=1, first_attempt_s=20.0)
    assert run(spec, SHORTEST, 19, rule_7=False).trains == []


def test_a_train_would_be_an_attempt_if_it_were_listened_to() -> None:
    """The patient's answer to pulses is well over the threshold: these tests have something to fail on."""
    spec = PatientSpec(seed=1, first_attempt_s=60.0)
    patient = VirtualPatient(spec)
    settings = engine_settings(
        DaemonSettings(
            stream=StreamSection(name="x", rate_hz=1000, labels=("x",), muscle="x"),
            threshold=ThresholdSection(on_uv=7, off_uv=5.5),
        )
    )
    coefficients = ChainCoefficients.from_dict(settings.chain)
    chain, cutter = Chain(coefficients, 1), HopCutter(coefficients.hop_samples, 1)
    envelope_uv: list[float] = []
    for _ in range(100):
        patient.hear(patient.position, 5_000, 250)
        envelope_uv += [
            chain.run(hop, (7000,), (5500,)).envelope_nv[0] / 1000
            for hop in cutter.cut(patient.generate(28)[:, :1])
        ]
    assert min(envelope_uv[1000:]) > 10 * 7
