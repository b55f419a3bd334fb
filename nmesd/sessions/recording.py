"""Recordings of EMG from files: XDF (LabRecorder), CSV, NPZ."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import RecordError
from nmesd.sessions.csv_file import read_csv
from nmesd.sessions.edf_file import read_bdf, read_edf
from nmesd.sessions.found import RATE_TOLERANCE, Found, Onsets, pairs
from nmesd.sessions.npz_file import read_npz
from nmesd.sessions.xdf_file import read_xdf

_AXES = 2  # samples x channels


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """EMG of one session, regularly sampled.

    `emg_uv` microvolts, float32 or float64, shape (n, channels). `onsets_s` are the true
    activations as (onset, offset) in seconds from the first sample, in order; empty if unknown.
    Raises RecordError if the parts do not fit together.
    """

    emg_uv: NDArray[np.float32] | NDArray[np.float64]
    fs_hz: float
    labels: tuple[str, ...]
    onsets_s: Onsets
    name: str

    def __post_init__(self) -> None:
        emg = self.emg_uv
        if emg.ndim != _AXES or emg.dtype not in (np.float32, np.float64):
            raise RecordError(
                f"{self.name}: EMG of shape {emg.shape} and type {emg.dtype}: "
                "must be samples x channels, float32 or float64"
            )
        if emg.size == 0:
            raise RecordError(f"{self.name}: no samples (shape {emg.shape}): record again")
        if len(self.labels) != emg.shape[1]:
            raise RecordError(
                f"{self.name}: {len(self.labels)} labels for {emg.shape[1]} channels: give one each"
            )
        if not (np.isfinite(self.fs_hz) and self.fs_hz > 0):
            raise RecordError(f"{self.name}: sampling rate {self.fs_hz} Hz: must be above 0")
        end_s, before_s = len(emg) / self.fs_hz, 0.0
        for onset_s, offset_s in self.onsets_s:
            if not before_s <= onset_s < offset_s <= end_s:
                raise RecordError(
                    f"{self.name}: activation {onset_s} to {offset_s} s: must be in order and "
                    f"within the recording's {end_s:.3f} s; check the onsets"
                )
            before_s = offset_s

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.emg_uv) / self.fs_hz


def read_recording(path: Path, *, fs_hz: float | None = None) -> Recording:
    """Read a recording; the suffix of `path` says how.

    * `.xdf`: the one stream of type EMG; its unit must be known.
    * `.csv`: a header of labels, microvolts; the rate from a column `time_s`, a comment line
      `# fs_hz: 1000`, or `fs_hz`.
    * `.edf`, `.bdf`: the signals named EMG, or else all that are voltages; one rate for all.
    * `.npz`: `emg_uv` (samples, channels), `fs_hz`, `labels`, and `onsets_s` (k, 2) if known.

    `fs_hz` is for files that do not say their rate; where they do, it must agree. Onsets come from
    the file itself (markers `onset`, `offset` in an XDF), else from `onsets.csv` beside it (columns
    recording, onset_s, offset_s; `recording` is the file's name without suffix). Raises
    RecordError.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise RecordError(
            f"{path.name}: cannot read {path.suffix or 'no suffix'}: use .xdf, .csv, .edf, .bdf or .npz"
        )
    if not path.is_file():
        raise RecordError(f"{path}: no such file: check the name")
    found = reader(path)
    if fs_hz is not None:
        if found.fs_hz is not None and abs(found.fs_hz - fs_hz) > RATE_TOLERANCE * fs_hz:
            raise RecordError(
                f"{path.name}: says {found.fs_hz:g} Hz, {fs_hz:g} Hz was asked for: leave out fs_hz"
            )
        rate_hz = fs_hz if found.fs_hz is None else found.fs_hz
    elif found.fs_hz is None:
        raise RecordError(
            f"{path.name}: no sampling rate: add a column time_s, "
            "a line '# fs_hz: 1000', or give fs_hz"
        )
    else:
        rate_hz = found.fs_hz
    onsets_s = found.onsets_s if found.onsets_s is not None else _onsets_beside(path)
    return Recording(found.emg_uv, rate_hz, found.labels, onsets_s, path.stem)


def _onsets_beside(path: Path) -> Onsets:
    beside = path.with_name("onsets.csv")
    if not beside.is_file():
        return ()
    with beside.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        try:
            return pairs(
                (float(row["onset_s"]), float(row["offset_s"]))
                for row in rows
                if row["recording"] == path.stem
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"{beside}: line {rows.line_num}: {error!r}: needs recording, onset_s, offset_s"
            ) from None


_READERS: dict[str, Callable[[Path], Found]] = {
    ".xdf": read_xdf,
    ".csv": read_csv,
    ".npz": read_npz,
    ".edf": read_edf,
    ".bdf": read_bdf,
}
