"""`nmesd calibrate`: live and from a recording, and what it refuses."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmesd.daemon.engine_config import engine_settings
from nmesd.daemon.files import read_files
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient

RATE_HZ = 1000


def config(folder: Path, threshold: str = "false_per_min = 0.2", more: str = "") -> Path:
    path = folder / "nmesd.toml"
    path.write_text(
        '[session]\nprogramme = "programme.toml"\n'
        f'[stream]\nname = "calibrate"\nrate_hz = {RATE_HZ}\nlabels = ["target"]\n'
        f'rail_uv = 187500\n[lsl]\nsession_id = "{folder.name}"\n{more}'
    )
    (folder / "patient.toml").write_text(
        f'code = "P-07_x"\n[[muscle]]\nlabel = "target"\n{threshold}\ncalibration = "file.toml"\n'
        "[[muscle.output]]\nchannel = 1\n"
    )
    (folder / "programme.toml").write_text(
        'purpose = "x"\nkind = "triggered"\nsession = {minutes = 30}\n'
        "trial = {timeout_s = 5}\nadapt = {target_percent = 75, step_percent = 10}\n"
    )
    return path


def nmesd(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def recording(folder: Path, emg_uv: Any) -> Path:
    path = folder / "recording.npz"
    np.savez(path, emg_uv=np.asarray(emg_uv, np.float32)[:, None], fs_hz=RATE_HZ, labels=["target"])
    return path


@pytest.fixture(scope="module")
def emg_uv() -> Any:
    """25 s of rest, then an attempt every 8 s."""
    spec = PatientSpec(first_attempt_s=26.0, interval_s=8.0, interval_jitter_s=0, duration_s=3.0)
    return VirtualPatient(spec).generate(50 * RATE_HZ)[:, 0]


EFFORTS = ("--effort", "26:29", "--effort", "34:37", "--effort", "42:45")


@pytest.mark.parametrize("rest", ["0:25", "auto"])
def test_a_recording_gives_a_file_that_nmesd_toml_can_name(
    tmp_path: Path, emg_uv: Any, rest: str
) -> None:
    path = config(tmp_path)
    said = json.loads(
        nmesd(
            "calibrate", path, "--recording", recording(tmp_path, emg_uv), "--rest", rest, *EFFORTS,
            "--folder", tmp_path / "out", "--json",
        )
    )  # fmt: skip
    assert said["efforts_over"] == said["efforts"] == 3
    assert said["false_per_min"] == pytest.approx(0.2, rel=0.01)
    low, high = said["range_per_min"]
    assert low < 0.2 < high
    assert 3.0 < said["on_uv"] < 8.0 < said["mvc_uv"]
    toml, raw, picture = map(Path, said["files"])
    assert "P_07_x" in toml.name
    assert (raw.suffix, picture.suffix) == (".npz", ".png")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert tomllib.loads(toml.read_text())["calibration"]["mvc_uv"] == pytest.approx(
        said["mvc_uv"], rel=1e-4
    )

    toml.rename(tmp_path / "file.toml")
    muscle = engine_settings(read_files(path)).core.muscles[0]
    assert muscle.on_nv == pytest.approx(1000 * said["on_uv"], rel=1e-3)
    assert muscle.off_nv == pytest.approx(1000 * said["off_uv"], rel=1e-3)
    # A threshold that moves stays between rest and half of the best effort.
    assert muscle.off_nv <= muscle.floor_nv < muscle.on_nv
    assert muscle.ceiling_nv == pytest.approx(500 * said["mvc_uv"], rel=1e-3)
    assert "0.2 false a minute" in nmesd("check", path)
    for threshold, on_uv in (
        ("on_percent_mvc = 20", 0.2 * said["mvc_uv"]),
        ("on_uv = 7", 7.0),
    ):
        (muscle,) = engine_settings(read_files(config(tmp_path, threshold))).core.muscles
        assert muscle.on_nv == pytest.approx(1000 * on_uv, rel=1e-3)
    scales = [
        engine_settings(read_files(config(tmp_path, f"on_scales = {k}"))).core.muscles[0].on_nv
        for k in (0, 3, 6)
    ]
    assert scales[1] - scales[0] == pytest.approx(scales[2] - scales[1], abs=2)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("[filter]\nband_low_hz = 40\n", "band_low_hz was 30, is 40"),
        ('[filter]\ndetector = "envelope"\n', "detector was 'cusum', is 'envelope'"),
    ],
)
def test_a_calibration_made_with_other_settings_is_refused(
    tmp_path: Path, emg_uv: Any, more: str, says: str
) -> None:
    path = recording(tmp_path, emg_uv)
    said = json.loads(
        nmesd("calibrate", config(tmp_path), "--recording", path, "--folder", tmp_path, "--json")
    )
    Path(said["files"][0]).rename(tmp_path / "file.toml")
    told = nmesd("check", config(tmp_path, more=more), code=2)
    assert says in told.replace("30.0", "30").replace("40.0", "40")
    assert "calibrate again" in told


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: np.where(np.arange(len(x)) % 3000 < 400, 9.0, x), "does not move at all"),
        (lambda x: x + 300 * np.sin(2 * np.pi * 50.1 * np.arange(len(x)) / RATE_HZ), "mains hum"),
        (lambda x: np.where(np.arange(len(x)) % 1000 < 50, 187_500.0, x), "full scale"),
        (lambda x: x[:4000], "must be at least"),
    ],
    ids=["flat", "mains", "rail", "short"],
)
def test_a_bad_signal_is_refused_with_the_reason_and_nothing_is_written(
    tmp_path: Path, emg_uv: Any, spoil: Any, says: str
) -> None:
    out = tmp_path / "out"
    told = nmesd(
        "calibrate", config(tmp_path), "--recording", recording(tmp_path, spoil(emg_uv[:25_000])),
        "--rest", "0:4" if says == "must be at least" else "0:25", "--folder", out, code=2,
    )  # fmt: skip
    assert "not calibrated" in told
    assert says in told
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--rest", "0:90"), "0 to 90 s must lie in its 50.0 s"),
        (("--effort", "30:20"), "30 to 20 s must lie"),
        (("--rest", "begin"), "must be 'auto' or two times"),
    ],
)
def test_spans_that_are_none_are_refused(
    tmp_path: Path, emg_uv: Any, arguments: tuple[str, ...], says: str
) -> None:
    told = nmesd(
        "calibrate",
        config(tmp_path),
        "--recording",
        recording(tmp_path, emg_uv),
        *arguments,
        code=2,
    )
    assert says in told


def test_weak_efforts_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    emg_uv = rng.normal(0, 4.0, 30_000)
    said = nmesd(
        "calibrate", config(tmp_path), "--recording", recording(tmp_path, emg_uv), "--rest", "0:22",
        "--effort", "23:26", "--folder", tmp_path,
    )  # fmt: skip
    assert "ONLY 0 OF 1 EFFORTS" in said


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = config(tmp_path)
    assert "file.toml: cannot be read" in nmesd("check", path, code=2)
    (tmp_path / "file.toml").write_text("made = 1\n")
    assert "file.toml: no muscle: calibrate again" in nmesd("check", path, code=2)
    (tmp_path / "file.toml").write_text("[[[\n")
    assert "not a calibration" in nmesd("check", path, code=2)


def test_without_a_stream_it_says_what_is_there(tmp_path: Path) -> None:
    told = nmesd("calibrate", config(tmp_path), "--folder", tmp_path / "out", code=2)
    assert "calibrate: no EMG stream found" in told


@pytest.mark.slow
def test_live_it_guides_through_rest_and_three_efforts(tmp_path: Path) -> None:
    """The patient rests for 24 s and then tries for a minute, whatever is said."""
    (tmp_path / "lsl_api.cfg").write_text(
        f"[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = {tmp_path.name}\n"
    )
    spec = {"first_attempt_s": 24.0, "interval_s": 90.0, "duration_s": 60.0, "attempt_db": 20.0,
            "attempt_spread_db": 0.0}  # fmt: skip
    import os

    patient = subprocess.Popen(
        [sys.executable, "-m", "nmesd.sim.patient", "--name", "calibrate", "--json", json.dumps(spec),
         "--seconds", "90"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "LSLAPICFG": str(tmp_path / "lsl_api.cfg")},
    )  # fmt: skip
    try:
        assert patient.stdout is not None
        assert "ready" in patient.stdout.readline()
        said = json.loads(
            nmesd("calibrate", config(tmp_path), "--folder", tmp_path / "out", "--json")
        )
    finally:
        patient.kill()
        patient.communicate()
    assert said["efforts_over"] == said["efforts"] == 3
    assert said["mvc_uv"] > 20.0
    assert len(list((tmp_path / "out").iterdir())) == 3
