"""Recordings as numpy writes them: `emg_uv`, `fs_hz`, `labels`, and `onsets_s` where known."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from nmesd.errors import RecordError
from nmesd.sessions.found import Found, pairs


def read_npz(path: Path) -> Found:
    """Raises RecordError."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            parts = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(
            f"{path.name}: not a readable NPZ file ({error}): save it again"
        ) from None
    missing = [key for key in ("emg_uv", "fs_hz", "labels") if key not in parts]
    if missing:
        raise RecordError(
            f"{path.name}: no {', '.join(missing)}: has {', '.join(parts) or 'nothing'}; "
            "save emg_uv (samples, channels), fs_hz, labels"
        )
    onsets = parts.get("onsets_s")
    if onsets is not None and onsets.size and onsets.shape[1:] != (2,):
        raise RecordError(
            f"{path.name}: onsets_s of shape {onsets.shape}: must be (k, 2), onset and offset"
        )
    try:
        fs_hz = float(parts["fs_hz"])
        onsets_s = None if onsets is None else pairs(onsets.reshape(-1, 2).tolist())
    except (TypeError, ValueError) as error:
        raise RecordError(
            f"{path.name}: fs_hz or onsets_s is not a number ({error}): save it again"
        ) from None
    labels = tuple(str(label) for label in parts["labels"].reshape(-1))
    return Found(parts["emg_uv"], fs_hz, labels, onsets_s)
