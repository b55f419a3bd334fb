"""Recordings of LabRecorder: one stream of type EMG, and markers of its onsets where there are any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import RecordError
from nmesd.sessions.found import Found, Onsets, microvolts

Element = dict[str, list[Any]]  # pyxdf: an XML element, each child a list of texts or elements

_AXES = 2  # samples x channels
_GAP = 1.5  # samples from one time stamp to the next


def read_xdf(path: Path) -> Found:
    """Raises RecordError."""
    import pyxdf  # noqa: PLC0415 - slow to load, and needed for XDF only

    try:
        with path.open("rb") as file:  # pyxdf itself leaves it open when it fails
            streams, _ = pyxdf.load_xdf(file)
    except Exception as error:  # noqa: BLE001 - pyxdf raises whatever its parsers do
        raise RecordError(
            f"{path.name}: not a readable XDF file ({error!r}): record again"
        ) from None
    names = [f"{_text(s['info'], 'name')} ({_text(s['info'], 'type')})" for s in streams]
    emg = [s for s in streams if _text(s["info"], "type").upper() == "EMG"]
    if len(emg) != 1:
        raise RecordError(
            f"{path.name}: {len(emg)} streams of type EMG, one expected; found "
            f"{', '.join(names) or 'no stream'}: record the EMG stream, and no other of its type"
        )
    stream = emg[0]
    series, stamps = stream["time_series"], np.asarray(stream["time_stamps"], dtype=np.float64)
    if not isinstance(series, np.ndarray) or series.ndim != _AXES or len(series) == 0:
        raise RecordError(
            f"{path.name}: {names[streams.index(stream)]} has no numeric samples: record again"
        )
    fs_hz = float(_text(stream["info"], "nominal_srate") or 0)
    if not fs_hz > 0:
        raise RecordError(
            f"{path.name}: {names[streams.index(stream)]} has no nominal rate: "
            "only regular EMG can be used"
        )
    # pyxdf has straightened the stamps within each unbroken stretch; what is left between two is a
    # gap.
    steps = np.diff(stamps) * fs_hz
    if steps.size and steps.max() > _GAP:
        at = int(np.argmax(steps))
        raise RecordError(
            f"{path.name}: {int((steps > _GAP).sum())} gaps in the EMG, the longest "
            f"{steps[at] / fs_hz:.3f} s, {stamps[at] - stamps[0]:.3f} s after its start: "
            "cut the recording there"
        )
    labels, scales = _channels(path.name, stream["info"], series.shape[1])
    emg_uv = series if series.dtype in (np.float32, np.float64) else series.astype(np.float64)
    if any(scale != 1.0 for scale in scales):
        emg_uv = emg_uv.astype(np.float64) * np.asarray(scales)
    return Found(emg_uv, fs_hz, labels, _marked(streams, stamps, fs_hz))


def _channels(name: str, info: Element, count: int) -> tuple[tuple[str, ...], list[float]]:
    """Labels (ch_1 and so on where missing) and microvolts per unit of each channel."""
    desc = (info.get("desc") or [None])[0] or {}
    listed = ((desc.get("channels") or [None])[0] or {}).get("channel") or []
    labels, scales = [], []
    for index in range(count):
        channel = (listed[index] if index < len(listed) else None) or {}
        labels.append(_text(channel, "label") or f"ch_{index + 1}")
        unit = _text(channel, "unit")
        scales.append(microvolts(name, labels[-1], unit))
    return tuple(labels), scales


def _marked(streams: list[Any], stamps: NDArray[np.float64], fs_hz: float) -> Onsets | None:
    """Activations from markers whose first word is onset or offset; None if there are none."""
    marks = sorted(
        (float(stamp), words[0])
        for s in streams
        if _text(s["info"], "type").lower() == "markers"
        for stamp, value in zip(s["time_stamps"], s["time_series"], strict=True)
        if (words := str(value[0]).split()) and words[0] in ("onset", "offset")
    )
    if not marks:
        return None
    # Seconds at the nominal rate, as sample numbers are turned into time everywhere else, so that
    # an amplifier whose true rate is a little off does not move late onsets.
    index = np.arange(len(stamps), dtype=np.float64)
    pairs: list[tuple[float, float]] = []
    onset_s: float | None = None
    for stamp, word in marks:
        at_s = float(np.interp(stamp, stamps, index)) / fs_hz
        if word == "onset":
            onset_s = at_s
        elif onset_s is not None and onset_s < at_s:
            pairs.append((onset_s, at_s))
            onset_s = None
    if (
        onset_s is not None and onset_s < len(stamps) / fs_hz
    ):  # still active when the recording ended
        pairs.append((onset_s, len(stamps) / fs_hz))
    return tuple(pairs)


def _text(info: Element, key: str) -> str:
    """Text of the first child of that name; empty if there is none."""
    return str((info.get(key) or [""])[0] or "")
