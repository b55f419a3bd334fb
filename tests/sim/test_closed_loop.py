"""The loop closed in sample time, as fast as it goes: patient -> chain -> decider -> pulses -> patient.

The stimulator's artefact and M-wave are in the very EMG that is decided on. Rule 7 is all that keeps
the loop from answering itself, and the last test takes it away to show so.
"""

import pytest

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.daemon.engine_config import engine_settings
from nmesd.engine.settings import EngineSettings
from nmesd.sim.sample_time import run
from nmesd.sim.session_files import files_of, one_muscle
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient

Keys = dict[str, float]


def settings_with(train: Keys) -> EngineSettings:
    stream = {"name": "x", "rate_hz": 1000, "labels": ["x"]}
    return engine_settings(
        files_of({"stream": stream, **one_muscle("x", {"on_uv": 7, "off_uv": 5.5}, train)})
    )


# A programme's defaults, and the least it allows (nmesd.daemon.programme).
SHIPPED: Keys = {"amplitude_ma": 20}
SHORTEST: Keys = {
    "amplitude_ma": 20,
    "ramp_up_s": 0.2,
    "plateau_s": 0.5,
    "ramp_down_s": 0.2,
    "hold_off_s": 0.25,
    "relax_s": 0.1,
}
ABRUPT: Keys = {**SHORTEST, "ramp_up_s": 0, "ramp_down_s": 0, "amplitude_ma": 30}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("train", "interval_s", "seconds"),
    [(SHIPPED, 12.0, 185), (SHORTEST, 4.0, 80), (ABRUPT, 4.0, 80)],
    ids=["shipped", "shortest", "abrupt"],
)
def test_only_attempts_give_trains(
    seed: int, train: Keys, interval_s: float, seconds: float
) -> None:
    spec = PatientSpec(seed=seed, interval_s=interval_s, interval_jitter_s=0.5)
    outcome = run(spec, settings_with(train), seconds)
    assert len(outcome.attempts) >= 14
    assert outcome.false() == []
    assert (
        len(outcome.trains) == outcome.answered() >= len(outcome.attempts) - 1
    )  # the last may be cut off
    assert outcome.pulses > 10 * len(outcome.trains)


def test_without_rule_7_one_attempt_is_answered_for_ever() -> None:
    spec = PatientSpec(seed=1, first_attempt_s=3.0, interval_s=60.0, defer_after_pulse_s=0.0)
    with_rule = run(spec, settings_with(ABRUPT), 30)
    without = run(spec, settings_with(ABRUPT), 30, rule_7=False)
    assert len(with_rule.attempts) == len(with_rule.trains) == 1
    assert len(without.attempts) == 1
    assert len(without.trains) > 20
    # one train after the other: the loop hears itself and never stops
    assert without.trains[-1] > 28


def test_before_the_first_attempt_the_loop_without_rule_7_is_quiet() -> None:
    """So it is the train that triggers the next, and not the rest."""
    spec = PatientSpec(seed=1, first_attempt_s=20.0)
    assert run(spec, settings_with(SHORTEST), 19, rule_7=False).trains == []


def test_a_train_would_be_an_attempt_if_it_were_listened_to() -> None:
    """The patient's answer to pulses is well over the threshold: these tests have something to fail on."""
    spec = PatientSpec(seed=1, first_attempt_s=60.0)
    patient = VirtualPatient(spec)
    settings = settings_with(SHORTEST)
    assert settings.chain is not None
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
