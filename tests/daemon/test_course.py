"""`nmesd programmes`: what there is, and one trial as the core runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmesd.core.values import Mode
from nmesd.daemon.course import HEIGHT, WIDTH, drawn, one_trial
from nmesd.daemon.programme import shipped
from nmesd.errors import ConfigError

PROGRAMMES = shipped(Path(__file__).parents[2] / "config" / "programmes")


def nmesd(*arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


@pytest.mark.parametrize("name", PROGRAMMES)
def test_one_trial_is_run_to_the_rest_after_it(name: str) -> None:
    file = PROGRAMMES[name]
    course = one_trial(file.programme())
    modes = [moment.mode for moment in course.moments]
    assert modes[0] is modes[-1] is Mode.REST
    assert (Mode.STIMULATING in modes) is file.gives_current
    assert max(moment.percent for moment in course.moments) == (100 if file.gives_current else 0)
    seconds = modes.count(Mode.STIMULATING) / 100
    train = file.train.ramp_up_s + file.train.plateau_s + file.train.ramp_down_s
    assert seconds == pytest.approx(train if file.gives_current else 0, abs=0.05)


@pytest.mark.parametrize("name", PROGRAMMES)
def test_the_drawing_fits_and_names_every_mode(name: str) -> None:
    course = one_trial(PROGRAMMES[name].programme())
    lines = drawn(course)
    assert all(len(line) <= WIDTH + 7 for line in lines)
    bars = lines[:HEIGHT]
    assert any("█" in line for line in bars) is PROGRAMMES[name].gives_current
    text = "\n".join(lines)
    assert all(mode.name in text for mode in {moment.mode for moment in course.moments})


def test_they_are_listed_and_shown() -> None:
    listed = nmesd("programmes")
    assert [line.split()[0] for line in listed.splitlines()] == list(PROGRAMMES)
    assert all(file.purpose in listed for file in PROGRAMMES.values())
    assert set(json.loads(nmesd("programmes", "--json"))) == set(PROGRAMMES)
    shown = nmesd("programmes", "show", "activation")
    assert "plateau_s = 5" in shown
    assert "cue TRY" in shown
    assert "█" in shown
    assert json.loads(nmesd("programmes", "show", "strength", "--json"))["kind"] == "cyclic"
    assert "there are activation" in nmesd("programmes", "show", "nonsense", code=2)


def test_a_folder_without_programmes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no programmes there"):
        shipped(tmp_path)
