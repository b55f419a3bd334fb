"""`nmesd demo` as a script runs it, and the record it leaves, replayed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmesd.core.values import ModeChanged
from nmesd.sessions.folder import Folder
from nmesd.sessions.story import timing
from nmesd.wire import Stage
from tests.sessions.records import with_emg, with_settings

ATTEMPTS = 4


def nmesd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nmesd.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """(result, record) of one demo."""
    folder = tmp_path_factory.mktemp("demo") / "record"
    done = nmesd("demo", "--attempts", str(ATTEMPTS), "--json", "--record", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout), folder


@pytest.fixture
def record(demo: tuple[dict[str, Any], Path], tmp_path: Path) -> Path:
    """A copy of the record, to be damaged."""
    return Path(shutil.copytree(demo[1], tmp_path / "record"))


@pytest.mark.slow
def test_it_passes_and_says_so_to_a_script(demo: tuple[dict[str, Any], Path]) -> None:
    result, _ = demo
    assert list(result) == [
        "attempts", "detected", "trains", "false_trains", "latency_ms", "time_to_zero_ms",
        "lease_ms", "trip", "trips_before", "stimulator", "passed",
    ]  # fmt: skip
    assert list(result["latency_ms"]) == ["p50", "p99", "max"]
    assert result["passed"] is True
    assert result["attempts"] == result["detected"] == result["trains"] == ATTEMPTS
    assert result["false_trains"] == 0
    assert result["trip"] == "LEASE_EXPIRED"
    assert result["stimulator"] == "NMESDEMP24"  # every pulse went through it
    assert 0 < result["time_to_zero_ms"] <= result["lease_ms"] + 5
    latency_ms = result["latency_ms"]
    assert 0 < latency_ms["p50"] <= latency_ms["p99"] <= latency_ms["max"]


@pytest.mark.slow
def test_the_record_replays_to_the_same_decisions(demo: tuple[dict[str, Any], Path]) -> None:
    result, folder = demo
    done = nmesd("replay", str(folder), "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert answer["identical"] is True
    assert answer["hops"] > 10_000
    trains = [e for _, e in Folder(folder).entries() if isinstance(e, ModeChanged)]
    # the one that is frozen for the stop comes after those counted
    assert sum(e.after.name == "STIMULATING" for e in trains) >= result["trains"]


@pytest.mark.slow
def test_the_record_says_what_it_was_made_with(demo: tuple[dict[str, Any], Path]) -> None:
    session = Folder(demo[1]).session
    assert {"nmesd", "numpy", "scipy", "pylsl"} <= set(session["versions"])
    assert "amplitude_ma = 20" in session["files"]["patient.toml"]
    assert session["operator"][0]["name"] == "demo"
    assert "firmware" in session["stimulator"][0]["name"]
    assert {path.name for path in demo[1].iterdir()} == {
        "session.toml", "events.jsonl", "session.xdf",
    }  # fmt: skip
    assert Folder(demo[1]).verify()[:2] == (True, True)


@pytest.mark.slow
def test_the_record_has_what_every_stage_took(demo: tuple[dict[str, Any], Path]) -> None:
    met = timing(Folder(demo[1]))
    assert list(met) == [stage.name.lower() for stage in Stage]
    assert met["filter"].count == met["decision"].count > 10_000  # one of each hop
    assert met["device_ack"].count > 100  # of the emulated stimulator
    whole = met["sample_to_guard"]
    assert whole.quantile_ns(0.5) > met["arrival"].quantile_ns(0.5)
    assert 0 < met["guard"].max_ns <= whole.max_ns


def raise_threshold(settings: dict[str, Any]) -> None:
    muscle = settings["core"]["muscles"][0]
    muscle["on_nv"] += muscle["on_nv"] // 10


def change_coefficient(settings: dict[str, Any]) -> None:
    settings["chain"]["envelope_sos"][0][0] *= 1.02


@pytest.mark.slow
@pytest.mark.parametrize("change", [raise_threshold, change_coefficient])
def test_other_settings_show_where_the_decisions_part(
    change: Callable[[dict[str, Any]], None], record: Path
) -> None:
    with_settings(record, change)
    done = nmesd("replay", str(record))
    assert done.returncode == 1
    assert "DIVERGED at entry" in done.stdout
    assert "recorded" in done.stdout
    assert "replayed" in done.stdout
    done = nmesd("replay", str(record), "--json")
    assert done.returncode == 1
    diverged = json.loads(done.stdout)["diverged"]
    assert diverged["recorded"] != diverged["replayed"]
    assert {"hop", "entry", "t_ns"} <= set(diverged["recorded"])
    assert "session.toml" in nmesd("verify", str(record)).stdout


@pytest.mark.slow
def test_a_record_cut_off_in_mid_frame_still_reads(record: Path) -> None:
    emg = record / "session.xdf"
    whole = sum(len(chunk.samples) for chunk in Folder(record).emg())
    data = emg.read_bytes()
    emg.write_bytes(data[: -len(data) // 10])
    cut = sum(len(chunk.samples) for chunk in Folder(record).emg())
    assert 0 < whole - cut < whole / 4
    assert nmesd("replay", str(record)).returncode in (0, 1)  # compared, not refused


@pytest.mark.slow
def test_missing_samples_are_refused(record: Path) -> None:
    first, *others = Folder(record).emg()
    with_emg(Folder(record), record / "hole", others, b'{"core":{}}')
    (record / "hole" / "session.xdf").rename(record / "session.xdf")
    done = nmesd("replay", str(record))
    assert done.returncode == 2
    assert f"samples 0 to {len(first.samples) - 1} are missing" in done.stderr
    assert done.stdout == ""
