"""Other settings on recorded sessions: judged as they would have decided, and the best ones found."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dsp.coefficients import ChainCoefficients
from nmesd.cli.commands import app
from nmesd.core.values import Outcome
from nmesd.daemon.engine_config import load
from nmesd.daemon.suggesting import suggestion, write
from nmesd.daemon.tuning import Grid, base_of, candidates
from nmesd.errors import ConfigError, RecordError
from nmesd.sessions.asked import asks, heard
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.judge import Level, judge, judge_live
from nmesd.sessions.sweep import Candidate, best, cluster, cores, sweep
from nmesd.sessions.trials import trials_of
from tests.sessions.recorded import BIOFEEDBACK, RATE_HZ, Array, by_hand, files_in, lived, record

HARD = {"on_uv": 17, "off_uv": 11}
REST, ASKED, TRIALS = 320, 240, 2


def reacts(hop: int, asked: int) -> float:
    """Tries at 20 µV, a quarter of a second after the cue."""
    return 20.0 * (asked > 50)


def sometimes(hop: int, asked: int) -> float:
    """The same in every second five seconds."""
    return reacts(hop, asked) * (hop // 1000 % 2 == 0)


@pytest.fixture(scope="module")
def biofeedback(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = tmp_path_factory.mktemp("lived")
    course = {**BIOFEEDBACK, "session": {"trials": 8}}
    files = files_in(folder / "files", {"on_uv": 8, "off_uv": 6}, course)
    return lived(folder / "session", files, sometimes, 45)


@pytest.mark.parametrize("live", [True, False])
def test_the_recorded_settings_come_to_what_was_recorded(
    biofeedback: Folder, *, live: bool
) -> None:
    done = trials_of(biofeedback)
    outcomes = [trial.outcome for trial in done]
    assert {Outcome.SUCCESS, Outcome.MISS} == set(outcomes)  # there is something to compare
    session = heard(biofeedback)
    chain, level = ChainCoefficients.from_dict(session.chain), Level(on_uv=8, off_uv=6)
    score = judge_live(session, chain, 0, level) if live else judge(session, chain, 0, [level])[0]
    assert (score.success, score.miss, score.unknown) == (
        outcomes.count(Outcome.SUCCESS), outcomes.count(Outcome.MISS), 0,
    )  # fmt: skip
    wanted = [trial.latency_ns / 1e9 for trial in done if trial.outcome is Outcome.SUCCESS]
    assert score.latencies_s == pytest.approx(wanted)
    assert score.false == 0
    assert 0 < score.listened_s < 45


def test_the_quick_way_comes_to_what_the_live_code_decides(tmp_path: Path) -> None:
    files = files_in(tmp_path / "files", HARD)
    folder = record(tmp_path / "s", files, planted(3), by_hand(TRIALS, REST, ASKED))
    session, base = heard(folder), base_of([folder.path], None, "")
    _, tried = candidates(base, Grid(envelopes=("rms:100", "lowpass:8"), on_uv=(4.3, 8.5, 12.0)))
    assert len(tried) == 3
    for one in tried:
        quick = judge(session, one.coefficients, 0, one.levels)
        assert quick == [judge_live(session, one.coefficients, 0, level) for level in one.levels]
        assert any(score.false or score.success for score in quick)


def with_current(folder: Path, on_uv: float) -> Folder:
    """Each attempt is answered by a train."""
    course = {
        "purpose": "x", "kind": "triggered", "trial": {"rest_s": 2, "relax_s": 0.2, "timeout_s": 2},
        "train": {"ramp_up_s": 0.1, "plateau_s": 0.3, "ramp_down_s": 0.1, "hold_off_s": 0.25},
        "session": {"trials": 5},
    }  # fmt: skip
    output = {"output": [{"channel": 1, "amplitude_ma": 10}]}
    files = files_in(folder / "files", {"on_uv": on_uv, "off_uv": 6, **output}, course)
    return lived(folder / "session", files, reacts, 25)


def test_what_current_cut_short_is_unknown_and_not_chosen(tmp_path: Path) -> None:
    folder = with_current(tmp_path, 8)
    assert [trial.outcome for trial in trials_of(folder)] == [Outcome.SUCCESS] * 5
    session = heard(folder)
    chain = ChainCoefficients.from_dict(session.chain)
    same, slower = judge(session, chain, 0, [Level(on_uv=8, off_uv=6), Level(on_uv=40, off_uv=6)])
    # At the very hop of the decision the current begins: it is known up to there.
    assert (same.success, same.unknown) == (5, 0)
    assert (slower.success, slower.miss, slower.unknown) == (0, 0, 5)
    base = base_of([folder.path], None, "")
    _, tried = candidates(base, Grid(detectors=("cusum",), on_uv=(40.0,)))
    with ThreadPoolExecutor(1) as executor, pytest.raises(RecordError, match="biofeedback"):
        best(sweep(executor, [folder.path], tried, 0), 1.0)


def planted(seed: int) -> Array:
    """Rest of 2 µV with jerks of 6 µV that last half a second, and spikes of 30 µV; attempts of 10 µV."""
    rng = np.random.default_rng(seed)
    emg = rng.normal(0, 2, RATE_HZ + TRIALS * (REST + ASKED) + 200)
    for trial in range(TRIALS):
        rest = RATE_HZ + trial * (REST + ASKED)
        emg[rest + 130 : rest + 190] = rng.normal(0, 5, 60)
        emg[rest + 270 : rest + 272] = (30, -30)
        try_at = rest + REST + int(rng.integers(30, 60))
        emg[try_at : try_at + 150] = rng.normal(0, 10.5, 150)
    return emg


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_of_a_hundred_sessions_the_planted_settings_are_found(tmp_path: Path) -> None:
    files = files_in(tmp_path / "files", HARD)
    journal = by_hand(TRIALS, REST, ASKED)
    folders = [
        record(tmp_path / f"s{seed:03}", files, planted(seed), journal).path for seed in range(100)
    ]
    base = base_of(folders, None, "")
    grid = Grid(envelopes=("rms:100", "rms:200"), on_uv=(4.3, 6.0, 8.5, 12.0))
    bands, tried = candidates(base, grid)
    shares: list[float] = []
    with cores(2) as executor:
        scores = sweep(executor, folders, tried, base.number, shares.append)
    assert shares[-1] == 1.0
    chosen = best(scores, 1.0)
    band = bands[chosen.candidate]
    assert (band.detector, band.envelope, band.rms_window_ms) == ("envelope", "rms", 200)
    assert chosen.level.on_uv == 8.5
    assert chosen.score.asked == 100 * TRIALS
    found = suggestion(base, band, chosen)
    assert "on_uv = 8.5" in found.diff
    assert not found.complaint
    config = load(write(base, found, tmp_path / "suggested"))  # what `nmesd check` reads
    assert config.files.settings.filter == band
    assert config.files.patient.muscle[0].on_uv == 8.5


def test_the_command_writes_table_picture_and_files_that_check_accepts(
    biofeedback: Folder, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    args = ["tune", str(biofeedback.path.parent), "--out", str(out), "--jobs", "1", "--json"]
    args += ["--detector", "cusum", "--on-uv", "6", "--on-uv", "60"]
    done = CliRunner().invoke(app, args, catch_exceptions=False)
    told = json.loads(done.stdout)
    assert (told["sessions"], told["muscle"], told["complaint"]) == (1, "muscle", "")
    assert told["suggested"]["on_uv"] == 6
    assert [row["success"] for row in told["tried"]] == [told["recorded"]["success"], 0]
    assert (out / "tune.png").read_bytes()[:4] == b"\x89PNG"
    assert len((out / "tune.csv").read_text().splitlines()) == 3
    check = ["check", str(out / "suggested" / "nmesd.toml")]
    assert CliRunner().invoke(app, check, catch_exceptions=False).exit_code == 0


def test_a_comment_in_a_file_stays(biofeedback: Folder, tmp_path: Path) -> None:
    config = tmp_path / "nmesd.toml"
    patient = (
        '# mine\ncode = "x"\n[[muscle]]\nlabel = "muscle"\non_uv = 8.0  # measured\noff_uv = 6.0\n'
    )
    stream = '[stream]\nname = "x"\nrate_hz = 200\nlabels = ["muscle"]\n'
    unit = f'[session]\nprogramme = "p"\n{stream}[filter]  # ours\n'
    (tmp_path / "programmes").mkdir()
    for path, text in (
        (config, unit),
        (tmp_path / "patient.toml", patient),
        (tmp_path / "programmes" / "p.toml", next(
            t for name, t in biofeedback.session["files"].items() if name.startswith("rehearsal")
        )),
    ):  # fmt: skip
        path.write_text(text)
    base = base_of([biofeedback.path], config, "")
    bands, tried = candidates(base, Grid(detectors=("envelope",), on_uv=(5.0,)))
    with ThreadPoolExecutor(1) as executor:
        chosen = best(sweep(executor, [biofeedback.path], tried[1:2], 0), 10)
    found = suggestion(base, bands[1], chosen)
    assert not found.complaint
    changed = [
        line for line in found.diff.splitlines() if line[:1] in "+-" and line[1:2] not in "+-"
    ]
    assert changed == [
        "+envelope_hz = 4.0", '+detector = "envelope"', "+min_duration_ms = 30.0",
        "-on_uv = 8.0  # measured", "-off_uv = 6.0", "+on_uv = 5.0  # measured", "+off_uv = 3.75",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_dask_cluster_comes_to_the_same(biofeedback: Folder) -> None:
    distributed = pytest.importorskip("distributed", reason="no Dask: pip install nmesd[cluster]")
    session = heard(biofeedback)
    chain = ChainCoefficients.from_dict(session.chain)
    one = Candidate(name="x", coefficients=chain, levels=(Level(on_uv=8, off_uv=6),))
    with ThreadPoolExecutor(1) as executor:
        here = sweep(executor, [biofeedback.path], [one], 0)
    with (
        distributed.LocalCluster(
            n_workers=1,
            processes=False,
            protocol="tcp",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as local,
        cluster(local.scheduler_address) as executor,
    ):
        there = sweep(executor, [biofeedback.path], [one], 0)
    assert there == here


def test_sessions_that_asked_for_nothing_are_left_out_and_people_not_mixed(
    biofeedback: Folder, tmp_path: Path
) -> None:
    course = {
        "purpose": "x", "kind": "cyclic", "trial": {"rest_s": 1}, "session": {"trials": 2},
        "train": {"plateau_s": 0.2},
    }  # fmt: skip
    output = {"output": [{"channel": 1, "amplitude_ma": 9}]}
    cyclic = record(
        tmp_path / "c", files_in(tmp_path / "f", {**HARD, **output}, course), np.zeros(10), []
    )
    assert not asks(cyclic)
    args = ["tune", str(cyclic.path)]
    assert "asked to try" in str(CliRunner().invoke(app, args).exception)
    other = json.loads(json.dumps(biofeedback.session)) | {"patient": "P02"}
    settings = json.dumps(biofeedback.settings).encode()
    with Writer(tmp_path / "o", other, settings):
        pass
    args = ["tune", str(biofeedback.path), str(tmp_path / "o")]
    assert "--patient CODE" in str(CliRunner().invoke(app, args).exception)


def test_no_scheduler_is_said_so() -> None:
    pytest.importorskip("distributed", reason="no Dask: pip install nmesd[cluster]")
    with pytest.raises(ConfigError, match="leave --scheduler out"), cluster("nonsense://x"):
        pass
