"""`nmesd doctor`: each line is good, or says what is wrong and what to do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nmesd import doctor
from nmesd.doctor import Finding, findings
from nmesd.sim.rig import Rig
from tests.daemon.three import PROGRAMME, UNIT, write

CYCLIC = PROGRAMME.replace("triggered", "cyclic")
OWN = '[lsl]\nsession_id = "doctor"\n[control]\nsocket = "/nowhere/control.sock"\n'


def found(path: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings(path)}


def test_what_is_not_there_has_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LISTEN_S", 0.2)
    seen = found(write(tmp_path, UNIT + OWN))
    assert seen["clock"].good
    assert seen["files"].says == "programme for P7"
    assert seen["liblsl"].good
    assert not seen["stream"].good
    assert "no EMG stream found" in seen["stream"].says
    assert not seen["daemon"].good
    assert all(finding.remedy for finding in seen.values() if not finding.good)


def test_a_wrong_file_ends_it_with_its_line(tmp_path: Path) -> None:
    seen = found(write(tmp_path, UNIT.replace("rate_hz = 1000", "rate_hz = 1")))
    assert not seen["files"].good
    assert "nmesd.toml:6: stream.rate_hz = 1 Hz: must be 200 to 20000 Hz" in seen["files"].says
    assert "daemon" not in seen


def test_where_no_emg_is_heard_none_is_missed(tmp_path: Path) -> None:
    seen = found(write(tmp_path, UNIT + OWN, programme=CYCLIC))
    assert seen["stream"] == Finding("stream", good=True, says="programme hears no EMG")


@pytest.mark.parametrize(
    ("text", "good"), [("45000", True), ("79999", True), ("80000", False), ("", True), ("x", True)]
)
def test_heat_is_told(
    text: str, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "temp"
    path.write_text(text)
    monkeypatch.setattr(doctor, "THERMAL", path)
    assert doctor.temperature().good is good


@pytest.mark.parametrize(
    ("answer", "good"), [("throttled=0x0", True), ("throttled=0x50005", False), ("", False)]
)
def test_a_pi_that_was_throttled_says_so(
    answer: str, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\necho '{answer}'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert doctor.throttled().good is good


def test_a_broker_that_does_not_answer_is_told(tmp_path: Path) -> None:
    unit = UNIT + OWN + '[mqtt]\nenabled = true\nhost = "127.0.0.1"\nport = 1\ntls = false\n'
    seen = found(write(tmp_path, unit, programme=CYCLIC))
    assert not seen["broker"].good
    assert "127.0.0.1:1" in seen["broker"].says


@pytest.mark.slow
def test_a_unit_that_runs_is_good_in_every_line() -> None:
    sections: dict[str, dict[str, Any]] = {
        "patient": {"code": "P7", "muscle": [{"label": "calf", "output": [{"channel": 1}]}]},
        "programme": {"purpose": "x", "kind": "cyclic", "session": {"minutes": 5}},
    }
    with Rig(sections) as rig:
        rig.wait_for("DISARMED")
        done = subprocess.run(
            [sys.executable, "-m", "nmesd.cli", "doctor", str(rig.folder / "nmesd.toml"), "--json"],
            capture_output=True, text=True, check=False, env=rig.env,
        )  # fmt: skip
    lines = {line["name"]: line for line in json.loads(done.stdout)}
    rights = {"real-time rights", "guard's real-time rights"}  # a matter of who runs the tests
    assert [name for name, line in lines.items() if not line["good"] and name not in rights] == []
    assert {"daemon", "guard", "stimulator", "disk", "liblsl", "stream"} <= set(lines)
    assert done.returncode == (0 if all(line["good"] for line in lines.values()) else 1)
