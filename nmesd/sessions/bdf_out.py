"""EMG as a BDF file: 24 bit, each channel over its own range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmesd.sessions.bids_events import Row, span


def write_bdf(
    path: Path, emg_uv: NDArray[np.float32], labels: list[str], rate_hz: float
) -> list[Row]:
    """Gives the events that say where it is not what was recorded."""
    import edfio  # noqa: PLC0415 - slow to load, and needed here only

    # A record is a second, or as near as whole samples come; its length has eight characters in the file.
    per_record = max(1, round(rate_hz))
    record_s = round(per_record / rate_hz, 6)
    missing = -len(emg_uv) % per_record
    told = [span("padding", len(emg_uv), missing, rate_hz)] if missing else []
    finite = np.isfinite(emg_uv)
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], ~finite.all(axis=1), [False]]).astype(int))
    )
    told += [span("not_finite", a, b - a, rate_hz) for a, b in edges.reshape(-1, 2).tolist()]
    whole = np.pad(
        np.where(finite, emg_uv, 0).astype(np.float64), ((0, missing), (0, 0)), mode="edge"
    )
    signals = [
        edfio.BdfSignal(
            np.ascontiguousarray(column),
            per_record / record_s,
            label=label[:16],
            physical_dimension="uV",
            physical_range=_range(column),
        )
        for label, column in zip(labels, whole.T, strict=True)
    ]
    edfio.Bdf(signals, data_record_duration=record_s).write(path)
    return told


def _range(column: NDArray[np.float64]) -> tuple[float, float]:
    """Whole microvolts around the samples: the file has eight characters for each end."""
    low, high = float(np.floor(column.min())), float(np.ceil(column.max()))
    return (low, high) if low < high else (low, low + 1.0)
