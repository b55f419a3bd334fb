"""`nmesd certify` as a script runs it, on a unit whose stream is not the example's. No absolute time is judged."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nmesd.certificate.signature import checksum
from nmesd.certificate.verdict import judge
from tests.certificate.files import write

SECONDS = "3"
MARK = f"by-test-{os.getpid()}"  # every process of it has this in its environment
STAGES = [
    "arrival", "filter", "decision", "lease_write", "guard", "device_write", "device_ack", "sample_to_guard",
]  # fmt: skip
FIGURES = ["p50_us", "p99_us", "p999_us", "max_us"]


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its files."""
    folder = tmp_path_factory.mktemp("unit")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def done(unit: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "nmesd.cli", "certify", str(unit / "nmesd.toml")),
            *("--device", "p24", "--seconds", SECONDS, "--json", "--html", str(unit / "page.html")),
        ],
        capture_output=True, text=True, check=False, timeout=280, env={**os.environ, "CERTIFIED": MARK},
    )  # fmt: skip


@pytest.fixture(scope="module")
def certificate(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)  # the first of them runs it
@pytest.mark.parametrize("name", ["idle", "loaded"])
def test_every_stage_was_met_and_is_in_order(certificate: dict[str, Any], name: str) -> None:
    part = certificate[name]
    assert list(part["stages"]) == STAGES  # an emulated P24 answers
    for figures in part["stages"].values():
        assert list(figures) == FIGURES
        assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["p999_us"] <= figures["max_us"]
    assert part["counts"]["filter"] > 0.5 * float(SECONDS) * 500  # 500 Hz: a hop is a sample
    assert part["stages"]["sample_to_guard"]["p50_us"] > part["stages"]["filter"]["p50_us"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["idle", "loaded"])
def test_the_verdict_is_that_of_the_figures(certificate: dict[str, Any], name: str) -> None:
    part = certificate[name]
    verdict = judge(part, certificate["unit"]["lease_ms"])
    assert (part["verdict"], part["reasons"], part["notes"]) == (verdict.word, *verdict)
    assert part["cpu_pct"] == pytest.approx(
        sum(one["cpu_pct"] for one in part["processes"].values()), abs=0.1
    )
    assert part["rss_mb"] > 0 < part["ready_s"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_exit_code_is_the_verdict(
    done: subprocess.CompletedProcess[str], certificate: dict[str, Any]
) -> None:
    held = all(certificate[name]["verdict"] == "held" for name in ("idle", "loaded"))
    assert done.returncode == (0 if held else 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_load_was_there(certificate: dict[str, Any]) -> None:
    said = "\n".join(certificate["loaded"]["load"])
    for kind in ("core", "disk", "MQTT", "monitor"):
        assert kind in said
    assert certificate["idle"]["load"] == ["nothing beside the session itself"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_is_of_this_unit_and_is_as_it_was_made(certificate: dict[str, Any], unit: Path) -> None:
    of = certificate["unit"]
    assert (of["channels"], of["rate_hz"], of["device"], of["lease_ms"]) == (4, 500, "p24", 20)
    assert set(of["files_sha256"]) == {
        "nmesd.toml", "patient.toml", "activation.toml", "guard.toml",
    }  # fmt: skip
    assert certificate["sha256"] == checksum(certificate)
    assert certificate["sha256"] in (unit / "page.html").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_left_behind(done: subprocess.CompletedProcess[str], unit: Path) -> None:
    assert sorted(path.name for path in unit.iterdir()) == [
        "guard.toml", "nmesd.toml", "page.html", "patient.toml", "programmes",
    ]  # fmt: skip
    assert [path for path in Path("/proc").glob("[0-9]*") if MARK in environment(path)] == []


def environment(path: Path) -> str:
    """Of a process; empty for one that has ended."""
    try:
        return (path / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
