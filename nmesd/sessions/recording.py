"""Recordings of EMG from files: XDF (LabRecorder), CSV, NPZ."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import RecordError

Onsets = tuple[tuple[float, float], ...]
Element = dict[str, list[Any]]  # pyxdf: an XML element, each child a list of texts or elements

# What XDF files call the unit of a channel, and how many microvolts it is.
_MICROVOLTS = {
    **dict.fromkeys(("microvolts", "microvolt", "uv", "µv", "μv"), 1.0),  # micro sign and Greek mu
    **dict.fromkeys(("millivolts", "millivolt", "mv"), 1e3),
    **dict.fromkeys(("volts", "volt", "v"), 1e6),
}
_RATE_TOLERANCE = 1e-3  # between two statements of one sampling rate
_AXES = 2  # samples x channels
_GAP = 1.5  # samples from one time stamp to the next
_IRREGULAR = 0.6  # samples off the regular time: half of one is what rounding to milliseconds does


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
            f"{path.name}: cannot read {path.suffix or 'no suffix'}: use .xdf, .csv or .npz"
        )
    if not path.is_file():
        raise RecordError(f"{path}: no such file: check the name")
    found = reader(path)
    if fs_hz is not None:
        if found.fs_hz is not None and abs(found.fs_hz - fs_hz) > _RATE_TOLERANCE * fs_hz:
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


@dataclass(frozen=True, slots=True)
class _Found:
    """What a file says of itself; None for what it does not."""

    emg_uv: NDArray[np.float32] | NDArray[np.float64]
    fs_hz: float | None
    labels: tuple[str, ...]
    onsets_s: Onsets | None


# ---- NPZ ---------------------------------------------------------------------------------------


def _read_npz(path: Path) -> _Found:
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
        pairs = None if onsets is None else _pairs(onsets.reshape(-1, 2).tolist())
    except (TypeError, ValueError) as error:
        raise RecordError(
            f"{path.name}: fs_hz or onsets_s is not a number ({error}): save it again"
        ) from None
    labels = tuple(str(label) for label in parts["labels"].reshape(-1))
    return _Found(parts["emg_uv"], fs_hz, labels, pairs)


# ---- CSV ---------------------------------------------------------------------------------------


def _read_csv(path: Path) -> _Found:
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
        if fs_hz is not None and abs(fs_hz - from_time) > _RATE_TOLERANCE * fs_hz:
            raise RecordError(
                f"{path.name}: fs_hz says {fs_hz:g} Hz, time_s {from_time:g} Hz: correct one"
            )
        fs_hz = from_time if fs_hz is None else fs_hz
        table = np.delete(table, column, axis=1)
        del header[column]
    return _Found(table, fs_hz, tuple(header), None)


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


# ---- XDF ---------------------------------------------------------------------------------------


def _read_xdf(path: Path) -> _Found:
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
    return _Found(emg_uv, fs_hz, labels, _marked(streams, stamps, fs_hz))


def _channels(name: str, info: Element, count: int) -> tuple[tuple[str, ...], list[float]]:
    """Labels (ch_1 and so on where missing) and microvolts per unit of each channel."""
    desc = (info.get("desc") or [None])[0] or {}
    listed = ((desc.get("channels") or [None])[0] or {}).get("channel") or []
    labels, scales = [], []
    for index in range(count):
        channel = (listed[index] if index < len(listed) else None) or {}
        labels.append(_text(channel, "label") or f"ch_{index + 1}")
        unit = _text(channel, "unit")
        scale = _MICROVOLTS.get(unit.strip().lower())
        if scale is None:
            raise RecordError(
                f"{name}: channel {labels[-1]} is in {unit or 'no unit'}: nmesd knows microvolts, "
                "millivolts and volts; set it in the amplifier's LSL program, or save as CSV"
            )
        scales.append(scale)
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


# ---- onsets.csv --------------------------------------------------------------------------------


def _onsets_beside(path: Path) -> Onsets:
    beside = path.with_name("onsets.csv")
    if not beside.is_file():
        return ()
    with beside.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        try:
            return _pairs(
                (float(row["onset_s"]), float(row["offset_s"]))
                for row in rows
                if row["recording"] == path.stem
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"{beside}: line {rows.line_num}: {error!r}: needs recording, onset_s, offset_s"
            ) from None


def _pairs(rows: Iterable[Iterable[float]]) -> Onsets:
    return tuple((float(onset_s), float(offset_s)) for onset_s, offset_s in rows)


_READERS: dict[str, Callable[[Path], _Found]] = {
    ".xdf": _read_xdf,
    ".csv": _read_csv,
    ".npz": _read_npz,
}
