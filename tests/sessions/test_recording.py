from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nmesd.errors import RecordError
from nmesd.sessions import recording
from nmesd.sessions.recording import Recording, read_recording

Read = Callable[..., Recording]
Array = NDArray[np.float64]

EMG: Array = np.random.default_rng(1).normal(0, 20, (500, 2))


def save_csv(path: Path, *lines: str, emg: Array = EMG) -> Path:
    rows = [",".join(repr(float(v)) for v in row) for row in emg]
    path.write_text("\n".join([*lines, *rows]) + "\n")
    return path


# ---- NPZ ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_npz_comes_back_as_it_was_saved(tmp_path: Path, dtype: type) -> None:
    emg: NDArray[Any] = EMG.astype(dtype)
    np.savez(
        tmp_path / "s.npz",
        emg_uv=emg,
        fs_hz=250.0,
        labels=["a", "b"],
        onsets_s=[(0.1, 0.5), (1, 2)],
    )
    read = read_recording(tmp_path / "s.npz")
    assert np.array_equal(read.emg_uv, emg)
    assert read.emg_uv.dtype == dtype
    assert (read.fs_hz, read.labels, read.name) == (250.0, ("a", "b"), "s")
    assert read.onsets_s == ((0.1, 0.5), (1.0, 2.0))
    assert read.duration_s == 2.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"emg_uv": None}, "no emg_uv"),
        ({"fs_hz": "fast"}, "not a number"),
        ({"fs_hz": 0.0}, "must be above 0"),
        ({"labels": ["a"]}, "1 labels for 2 channels"),
        ({"emg_uv": EMG[:, 0]}, "samples x channels"),
        ({"emg_uv": EMG.astype(np.int16)}, "int16"),
        ({"emg_uv": EMG[:0]}, "no samples"),
        ({"onsets_s": [0.1, 0.2]}, r"must be \(k, 2\)"),
        ({"onsets_s": [(0.2, 0.1)]}, "in order"),
        ({"onsets_s": [(0.1, 2.5)]}, "in order and within the recording's 2.000 s"),
        ({"onsets_s": [(1.0, 1.5), (0.1, 0.2)]}, "in order"),
    ],
)
def test_npz_that_does_not_fit_together_is_refused(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    parts: dict[str, Any] = {"emg_uv": EMG, "fs_hz": 250.0, "labels": ["a", "b"]} | change
    np.savez(
        tmp_path / "s.npz", allow_pickle=False, **{k: v for k, v in parts.items() if v is not None}
    )
    with pytest.raises(RecordError, match=says):
        read_recording(tmp_path / "s.npz")


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(RecordError, match="not a readable NPZ"):
        read_recording(tmp_path / "s.npz")


# ---- CSV ----


def test_csv_with_a_rate_in_a_comment(tmp_path: Path) -> None:
    path = save_csv(tmp_path / "s.csv", "# fs_hz: 2000", "# from a test", "left, right")
    read = read_recording(path)
    assert np.array_equal(read.emg_uv, EMG)
    assert (read.fs_hz, read.labels, read.onsets_s) == (2000.0, ("left", "right"), ())


def test_csv_with_times(tmp_path: Path) -> None:
    times = np.round(100 + np.arange(500) / 300, 4)
    path = save_csv(tmp_path / "s.csv", "time_s,left,right", emg=np.column_stack((times, EMG)))
    read = read_recording(path)
    assert np.array_equal(read.emg_uv, EMG)
    assert read.fs_hz == 300.0


def test_csv_with_the_rate_given(tmp_path: Path) -> None:
    path = save_csv(tmp_path / "s.csv", "left,right")
    assert read_recording(path, fs_hz=512.0).fs_hz == 512.0
    with pytest.raises(RecordError, match="no sampling rate"):
        read_recording(path)


def test_one_column_is_one_channel(tmp_path: Path) -> None:
    path = save_csv(tmp_path / "s.csv", "# fs_hz: 1000", "emg", emg=EMG[:, :1])
    assert read_recording(path).emg_uv.shape == (500, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1.0,2.0\n3.0,4.0\n", "no header"),
        ("", "no header"),
        ("# fs_hz: 1000\na,b\n1,2,3\n", "3 columns of numbers under 2 names"),
        ("# fs_hz: 1000\na,b\n1,2\n3\n", "number"),
        ("# fs_hz: 1000\na,b\n1,x\n", "must be a number in microvolts"),
        ("# fs_hz: fast\na\n1\n", "number"),
        ("time_s,a\n0,1\n0,1\n", "does not rise"),
        ("time_s,a\n0,1\n", "does not rise"),
        ("time_s,a\n0,1\n1,1\n2,1\n5,1\n", "not regular"),
        ("# fs_hz: 10\ntime_s,a\n0,1\n1,1\n", "correct one"),
    ],
)
def test_csv_that_cannot_be_right_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(RecordError, match=says):
        read_recording(tmp_path / "s.csv")


