"""`nmesd check --guard`: would the guard, and its stimulator, give what nmesd.toml asks for?"""

from pathlib import Path
from typing import Any

import pytest

from nmesd.commissioning import refusals
from nmesd.core.values import CoreSettings, Kind, Muscle, OutputSettings, Programme
from nmesd.guard.config import read_config
from nmesd.units import NS_PER_S

FILE = """\
[stimulator]
driver = "{driver}"
port = "/nowhere/tty"
channels = [1]
[electrodes]
area_cm2 = 25
[guard]
socket = "/nowhere/guard.sock"
"""
CORE = CoreSettings(
    rate_mhz=1_000_000,
    hop_samples=1,
    muscles=(Muscle(0, 2, 1, 1, 2, (OutputSettings(0, 20_000, 250),)),),
    programme=Programme(
        kind=Kind.TRIGGERED,
        period_us=28_572,
        ramp_up_ns=NS_PER_S // 2,
        plateau_ns=3 * NS_PER_S,
        ramp_down_ns=NS_PER_S // 2,
        hold_off_ns=NS_PER_S // 2,
        relax_ns=NS_PER_S // 2,
    ),
)


def asked(folder: Path, driver: str = "sciencemode4", **changes: Any) -> list[str]:
    (folder / "guard.toml").write_text(FILE.format(driver=driver))
    (muscle,) = CORE.muscles
    ours = {key: changes.pop(key) for key in list(changes) if key in OutputSettings._fields}
    output = muscle.outputs[0]._replace(**ours)
    core = CORE._replace(
        muscles=(muscle._replace(outputs=(output,)),),
        programme=CORE.programme._replace(**changes),
    )
    return refusals(core, read_config(folder / "guard.toml"))


def test_what_is_within_everything_is_not_refused(tmp_path: Path) -> None:
    assert asked(tmp_path) == []
    assert asked(tmp_path, "sciencemode2") == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amplitude_ua": 31_000}, "amplitude over the limit"),
        ({"channel": 1}, "a channel this unit may not use"),
        ({"period_us": 19_000}, "pulse rate over the limit"),
        ({"ramp_up_ns": NS_PER_S // 10}, "the amplitude rises too fast"),
        ({"plateau_ns": 15 * NS_PER_S}, "the train is too long"),
        ({"relax_ns": NS_PER_S // 10}, "too little rest before the train"),
        ({"kind": Kind.CYCLIC}, "too little rest before the train"),  # nobody has to relax
        ({"pulse_width_us": 9}, "the nearest is 10 µs"),
    ],
)
def test_each_refusal_has_its_words(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    (refused,) = asked(tmp_path, **changes)
    assert words in refused


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    assert len(asked(tmp_path, "sciencemode2", amplitude_ua=33_000, plateau_ns=20 * NS_PER_S)) == 2
    assert len(asked(tmp_path, "sciencemode2", amplitude_ua=15_000, channel=1)) == 2
