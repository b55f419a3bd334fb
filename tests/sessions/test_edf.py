"""EDF and BDF files, written by the library that wrote the standard's tests."""

from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest

from nmesd.errors import RecordError
from nmesd.sessions.recording import read_recording

RATE_HZ = 1000
X = np.random.default_rng(1).normal(0, 20, (3, 4 * RATE_HZ))


def written(path: Path, signals: list[tuple[str, str, float]]) -> Path:
    """Signals of (label, unit, Hz)."""
    kind, of = (
        (edfio.Bdf, edfio.BdfSignal) if path.suffix == ".bdf" else (edfio.Edf, edfio.EdfSignal)
    )
    made: list[Any] = [
        of(x[: round(4 * hz)], hz, label=label, physical_dimension=unit)
        for x, (label, unit, hz) in zip(X, signals, strict=False)
    ]
    kind(made, data_record_duration=1).write(path)
    return path


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
@pytest.mark.parametrize(("unit", "factor"), [("uV", 1.0), ("mV", 1e3)])
def test_voltages_are_microvolts(tmp_path: Path, suffix: str, unit: str, factor: float) -> None:
    path = written(tmp_path / f"a{suffix}", [("TA", unit, RATE_HZ), ("GM", unit, RATE_HZ)])
    found = read_recording(path)
    assert (found.fs_hz, found.labels) == (RATE_HZ, ("TA", "GM"))
    assert np.allclose(found.emg_uv, factor * X[:2].T, atol=factor * 0.01)


def test_those_named_emg_are_taken_before_other_voltages(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.edf", [("ECG", "uV", 250), ("EMG left", "uV", RATE_HZ), ("Temp", "C", 1)]
    )
    found = read_recording(path)
    assert found.labels == ("EMG left",)
    assert found.fs_hz == RATE_HZ


@pytest.mark.parametrize(
    ("signals", "says"),
    [
        ([("Temp", "C", 10.0)], "no signal is EMG or a voltage; found Temp"),
        ([("A", "uV", 1000.0), ("B", "uV", 500.0)], "signals of different rates"),
        ([("EMG", "furlong", 1000.0)], "channel EMG is in furlong"),
    ],
)
def test_what_cannot_be_taken_is_named(
    tmp_path: Path, signals: list[tuple[str, str, float]], says: str
) -> None:
    with pytest.raises(RecordError, match=says):
        read_recording(written(tmp_path / "a.edf", signals))


def test_a_file_with_gaps_is_refused(tmp_path: Path) -> None:
    """Its third data record says that it begins at 7 s."""
    path = tmp_path / "a.edf"
    signal = edfio.EdfSignal(
        X[0][: round(4 * RATE_HZ)], RATE_HZ, label="EMG", physical_dimension="uV"
    )
    notes = [edfio.EdfAnnotation(0, None, "begin")]
    edfio.Edf([signal], annotations=notes, data_record_duration=1).write(path)
    assert read_recording(path).fs_hz == RATE_HZ
    raw = path.read_bytes()
    assert raw.count(b"+2\x14\x14") == 1
    path.write_bytes(raw.replace(b"+2\x14\x14", b"+7\x14\x14"))
    with pytest.raises(RecordError, match="has gaps"):
        read_recording(path)


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_garbage_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(RecordError, match="not readable"):
        read_recording(path)
