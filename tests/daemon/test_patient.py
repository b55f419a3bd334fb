"""patient.toml: muscles, thresholds, amplitudes; and what the engine gets of them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nmesd.daemon.engine_config import engine_settings
from nmesd.daemon.patient import MuscleSection, OutputSection, PatientFile
from nmesd.engine.settings import EngineSettings
from nmesd.errors import ConfigError
from nmesd.wire import CHANNELS
from tests.daemon.three import PATIENT, PROGRAMME, UNIT, errors, read


def test_the_shipped_file_shows_every_key_and_no_amplitude(repo_root: Path) -> None:
    text = (repo_root / "config" / "patient.toml").read_text()
    whole = re.sub(r"^#   ?(\w+ = )", r"# \1", text, flags=re.MULTILINE)
    for kind in (PatientFile, MuscleSection, OutputSection):
        for key in kind.model_fields:
            assert re.search(rf"^(# )?{key} = |^\[\[(muscle\.)?{key}\]\]", whole, re.MULTILINE), key
    data = tomllib.loads(text)
    assert data["muscle"][0]["output"][0]["amplitude_ma"] == 0
    assert OutputSection(channel=1).amplitude_ma == 0


def test_the_engine_gets_integers_in_their_units(tmp_path: Path) -> None:
    patient = PATIENT + "amplitude_ma = 12.3\n"
    programme = PROGRAMME + "[train]\nrate_hz = 35\nhold_off_s = 0.25\n"
    engine = engine_settings(read(tmp_path, patient=patient, programme=programme))
    core, (muscle,) = engine.core, engine.core.muscles
    assert (muscle.on_nv, muscle.off_nv, muscle.floor_nv, muscle.ceiling_nv) == (
        10_000, 7_000, 10_000, 10_000,
    )  # fmt: skip
    (output,) = muscle.outputs
    assert output == (1, 12_300, 250)  # channels are counted from 0
    assert core.programme.period_us == 28_572  # rounded up: never faster than asked for
    assert core.programme.hold_off_ns == 250_000_000
    assert core.rate_mhz == 1_000_000
    assert engine.lease_ns == 20_000_000
    assert engine.stream is not None
    assert engine.stream.columns == ("biceps",)
    assert engine.chain is not None
    assert engine.chain["rail_uv"] == 0
    rail = UNIT.replace("rate_hz = 1000", "rate_hz = 1000\nrail_uv = 187500")
    chain = engine_settings(read(tmp_path, rail)).chain
    assert chain is not None
    assert chain["rail_uv"] == 187_500
    assert EngineSettings.from_json(engine.to_json()).to_json() == engine.to_json()


TWO = """
code = "P7"
[[muscle]]
label = "biceps"
on_uv = 10
off_uv = 7
fast_ratio = 1.5
antagonist = "triceps"
veto_uv = 15
output = [{channel = 1, amplitude_ma = 10}, {channel = 2, amplitude_ma = 5}]
[[muscle]]
label = "deltoid"
on_uv = 20
off_uv = 9
output = [{channel = 3, amplitude_ma = 7}]
"""
MANY = UNIT.replace('["biceps", "triceps"]', '["deltoid", "none", "triceps", "biceps"]')


def test_each_muscle_has_its_column_threshold_and_channels(tmp_path: Path) -> None:
    engine = engine_settings(read(tmp_path, MANY, TWO))
    biceps, deltoid = engine.core.muscles
    assert engine.stream is not None
    assert engine.stream.columns == ("biceps", "deltoid", "triceps")
    assert engine.stream.channels == [3, 0, 2]
    assert (biceps.emg, biceps.antagonist, biceps.veto_nv) == (0, 2, 15_000)
    assert (deltoid.emg, deltoid.antagonist) == (1, -1)
    assert [o.channel for o in biceps.outputs] == [0, 1]
    assert [o.amplitude_ua for o in deltoid.outputs] == [7000]
    assert engine.chain is not None
    usual = tuple(speed[0] for speed in engine.chain["cusum"])
    assert engine.chain["channel_ratios"] == ((1.0, 1.5), usual, usual)


def test_a_relaxation_can_be_asked_of_the_antagonist(tmp_path: Path) -> None:
    relax = 'purpose = "x"\nkind = "relaxation"\nsession = {minutes = 9}\n'
    ours = engine_settings(read(tmp_path, MANY, TWO, relax))
    assert ours.core.muscles[0][:3] == (0, 10_000, 7_000)
    assert ours.core.muscles[0].outputs == ()  # nothing is given
    patient = TWO[: TWO.index('[[muscle]]\nlabel = "deltoid"')]
    theirs = engine_settings(
        read(tmp_path, MANY, patient, relax + 'trial = {who = "antagonist"}\n')
    )
    assert theirs.stream is not None
    assert theirs.stream.columns[theirs.core.muscles[0].emg] == "triceps"
    assert theirs.core.muscles[0].off_nv == 15_000
    with pytest.raises(ConfigError, match="relaxes the antagonist, and muscle 'deltoid' has none"):
        engine_settings(read(tmp_path, MANY, TWO, relax + 'trial = {who = "antagonist"}\n'))


def test_where_no_emg_is_heard_neither_stream_nor_threshold_is_needed(tmp_path: Path) -> None:
    unit = '[session]\nprogramme = "programme.toml"\n'
    patient = 'code = "x"\n[[muscle]]\nlabel = "calf"\noutput = [{channel = 1}, {channel = 4}]\n'
    cyclic = 'purpose = "x"\nkind = "cyclic"\nsession = {minutes = 9}\n'
    engine = engine_settings(read(tmp_path, unit, patient, cyclic))
    assert (engine.stream, engine.chain) == (None, None)
    assert [len(muscle.outputs) for muscle in engine.core.muscles] == [2]
    steps = engine_settings(read(tmp_path, unit, patient, cyclic.replace("cyclic", "steps")))
    assert [[o.channel for o in m.outputs] for m in steps.core.muscles] == [[0], [3]]
    with pytest.raises(ConfigError, match=r"hears EMG: nmesd.toml needs a \[stream\]"):
        engine_settings(read(tmp_path, unit, patient))
    with pytest.raises(ConfigError, match="muscle 'calf' has no threshold"):
        engine_settings(read(tmp_path, UNIT.replace("biceps", "calf"), patient))


ADAPT = PROGRAMME + "[adapt]\ntarget_percent = 75\nstep_percent = 10\n[trial]\ntimeout_s = 5\n"


def test_a_threshold_that_moves_needs_bounds_around_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="muscle 'biceps' has no bounds"):
        engine_settings(read(tmp_path, programme=ADAPT))

    def bounded(low: float, high: float) -> tuple[int, int]:
        bounds = f"off_uv = 7\nfloor_uv = {low}\nceiling_uv = {high}"
        patient = PATIENT.replace("off_uv = 7", bounds)
        (muscle,) = engine_settings(read(tmp_path, patient=patient, programme=ADAPT)).core.muscles
        return muscle.floor_nv, muscle.ceiling_nv

    assert bounded(8, 40) == (8000, 40_000)
    assert bounded(5, 40) == (7000, 40_000)  # never below where the muscle counts as relaxed
    for low, high in ((11, 40), (8, 9)):
        with pytest.raises(ConfigError, match="must lie between its floor"):
            bounded(low, high)


LEVELS = """
made = "2026-11-28T10:00"
operator = "A"
patient = "P7"
muscle = "biceps"
channel = 2
pulse_width_us = 250
rate_hz = 35
sensory_ma = 6
motor_ma = 11
comfort_ma = 18
"""


def test_no_amplitude_over_the_comfort_level_that_was_found(tmp_path: Path) -> None:
    def amplitude_ua(ma: float, levels: str = LEVELS) -> int:
        (tmp_path / "levels.toml").write_text(levels)
        patient = PATIENT + f'amplitude_ma = {ma}\nlevels = "levels.toml"\n'
        (muscle,) = engine_settings(read(tmp_path, patient=patient)).core.muscles
        return muscle.outputs[0].amplitude_ua

    assert amplitude_ua(18) == 18_000
    with pytest.raises(ConfigError, match="over the comfort level of 18 mA"):
        amplitude_ua(18.5)
    with pytest.raises(ConfigError, match="is of channel 3, not 2"):
        amplitude_ua(5, LEVELS.replace("channel = 2", "channel = 3"))
    with pytest.raises(ConfigError, match="below sensory_ma = 12"):
        amplitude_ua(5, LEVELS.replace("sensory_ma = 6", "sensory_ma = 12"))
    assert (
        amplitude_ua(50, LEVELS.replace("comfort_ma = 18\n", "")) == 50_000
    )  # not found, not held


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", '"20"', "true", "-0.001", "130.001"])
def test_an_amplitude_is_a_number_in_its_range_and_nothing_else(value: str, tmp_path: Path) -> None:
    (line,) = errors(tmp_path, patient=PATIENT + f"amplitude_ma = {value}\n")
    assert "muscle.0.output.0.amplitude_ma" in line


@pytest.mark.parametrize("channel", [0, CHANNELS + 1])
def test_a_channel_is_one_of_the_device_s(channel: int, tmp_path: Path) -> None:
    patient = PATIENT.replace("channel = 2", f"channel = {channel}")
    (line,) = errors(tmp_path, patient=patient)
    assert f"muscle.0.output.0.channel = {channel}" in line


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("off_uv = 7", "off_uv = 11", "off_uv = 11.0 µV must not be over on_uv = 10.0 µV"),
        ("off_uv = 7", 'off_uv = 7\nfast_ratio = 2\ncalibration = "x"', "fast_ratio = 2.0"),
        ("off_uv = 7", "off_uv = 7\nfalse_per_min = 1", "2 of on_uv, on_scales"),
        ("off_uv = 7\n", "", "needs calibration = the file"),
        ("on_uv = 10\n", "", "0 of on_uv, on_scales, on_percent_mvc, false_per_min are given"),
        ("off_uv = 7", 'off_uv = 7\nantagonist = "triceps"', "antagonist and veto_uv belong"),
        ("off_uv = 7", "off_uv = 7\nveto_uv = 9", "antagonist and veto_uv belong"),
        ("off_uv = 7", 'off_uv = 7\nveto_uv = 9\nantagonist = "biceps"', "is the muscle itself"),
        ("channel = 2", "channel = 2\n[[muscle.output]]\nchannel = 2", "channel 2 stands more than"),
        ("channel = 2", 'channel = 2\n[[muscle]]\nlabel = "biceps"', "label biceps stands more"),
        ('code = "P7"', 'code = ""', "code"),
        (PATIENT, 'code = "P7"\nmuscle = []', "there is no muscle"),
        ("channel = 2", "chanel = 2", "muscle.0.output.0.chanel"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    assert before in PATIENT
    patient = PATIENT.replace(before, after)
    assert any(said in line for line in errors(tmp_path, patient=patient))


@pytest.mark.parametrize(
    ("patient", "unit", "said"),
    [
        (PATIENT.replace("biceps", "deltoid"), UNIT, "'deltoid' of patient.toml must be one of labels"),
        (PATIENT, UNIT.replace('"triceps"', '"biceps"'), "'biceps' of patient.toml must be one of labels"),
        (PATIENT[: PATIENT.index("[[muscle.output]]")], UNIT, "has no output"),
        (
            PATIENT.replace("off_uv = 7", "off_uv = 7\nfast_ratio = 2"),
            UNIT + '[filter]\ndetector = "envelope"\n',
            "fast_ratio is of the CUSUM, detector is 'envelope'",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_unit_is_refused(
    patient: str, unit: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        engine_settings(read(tmp_path, unit, patient))


def test_with_the_envelope_as_detector_there_are_no_speeds(tmp_path: Path) -> None:
    engine = engine_settings(read(tmp_path, UNIT + '[filter]\ndetector = "envelope"\n'))
    assert engine.chain is not None
    assert (engine.chain["cusum"], engine.chain["channel_ratios"]) == ((), ())


@pytest.mark.parametrize("code", ["P7", "x", "nobody", "ab-12_C", "Anna7", "A" * 40, "SCI-C5"])
def test_a_code_is_taken(code: str) -> None:
    assert PatientFile.model_validate(person(code)).code == code


@pytest.mark.parametrize(
    "code", ["Anna", "Smith-Jones", "P_Smith", "Anna Smith", "Müller", "a.b", "", "1" * 41, "a/b"]
)
def test_a_name_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match="code"):
        PatientFile.model_validate(person(code))


def person(code: str) -> dict[str, Any]:
    return {"code": code, "muscle": [{"label": "calf", "output": [{"channel": 1}]}]}
