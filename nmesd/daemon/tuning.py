"""`nmesd tune`: which settings to try on recorded sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log2
from pathlib import Path
from statistics import median
from typing import Any, Final

from pydantic import ValidationError

from dsp.coefficients import ChainCoefficients
from nmesd.core.plain import core_settings
from nmesd.core.values import Muscle
from nmesd.daemon.files import Files, read_files
from nmesd.daemon.patient import PatientFile
from nmesd.daemon.programme import ProgrammeFile
from nmesd.daemon.settings import DaemonSettings, FilterSection
from nmesd.daemon.thresholds import coefficients_of
from nmesd.daemon.toml import parse
from nmesd.errors import ConfigError
from nmesd.sessions.folder import Folder
from nmesd.sessions.judge import Level
from nmesd.sessions.sweep import Candidate
from nmesd.units import MHZ_PER_HZ, NV_PER_UV

SPAN: Final = (0.5, 4.0)
"""Thresholds to try, as shares of the recorded one."""
STEPS_AN_OCTAVE: Final = 4
ENVELOPES: Final = ("lowpass:4", "lowpass:8", "lowpass:16", "rms:50", "rms:100", "rms:200")
MIN_DURATION_MS: Final = 30.0
"""With the envelope as detector: config/nmesd.toml."""
_FILES: Final = 3


@dataclass(frozen=True, slots=True)
class Base:
    """What the sessions have in common, and the files that a suggestion changes."""

    files: Files
    number: int
    """Of the muscle."""
    column: int
    """Of its EMG among those that are decided on."""
    level: Level
    """The recorded thresholds: the middle one of the sessions."""
    rate_hz: float
    ratios: tuple[tuple[float, ...], ...]
    bounds_uv: tuple[float, float]
    """Between which the recorded threshold could move."""

    @property
    def label(self) -> str:
        """Of the muscle."""
        return self.files.patient.muscle[self.number].label


@dataclass(frozen=True, slots=True)
class Grid:
    """The settings to try: each combination."""

    detectors: Sequence[str] = ("cusum", "envelope")
    envelopes: Sequence[str] = ENVELOPES
    band_low_hz: Sequence[float] = ()
    on_uv: Sequence[float] = ()


def base_of(folders: Sequence[Path], config: Path | None, label: str) -> Base:
    """`config` instead of the files that the last session was run with. Raises ConfigError, RecordError."""
    sessions = [Folder(path) for path in folders]
    last = sessions[-1]
    files = _recorded(last) if config is None else read_files(config)
    labels = [muscle.label for muscle in files.patient.muscle]
    if label and label not in labels:
        raise ConfigError(f"no muscle {label!r}: there are {', '.join(labels)}")
    number = labels.index(label) if label else 0
    streams = {str(_of_stream(session.settings)): session.path for session in sessions}
    if len(streams) > 1:
        said = "; ".join(f"{path}: {what}" for what, path in streams.items())
        raise ConfigError(f"sessions of different streams cannot be tuned together: {said}")
    muscles = [_muscle(session, number) for session in sessions]
    on_uv = median(muscle.on_nv for muscle in muscles) / NV_PER_UV
    share = median(muscle.off_nv / muscle.on_nv for muscle in muscles)
    chain = last.settings["chain"]
    return Base(
        files,
        number,
        muscles[-1].emg,
        Level(on_uv=on_uv, off_uv=on_uv * share),
        last.settings["stream"]["rate_mhz"] / MHZ_PER_HZ,
        ChainCoefficients.from_dict(chain).channel_ratios,
        (muscles[-1].floor_nv / NV_PER_UV, muscles[-1].ceiling_nv / NV_PER_UV),
    )


def files_from(texts: dict[str, str], name: str, folder: Path) -> Files:
    """From the texts of nmesd.toml, patient.toml and the programme, in this order. Raises ConfigError."""
    names = list(texts)
    data = [texts[each].encode() for each in names]
    return Files(
        folder,
        dict(zip(names, data, strict=True)),
        parse(Path(names[0]), data[0], DaemonSettings),
        parse(Path(names[1]), data[1], PatientFile),
        parse(Path(names[2]), data[2], ProgrammeFile),
        name,
    )


def candidates(base: Base, grid: Grid) -> tuple[list[FilterSection], list[Candidate]]:
    """Settings of [filter] and what they come to; the recorded ones first. Raises ConfigError."""
    share = base.level.off_uv / base.level.on_uv
    on_uv = grid.on_uv or _octaves(base.level.on_uv)
    levels = tuple(
        Level(on_uv=uv, off_uv=min(uv, float(f"{uv * share:.4g}"))) for uv in sorted(on_uv)
    )
    now = base.files.settings.filter
    bands = [now]
    for low_hz, detector in product(grid.band_low_hz or [now.band_low_hz], grid.detectors):
        bands += _bands(now, low_hz, detector, grid.envelopes)
    unique = list(dict.fromkeys(bands))
    rail_uv = base.files.settings.stream.rail_uv if base.files.settings.stream else 0.0
    made = []
    for band in unique:
        coefficients = coefficients_of(base.rate_hz, rail_uv, band)
        if coefficients.cusum:
            coefficients = replace(coefficients, channel_ratios=base.ratios)
        made.append(Candidate(name=named(band, now), coefficients=coefficients, levels=levels))
    return unique, made


def named(band: FilterSection, now: FilterSection) -> str:
    """In a few words."""
    how = (
        f"lowpass {band.envelope_hz:g} Hz"
        if band.envelope == "lowpass"
        else f"rms {band.rms_window_ms:g} ms"
    )
    words = [band.detector if band.detector == "cusum" else f"envelope {how}"]
    if band.band_low_hz != now.band_low_hz:
        words.append(f"from {band.band_low_hz:g} Hz")
    return ", ".join(words) + (" (now)" if band == now else "")


def _octaves(on_uv: float) -> list[float]:
    low, high = (round(STEPS_AN_OCTAVE * log2(share)) for share in SPAN)
    return [float(f"{on_uv * 2 ** (step / STEPS_AN_OCTAVE):.4g}") for step in range(low, high + 1)]


def _bands(
    now: FilterSection, low_hz: float, detector: str, envelopes: Sequence[str]
) -> list[FilterSection]:
    if detector == "cusum":
        least = now.min_duration_ms if now.detector == "cusum" else 0.0
        return [_band(now, band_low_hz=low_hz, detector="cusum", min_duration_ms=least)]
    least = now.min_duration_ms if now.detector == "envelope" else MIN_DURATION_MS
    return [
        _band(
            now,
            band_low_hz=low_hz,
            detector=detector,
            min_duration_ms=least,
            **_envelope(said),
        )
        for said in envelopes
    ]


def _envelope(said: str) -> dict[str, Any]:
    kind, _, number = said.partition(":")
    key = {"lowpass": "envelope_hz", "rms": "rms_window_ms"}.get(kind)
    try:
        if key is not None:
            return {"envelope": kind, key: float(number)}
    except ValueError:
        pass
    raise ConfigError(f"envelope {said!r}: must be as lowpass:8 (Hz) or rms:100 (ms)")


def _band(now: FilterSection, **values: Any) -> FilterSection:
    try:
        return FilterSection.model_validate({**now.model_dump(), **values})
    except ValidationError as error:
        told = "; ".join(
            f"{one['loc'][-1]} = {one['input']}: {one['msg']}" for one in error.errors()
        )
        raise ConfigError(f"[filter]: {told}: choose another value") from None


def _recorded(session: Folder) -> Files:
    """The files of the day: the record has their texts."""
    texts = session.session.get("files") or {}
    name = str(session.session.get("programme", ""))
    if len(texts) != _FILES:
        raise ConfigError(
            f"{session.path}: has no copy of its files: name nmesd.toml with --config"
        )
    return files_from(texts, name, Path())


def _of_stream(settings: dict[str, Any]) -> Any:
    stream = settings["stream"]
    return None if stream is None else (stream["rate_mhz"], stream["columns"])


def _muscle(session: Folder, number: int) -> Muscle:
    muscles = core_settings(session.settings["core"]).muscles
    if session.settings["stream"] is None or number >= len(muscles) or not muscles[number].on_nv:
        raise ConfigError(f"{session.path}: no EMG was decided on: leave it out")
    return muscles[number]
