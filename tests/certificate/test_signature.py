"""`--verify`: what was changed is found, wherever it is."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nmesd.certificate.signature import read
from nmesd.errors import RecordError
from tests.certificate.made_up import certificate, trip


def written(path: Path, found: dict[str, Any]) -> Path:
    path.write_text(json.dumps(found))
    return path


def test_as_it_was_made(tmp_path: Path) -> None:
    made = certificate()
    path = tmp_path / "made.json"
    path.write_text(
        json.dumps(made, indent=3, sort_keys=True)
    )  # the figures count, not how they are set
    assert read(path) == made


def change_a_figure(found: dict[str, Any]) -> None:
    found["loaded"]["stages"]["sample_to_guard"]["max_us"] -= 0.1


def change_a_count(found: dict[str, Any]) -> None:
    found["idle"]["histograms"]["guard"]["pairs"][-1][1] -= 1


def change_the_verdict(found: dict[str, Any]) -> None:
    found["loaded"]["verdict"] = "held"


def leave_out_the_unit(found: dict[str, Any]) -> None:
    del found["unit"]


def change_to_no_number(found: dict[str, Any]) -> None:
    found["loaded"]["time_to_zero_ms"] = float("nan")


@pytest.mark.parametrize(
    "change",
    [change_a_figure, change_a_count, change_the_verdict, leave_out_the_unit, change_to_no_number],
)
def test_a_change_is_found(change: Any, tmp_path: Path) -> None:
    changed = copy.deepcopy(certificate(trips=[trip()]))
    change(changed)
    with pytest.raises(RecordError, match="was changed after it was made"):
        read(written(tmp_path / "changed.json", changed))


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"sha256": "00"}'])
def test_what_is_no_certificate_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "no.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"no\.json"):
        read(path)


def test_the_command(tmp_path: Path) -> None:
    good = written(tmp_path / "good.json", certificate(trips=[trip()]))
    text = good.read_text().replace('"seconds": 60.0', '"seconds": 61.0', 1)
    (tmp_path / "bad.json").write_text(text)
    done = [
        subprocess.run(
            [sys.executable, "-m", "nmesd.cli", "certify", "--verify", str(tmp_path / name)],
            capture_output=True, text=True, check=False,
        )
        for name in ("good.json", "bad.json")
    ]  # fmt: skip
    assert [one.returncode for one in done] == [0, 2]
    assert done[0].stdout.startswith("as it was made: NOT HELD: 2 channels at 1000 Hz")
    assert "was changed" in done[1].stderr
