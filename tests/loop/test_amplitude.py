"""`nmesd amplitude`: an operator at the keyboard, a train at a time, with the real processes."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.sim.rig import Rig

PROGRAMMES = Path(__file__).parents[2] / "config" / "programmes"


@pytest.fixture
def rig() -> Iterator[Rig]:
    sections: dict[str, dict[str, Any]] = {
        "patient": {"code": "P7", "muscle": [{"label": "calf", "output": [{"channel": 1}]}]},
        "programme": {"purpose": "x", "kind": "cyclic", "session": {"minutes": 5}},
    }
    with Rig(sections, limits={"amplitude_ma": 3}) as rig:
        text = (PROGRAMMES / "amplitude.toml").read_text()
        quick = text.replace("rest_s = 2 ", "rest_s = 0.6 ").replace(
            "plateau_s = 1.5 ", "plateau_s = 0.1 "
        )
        assert quick != text
        (rig.folder / "programmes" / "amplitude.toml").write_text(quick)
        yield rig


def amplitude(rig: Rig, keys: str, *more: str) -> subprocess.CompletedProcess[str]:
    rig.wait_for("DISARMED")
    return subprocess.run(
        [
            *(sys.executable, "-m", "nmesd.cli", "amplitude", "--operator", "A", "--config"),
            *(str(rig.folder / "nmesd.toml"), "--folder", str(rig.folder / "out"), *more),
        ],
        input=keys, capture_output=True, text=True, check=False, env={**os.environ, **rig.env}, timeout=90,
    )  # fmt: skip


# Two steps, felt; no key; below that, where the motor level cannot be; up, moves; again; down, enough.
KEYS = "\n\ns\nx\n-\nm\n\n\nm\nr\n-\nc\n"


@pytest.mark.slow
def test_levels_are_found_step_by_step(rig: Rig) -> None:
    done = amplitude(rig, KEYS)
    assert done.returncode == 0, done.stderr
    (path,) = (rig.folder / "out").iterdir()
    levels = tomllib.loads(path.read_text())
    assert (levels["sensory_ma"], levels["motor_ma"], levels["comfort_ma"]) == (2, 3, 2)
    assert (levels["operator"], levels["patient"], levels["muscle"], levels["channel"]) == (
        "A", "P7", "calf", 1,
    )  # fmt: skip
    most = [pulse.amplitude_ua for pulse in rig.currents()]
    assert max(most) == 3000
    status = rig.wait_for("DISARMED")
    assert status["programme"] == "rehearsal"  # back to what nmesd.toml names
    assert path.name in done.stdout
    assert done.stderr.count("not kept: motor and comfort level cannot be below") == 1


@pytest.mark.slow
def test_what_the_guard_refuses_ends_it_and_nothing_is_left_on(rig: Rig) -> None:
    done = amplitude(rig, "\n\n\n\n\n")  # the fourth milliampere is over the guard's limit
    assert done.returncode == 2
    assert "amplitude over the limit" in done.stderr
    assert rig.wait_for("TRIPPED")["trip_reason"] == "LIMIT_AMPLITUDE"
    assert not (rig.folder / "out").exists()


@pytest.mark.slow
def test_a_keyboard_that_is_gone_ends_it_at_zero(rig: Rig) -> None:
    done = amplitude(rig, "s\n\n")  # nothing was given yet; then one train, and the end of input
    assert done.returncode == 0, done.stderr
    assert "nothing was given yet" in done.stderr
    assert rig.wait_for("DISARMED")["guard"] == "DISARMED"
    assert max(pulse.amplitude_ua for pulse in rig.currents()) == 1000


def test_a_channel_that_nobody_has_is_refused(rig: Rig) -> None:
    done = amplitude(rig, "", "--channel", "4")
    assert done.returncode == 2
    assert "channel = 4 is no output of patient.toml: there are [1]" in done.stderr