def test_csv_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("# fs_hz: 1000\na,b\n")
    with pytest.raises(RecordError, match="no samples"):
        read_recording(tmp_path / "s.csv")


def test_a_rate_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    path = save_csv(tmp_path / "s.csv", "# fs_hz: 1000", "a,b")
    with pytest.raises(RecordError, match="says 1000 Hz, 500 Hz was asked for"):
        read_recording(path, fs_hz=500.0)


@pytest.mark.parametrize("name", ["s.mat", "s"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match=r"use \.xdf, \.csv, \.edf, \.bdf or \.npz"):
        read_recording(tmp_path / name)
    with pytest.raises(RecordError, match="no such file"):
        read_recording(tmp_path / "s.xdf")


# ---- onsets.csv ----


def test_onsets_beside_the_file_are_taken_unless_it_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "onsets.csv").write_text(
        "recording,onset_s,offset_s,snr\ns,0.05,0.1,3\nother,1,2,3\ns,0.2,0.4,3\n"
    )
    path = save_csv(tmp_path / "s.csv", "# fs_hz: 1000", "a,b")
    assert read_recording(path).onsets_s == ((0.05, 0.1), (0.2, 0.4))
    np.savez(tmp_path / "s.npz", emg_uv=EMG, fs_hz=1000.0, labels=["a", "b"], onsets_s=[(0.3, 0.4)])
    assert read_recording(tmp_path / "s.npz").onsets_s == ((0.3, 0.4),)


@pytest.mark.parametrize("rows", ["recording,start\ns,1\n", "recording,onset_s,offset_s\ns,1,x\n"])
def test_onsets_that_cannot_be_read_are_refused(tmp_path: Path, rows: str) -> None:
    (tmp_path / "onsets.csv").write_text(rows)
    path = save_csv(tmp_path / "s.csv", "# fs_hz: 1000", "a,b")
    with pytest.raises(RecordError, match="needs recording, onset_s, offset_s"):
        read_recording(path)


# ---- XDF: real files, and what pyxdf gives for others (nothing in Python writes XDF) ----


@pytest.mark.parametrize(
    ("name", "samples", "fs_hz", "label", "onsets", "first_s"),
    [
        ("tibialis_anterior_250hz", 137_420, 250.0, "tibialis anterior", 56, 7.96),
        ("sci_hand_4000hz", 312_644, 4000.0, "hand muscle", 5, 26.7895),
        ("biceps_bursts_1000hz", 28_519, 1000.0, "biceps brachii", 9, 1.479),
    ],
)
def test_real_recordings(
    data_dir: Path, name: str, samples: int, fs_hz: float, label: str, onsets: int, first_s: float
) -> None:
    read = read_recording(data_dir / f"{name}.xdf")
    assert read.emg_uv.shape == (samples, 1)
    assert read.emg_uv.dtype == np.float32
    assert (read.fs_hz, read.labels, read.name) == (fs_hz, (label,), name)
    assert len(read.onsets_s) == onsets
    assert read.onsets_s[0][0] == first_s


