"""A session as BIDS: the official validator accepts it, and what is read back is what was recorded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nmesd.cli.commands import app
from nmesd.core.values import SetOutput, TrialDone
from nmesd.errors import ConfigError, RecordError
from nmesd.sessions.bids import FACTS, export
from nmesd.sessions.folder import Folder, Writer
from nmesd.sim.spec import PatientSpec
from nmesd.wire import Raw
from tests.sessions.recorded import RATE_HZ, files_in, rehearsed
from tests.sessions.test_report import COURSE, MUSCLE

SPEC = PatientSpec(rate_hz=RATE_HZ, attempt_db=14.0, duration_s=1.8)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = tmp_path_factory.mktemp("rehearsed")
    files = files_in(folder / "files", MUSCLE, {**COURSE, "session": {"trials": 3}})
    return rehearsed(folder / "s", files, SPEC, "2026-03-02T09:30:00+00:00")


def table(path: Path) -> list[dict[str, str]]:
    head, *lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(head, line, strict=True)) for line in lines]


def only(out: Path, pattern: str) -> Path:
    (path,) = out.rglob(pattern)
    return path


def test_the_samples_come_back(session: Folder, tmp_path: Path) -> None:
    import edfio

    export(session, tmp_path, {})
    recorded = np.concatenate([chunk.samples for chunk in session.emg()])[:, 0]
    file = edfio.read_bdf(only(tmp_path, "*_emg.bdf"))
    (signal,) = file.signals
    assert (signal.label, signal.physical_dimension) == ("muscle", "uV")
    assert signal.sampling_frequency == RATE_HZ
    low, high = signal.physical_range
    step = (high - low) / 2**24
    np.testing.assert_allclose(signal.data[: len(recorded)], recorded, atol=step)
    sidecar = json.loads(only(tmp_path, "*_emg.json").read_text())
    assert sidecar["RecordingDuration"] == pytest.approx(len(recorded) / RATE_HZ)
    padding = [
        row for row in table(only(tmp_path, "*_events.tsv")) if row["trial_type"] == "padding"
    ]
    left = len(signal.data) - len(recorded)
    assert sum(float(row["duration"]) for row in padding) == pytest.approx(left / RATE_HZ)


def test_the_events_are_those_of_the_journal(session: Folder, tmp_path: Path) -> None:
    export(session, tmp_path, {})
    rows = table(only(tmp_path, "*_events.tsv"))
    done = [(hop, entry) for hop, entry in session.entries() if isinstance(entry, TrialDone)]
    trials = [row for row in rows if row["trial_type"] == "trial"]
    assert [row["outcome"] for row in trials] == [entry.outcome.name.lower() for _, entry in done]
    for row, (hop, _) in zip(trials, done, strict=True):
        assert float(row["onset"]) + float(row["duration"]) == pytest.approx(hop / RATE_HZ)
    given = [entry.amplitude_ua for _, entry in session.entries() if isinstance(entry, SetOutput)]
    current = [row for row in rows if row["trial_type"] == "current"]
    assert [float(row["amplitude"]) for row in current] == [ua / 1000 for ua in given if ua]
    assert all(float(row["duration"]) > 0 for row in current)
    onsets = [float(row["onset"]) for row in rows]
    assert onsets == sorted(onsets)


@pytest.mark.parametrize("facts", [{}, dict.fromkeys(FACTS, "x")], ids=["no facts", "all facts"])
def test_the_validator_accepts_it(session: Folder, tmp_path: Path, facts: dict[str, str]) -> None:
    program = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no bids-validator-deno beside this Python: pip install bids-validator-deno")
    export(session, tmp_path, {**facts, "EMGPlacementScheme": "Other"})
    done = subprocess.run(
        [program, str(tmp_path), "--format", "json"], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)["issues"]["issues"]
    errors = [issue for issue in found if issue["severity"] == "error"]
    assert errors == []
    assert done.returncode == 0
    # It does look: a dataset with a required field left out is refused.
    sidecar = only(tmp_path, "*_emg.json")
    values = json.loads(sidecar.read_text())
    del values["EMGReference"]
    sidecar.write_text(json.dumps(values))
    again = subprocess.run(
        [program, str(tmp_path), "--format", "json"], capture_output=True, text=True, check=False
    )
    assert "EMGReference" in again.stdout
    assert again.returncode != 0


def test_what_is_not_known_is_told_and_can_be_said(session: Folder, tmp_path: Path) -> None:
    args = ["export", "--bids", str(session.path), str(tmp_path / "a")]
    said = CliRunner().invoke(app, args, catch_exceptions=False).stdout
    assert "EMGReference is n/a: say --fact EMGReference=" in said
    args[-1] = str(tmp_path / "b")
    args += [
        "--fact",
        "EMGReference=right patella",
        "--fact",
        "EMGPlacementSchemeDescription=SENIAM",
    ]
    done = CliRunner().invoke(app, [*args, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["unknown"] == []
    sidecar = json.loads(only(tmp_path / "b", "*_emg.json").read_text())
    assert sidecar["EMGReference"] == "right patella"


def test_a_break_of_the_stream_makes_a_second_run(session: Folder, tmp_path: Path) -> None:
    settings = json.dumps(session.settings).encode()
    with Writer(tmp_path / "s", session.session, settings) as writer:
        for epoch, first in ((1, 0), (1, 300), (2, 600)):
            emg = np.arange(first, first + 300, dtype=np.float32)
            if epoch == 2:
                emg[7:9] = np.nan
            writer.raw(
                Raw(epoch, first, 300, 1, 0, np.zeros(300, np.int64).tobytes() + emg.tobytes())
            )
    export(Folder(tmp_path / "s"), tmp_path / "out", {})
    assert len(list((tmp_path / "out").rglob("*_emg.bdf"))) == 2
    rows = table(only(tmp_path / "out", "*_run-02_events.tsv"))
    (bad,) = [row for row in rows if row["trial_type"] == "not_finite"]
    assert (float(bad["onset"]), float(bad["duration"])) == (7 / RATE_HZ, 2 / RATE_HZ)


def test_nothing_is_written_over_and_a_second_session_is_added(
    session: Folder, tmp_path: Path
) -> None:
    export(session, tmp_path, {})
    with pytest.raises(RecordError, match="is there already"):
        export(session, tmp_path, {})
    session.session["started"] = "2026-03-09T09:30:00+00:00"
    export(session, tmp_path, {})
    assert len(table(tmp_path / "participants.tsv")) == 1
    assert len(list(tmp_path.rglob("*_emg.bdf"))) == 2
    session.session["started"] = "2026-03-02T09:30:00+00:00"


def test_a_fact_that_is_none_is_said_so(session: Folder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=FACTS[0]):
        export(session, tmp_path, {"EMGRefrence": "x"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate_mhz", [2_148_148, 250_000, 1_925_926])
def test_rates_that_are_not_whole_come_back_to_a_millionth(
    session: Folder, tmp_path: Path, rate_mhz: int
) -> None:
    import edfio

    settings = json.loads(json.dumps(session.settings))
    settings["stream"]["rate_mhz"] = settings["core"]["rate_mhz"] = rate_mhz
    emg = np.random.default_rng(1).normal(77_000, 30, 5000).astype(np.float32)
    with Writer(tmp_path / "s", session.session, json.dumps(settings).encode()) as writer:
        payload = np.zeros(5000, np.int64).tobytes() + emg.tobytes()
        writer.raw(Raw(1, 0, 5000, 1, 0, payload))
    export(Folder(tmp_path / "s"), tmp_path / "out", {})
    (signal,) = edfio.read_bdf(only(tmp_path / "out", "*_emg.bdf")).signals
    assert signal.sampling_frequency == pytest.approx(rate_mhz / 1000, rel=1e-6)
    np.testing.assert_allclose(signal.data[:5000], emg, atol=1e-3)
