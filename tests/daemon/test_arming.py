"""Arming names the patient and shows what will be given."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from nmesd.sim.rig import Rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    outputs = [{"channel": 1, "amplitude_ma": 18}]
    sections: dict[str, dict[str, Any]] = {
        "patient": {"code": "P7", "muscle": [{"label": "calf", "output": outputs}]},
        "programme": {
            "purpose": "x",
            "kind": "cyclic",
            "trial": {"rest_s": 60},
            "session": {"minutes": 5},
        },
    }
    with Rig(sections) as rig:
        yield rig


def arm(rig: Rig, *arguments: str, keys: str = "") -> subprocess.CompletedProcess[str]:
    if rig.status()["state"] == "TRIPPED":  # the machine stood still
        rig.ask("reset", operator="A")
    rig.wait_for("DISARMED")
    return subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "arm", "--operator", "A", "--control", rig.control_socket, *arguments],
        input=keys, capture_output=True, text=True, check=False, env={**os.environ, **rig.env},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "keys", "armed"),
    [
        ((), "P7\n", True),
        ((), "P8\n", False),
        ((), "", False),
        (("--checked",), "", True),
        (("--checked", "--patient", "P7"), "", True),
        (("--checked", "--patient", "P8"), "", False),
    ],
)
def test_the_patient_s_code_arms(
    arguments: tuple[str, ...], keys: str, armed: bool, rig: Rig
) -> None:
    done = arm(rig, *arguments, keys=keys)
    assert "programme rehearsal for patient P7" in done.stderr
    assert "18 mA on channel 1, calf" in done.stderr
    assert (done.returncode == 0) is armed, done.stdout
    assert armed or rig.status()["guard"] == "DISARMED"
    if "P8" in (*arguments, keys.strip()):
        assert "the file is of patient 'P7', not 'P8'" in done.stdout
    rig.ask("disarm", operator="A")