def stream(unit: str = "microvolts", kind: str = "EMG", label: str = "m") -> dict[str, Any]:
    channel = {"label": [label], "unit": [unit]}
    return {
        "info": {
            "name": ["amp"], "type": [kind], "nominal_srate": ["100"],
            "desc": [{"channels": [{"channel": [channel, channel]}]}],
        },
        "time_series": EMG.astype(np.float32),
        "time_stamps": 50.0 + np.arange(500) / 100,
    }  # fmt: skip


def markers(*marks: tuple[float, str]) -> dict[str, Any]:
    return {
        "info": {"name": ["truth"], "type": ["Markers"], "nominal_srate": ["0"], "desc": [None]},
        "time_series": [[text] for _, text in marks],
        "time_stamps": np.array([50.0 + at for at, _ in marks]),
    }


@pytest.fixture
def xdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a file that contains the given streams."""

    def read(*streams: dict[str, Any]) -> Recording:
        import pyxdf

        monkeypatch.setattr(pyxdf, "load_xdf", lambda _: (list(streams), {}))
        (tmp_path / "s.xdf").touch()
        return read_recording(tmp_path / "s.xdf")

    return read


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("uV", 1.0), ("µV", 1.0), ("μV", 1.0), ("mV", 1e3), ("millivolts", 1e3), ("Volts", 1e6)],
)
def test_units_become_microvolts(xdf: Read, unit: str, scale: float) -> None:
    expected = EMG.astype(np.float32).astype(np.float64) * scale
    assert np.array_equal(xdf(stream(unit)).emg_uv, expected)


@pytest.mark.parametrize("unit", ["", "counts", "nV"])
def test_other_units_are_refused(xdf: Read, unit: str) -> None:
    with pytest.raises(RecordError, match="nmesd knows microvolts"):
        xdf(stream(unit))


def test_labels_are_numbered_where_missing(xdf: Read) -> None:
    assert xdf(stream(label="")).labels == ("ch_1", "ch_2")


def test_there_must_be_one_emg_stream(xdf: Read) -> None:
    assert xdf(stream(kind="emg"), stream(kind="EEG")).name == "s"
    with pytest.raises(RecordError, match=r"0 streams of type EMG.*amp \(EEG\)"):
        xdf(stream(kind="EEG"))
    with pytest.raises(RecordError, match="2 streams of type EMG"):
        xdf(stream(), stream())
    with pytest.raises(RecordError, match="found no stream"):
        xdf()


def test_a_gap_is_refused(xdf: Read) -> None:
    broken = stream()
    broken["time_stamps"][200:] += 0.5
    with pytest.raises(RecordError, match=r"1 gaps in the EMG, the longest 0.510 s, 1.990 s after"):
        xdf(broken)


def test_irregular_or_empty_streams_are_refused(xdf: Read) -> None:
    irregular = stream()
    irregular["info"]["nominal_srate"] = ["0"]
    with pytest.raises(RecordError, match="no nominal rate"):
        xdf(irregular)
    with pytest.raises(RecordError, match="no numeric samples"):
        xdf(stream() | {"time_series": EMG[:0], "time_stamps": np.zeros(0)})


def test_markers_are_onsets(xdf: Read) -> None:
    truth = markers(
        (0.1, "offset 0"),
        (0.5, "onset 1 9.9 uV"),
        (0.7, "beep"),
        (1.0, "offset 1"),
        (2.0, "onset 2"),
    )
    onsets_s = xdf(stream(), truth).onsets_s
    assert np.array(onsets_s) == pytest.approx(np.array([(0.5, 1.0), (2.0, 5.0)]))
    assert xdf(stream(), markers((1.0, "beep"))).onsets_s == ()


def test_what_is_no_xdf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.xdf").write_bytes(b"something else")
    with pytest.raises(RecordError, match="not a readable XDF"):
        read_recording(tmp_path / "s.xdf")


def test_every_suffix_has_its_reader() -> None:
    assert set(recording._READERS) == {".xdf", ".csv", ".npz", ".edf", ".bdf"}
