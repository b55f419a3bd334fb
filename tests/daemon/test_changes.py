"""What may change while a session runs, and what asks for its end."""

import json
from pathlib import Path

import pytest

from nmesd.core.journal import to_ints
from nmesd.core.values import Pace, Tune
from nmesd.daemon.changes import RESTS, THRESHOLDS, changes, needs_restart, while_armed
from nmesd.daemon.engine_config import Config, load
from nmesd.errors import ConfigError
from tests.daemon.three import PATIENT, PROGRAMME, UNIT, write

LONGER = PROGRAMME + "[trial]\nrest_s = 3\ntimeout_s = 5\n"


def of(folder: Path, unit: str = UNIT, patient: str = PATIENT, programme: str = LONGER) -> Config:
    return load(write(folder, unit, patient, programme))


def test_thresholds_and_rests_go_to_the_running_engine(tmp_path: Path) -> None:
    before = of(tmp_path)
    after = of(
        tmp_path,
        patient=PATIENT.replace("on_uv = 10", "on_uv = 12").replace("off_uv = 7", "off_uv = 6"),
        programme=LONGER.replace("rest_s = 3", "rest_s = 4.5"),
    )
    found = changes(before.files, after.files)
    assert [str(change) for change in found] == [
        "patient.toml: muscle.0.on_uv 10.0 → 12.0",
        "patient.toml: muscle.0.off_uv 7.0 → 6.0",
        "programme.toml: trial.rest_s 3.0 → 4.5",
    ]
    tune = Tune(0, 0, 0, 12_000, 6_000, 12_000, 12_000, 0)  # without bounds it stays where it is
    pace = Pace(0, 0, 4_000_000_000, 0)  # the hold-off of 0.5 s is the first part of a rest
    told = json.loads(while_armed(before, after, found))
    assert told == [[code, *fields[2:]] for code, fields in (to_ints(tune), to_ints(pace))]


def test_the_same_files_are_no_change(tmp_path: Path) -> None:
    before, after = of(tmp_path), of(tmp_path)
    assert changes(before.files, after.files) == ()
    assert while_armed(before, after, ()) == b""


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("unit", "rate_hz = 1000", "rate_hz = 2000", "nmesd.toml: stream.rate_hz 1000.0 → 2000.0"),
        ("unit", '"triceps"]', '"flexor"]', "nmesd.toml: stream.labels"),
        ("patient", '"P7"', '"P8"', "patient.toml: code P7 → P8"),
        ("patient", "channel = 2", "channel = 3", "patient.toml: muscle.0.output.0.channel 2 → 3"),
        ("patient", "channel = 2", "channel = 2\namplitude_ma = 9", "output.0.amplitude_ma 0.0 → 9.0"),
        ("programme", "timeout_s = 5", "timeout_s = 6", "programme.toml: trial.timeout_s 5.0 → 6.0"),
        ("programme", '"x"', '"y"', "programme.toml: purpose x → y"),
    ],
)  # fmt: skip
def test_everything_else_asks_for_a_disarm(
    name: str, old: str, new: str, says: str, tmp_path: Path
) -> None:
    texts = {"unit": UNIT, "patient": PATIENT, "programme": LONGER}
    before = of(tmp_path, **texts)
    assert old in texts[name]
    after = of(tmp_path, **{**texts, name: texts[name].replace(old, new)})
    found = changes(before.files, after.files)
    with pytest.raises(ConfigError) as refused:
        while_armed(before, after, found)
    assert says in str(refused.value)
    assert "`nmesd disarm` first" in str(refused.value)
    for key in (*THRESHOLDS, *RESTS):
        assert key in str(refused.value)
    needs_restart(found)  # but no restart


def test_another_muscle_is_no_matter_of_thresholds(tmp_path: Path) -> None:
    before = of(tmp_path)
    more = (
        PATIENT + '[[muscle]]\nlabel = "triceps"\non_uv = 9\noff_uv = 5\noutput = [{channel = 1}]\n'
    )
    after = of(tmp_path, patient=more)
    with pytest.raises(ConfigError, match=r"muscle\.1\.label None → triceps"):
        while_armed(before, after, changes(before.files, after.files))


@pytest.mark.parametrize("section", ["control", "lsl", "mqtt"])
def test_what_the_daemon_takes_up_when_it_starts(section: str, tmp_path: Path) -> None:
    key = {
        "control": 'socket = "x.sock"',
        "lsl": 'session_id = "another"',
        "mqtt": 'unit = "another"',
    }
    before = of(tmp_path)
    after = of(tmp_path, unit=f"{UNIT}\n[{section}]\n{key[section]}\n")
    with pytest.raises(ConfigError, match="restart nmesd instead"):
        needs_restart(changes(before.files, after.files))
