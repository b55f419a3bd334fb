"""Recordings as tables: a header of labels, microvolts below, and times or a rate somewhere."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import RecordError
from nmesd.sessions.found import RATE_TOLERANCE, Found

_IRREGULAR = 0.6  # samples off the regular time: half of one is what rounding to milliseconds does


def read_csv(path: Path) -> Found:
    """Raises RecordError."""
    fs_hz: float | None = None
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            line = file.readline()
            while line.startswith("#"):
                key, _, value = line[1:].partition(":")
                if key.strip() == "fs_hz":
                    fs_hz = float(value)
                line = file.readline()
            header = [name.strip() for name in next(csv.reader([line]), [])]
            if not header or any(_is_number(name) for name in header):
                raise RecordError(f"{path.name}: no header: the first row must name the channels")
            rows = [row for row in file if row.strip()]
            if not rows:
                raise RecordError(f"{path.name}: no samples below the header: record again")
            table = np.loadtxt(rows, delimiter=",", ndmin=2, dtype=np.float64)
        except ValueError as error:  # also from bytes that are not text
            raise RecordError(
                f"{path.name}: {error}: every cell must be a number in microvolts"
            ) from None
    if table.shape[1] != len(header):
        raise RecordError(
            f"{path.name}: {table.shape[1]} columns of numbers under "
            f"{len(header)} names: must agree"
        )
    if "time_s" in header:
        column = header.index("time_s")
        from_time = _rate(path.name, table[:, column])
        if fs_hz is not None and abs(fs_hz - from_time) > RATE_TOLERANCE * fs_hz:
            raise RecordError(
                f"{path.name}: fs_hz says {fs_hz:g} Hz, time_s {from_time:g} Hz: correct one"
            )
        fs_hz = from_time if fs_hz is None else fs_hz
        table = np.delete(table, column, axis=1)
        del header[column]
    return Found(table, fs_hz, tuple(header), None)


def _rate(name: str, time_s: NDArray[np.float64]) -> float:
    """Sampling rate in Hz of a column of times; RecordError if they are not regular."""
    n = len(time_s)
    span_s = float(time_s[-1] - time_s[0])
    if not span_s > 0:
        raise RecordError(
            f"{name}: time_s does not rise: it must be in seconds, sample after sample"
        )
    fs_hz = (n - 1) / span_s
    off = np.abs(time_s - time_s[0] - np.arange(n) / fs_hz) * fs_hz
    if not off.max() < _IRREGULAR:
        worst = int(np.argmax(off))
        raise RecordError(
            f"{name}: time_s is not regular ({off[worst]:.1f} samples off at {time_s[worst]:g} s): "
            "samples are missing; cut the recording there"
        )
    whole = round(fs_hz)  # written times are rounded, so the rate comes out as 999.9998
    return float(whole) if whole and abs(fs_hz - whole) < 1e-4 * fs_hz else fs_hz


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
