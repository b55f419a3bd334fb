"""What [threshold] of nmesd.toml comes to in microvolts, whichever of its four units it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from dsp.calibration import Calibration
from dsp.coefficients import ChainCoefficients
from dsp.measured import measure
from nmesd.daemon.settings import (
    DaemonSettings,
    FilterSection,
    ThresholdSection,
    read_settings,
)
from nmesd.errors import ConfigError
from nmesd.sessions.calibration import read_calibration
from nmesd.sessions.detect import Found, Show, calibration_of, detect, rest_of
from nmesd.sessions.recording import Recording, read_recording
from nmesd.units import MHZ_PER_HZ

FALSE_PER_MIN: Final = 0.2
"""What a threshold is set to where nobody says: one false trigger in five minutes of rest."""


class Thresholds(NamedTuple):
    """Of the muscle. `false_per_min` is what rest alone is expected to give, with its 90 % range."""

    on_uv: float
    off_uv: float
    false_per_min: float | None = None
    range_per_min: tuple[float, float] | None = None
    ratios: tuple[float, ...] = ()
    """Of each speed's threshold to `on_uv`; empty: as the chain is designed."""

    @property
    def section(self) -> dict[str, Any]:
        """The same as keys of [threshold], for one without a calibration."""
        fast = {"fast_ratio": self.ratios[1]} if self.ratios else {}
        return {"on_uv": self.on_uv, "off_uv": self.off_uv, **fast}


def coefficients_of(
    rate_hz: float, rail_uv: float, band: FilterSection, threshold: ThresholdSection
) -> ChainCoefficients:
    """Design the chain. Raises ConfigError."""
    from dsp.design import ChainSpec, design  # noqa: PLC0415 - scipy: once, at start, and nowhere else

    try:
        return design(
            ChainSpec(
                rate_mhz=round(rate_hz * MHZ_PER_HZ),
                band_low_hz=band.band_low_hz,
                band_high_hz=band.band_high_hz,
                mains_hz=band.mains_hz,
                envelope=band.envelope,
                envelope_hz=band.envelope_hz,
                rms_window_ms=band.rms_window_ms,
                detector=threshold.detector,
                min_duration_ms=threshold.min_duration_ms,
                rail_uv=rail_uv,
            )
        )
    except ValueError as error:
        raise ConfigError(f"[filter]: {error}") from None


def chain_facts(settings: DaemonSettings) -> dict[str, Any]:
    """The settings that a calibration holds for."""
    threshold = settings.threshold
    return {
        **settings.filter.model_dump(),
        "detector": threshold.detector,
        "min_duration_ms": threshold.min_duration_ms,
    }


def thresholds(settings: DaemonSettings) -> Thresholds:
    """From [threshold], and from the calibration it names. Raises ConfigError."""
    section = settings.threshold
    if not section.calibration:
        ratios = () if section.fast_ratio is None else (1.0, section.fast_ratio)
        return Thresholds(
            section.on_uv or 0.0, section.off_uv or 0.0, ratios=ratios
        )  # both are given: validated
    path = Path(section.calibration)
    file = read_calibration(path)
    made = {"muscle": file.muscle, "rate_hz": file.rate_hz, **file.chain}
    now = {
        "muscle": settings.stream.muscle,
        "rate_hz": settings.stream.rate_hz,
        **chain_facts(settings),
    }
    other = [
        f"{key} was {made.get(key)!r}, is {value!r}"
        for key, value in now.items()
        if made.get(key) != value
    ]
    if other:
        raise ConfigError(
            f"{path}: made with other settings: {'; '.join(other)}: calibrate again, or set them back"
        )
    return of_calibration(file.calibration, section)


def of_calibration(calibration: Calibration, section: ThresholdSection) -> Thresholds:
    """Raises ConfigError if the threshold cannot be said in this unit."""
    try:
        on_uv = calibration.on_uv(*section.wanted)
        tail = calibration.tail
    except ValueError as error:
        raise ConfigError(f"[threshold]: {error}") from None
    off_uv = calibration.off_uv(on_uv) if section.off_uv is None else min(section.off_uv, on_uv)
    return Thresholds(
        on_uv, off_uv, tail.false_per_min(on_uv), tail.interval_per_min(on_uv), calibration.ratios
    )


def detect_in(
    path: Path,
    rest_s: tuple[float, float] | None,
    false_per_min: float,
    config: Path | None,
    show: Show = lambda _: None,
) -> tuple[Found, ...]:
    """`nmesd detect`: the filters and the detector of `config`, or the defaults. Raises NmesdError."""
    recording = read_recording(path)
    wanted = ThresholdSection(false_per_min=false_per_min, calibration=recording.name)
    if config is None:
        band, rail_uv = FilterSection(), 0.0
    else:
        settings = read_settings(config)
        band, rail_uv = settings.filter, settings.stream.rail_uv
        keys = ("detector", "min_duration_ms")
        wanted = wanted.model_copy(update={key: getattr(settings.threshold, key) for key in keys})
    coefficients = coefficients_of(recording.fs_hz, rail_uv, band, wanted)
    return detect(
        recording, coefficients, unit="false_per_min", value=false_per_min, rest_s=rest_s, show=show
    )


def from_rest(
    recording: Recording,
    rest_s: float | None,
    band: FilterSection,
    channel: int = 0,
    section: ThresholdSection | None = None,
) -> Thresholds:
    """From the first `rest_s` seconds of a channel, or from the rest that is found in all of it.

    Raises RecordError if there is too little.
    """
    section = section or ThresholdSection(false_per_min=FALSE_PER_MIN, calibration=recording.name)
    coefficients = coefficients_of(recording.fs_hz, 0.0, band, section)
    measured = measure(np.asarray(recording.emg_uv[:, channel], dtype=np.float64), coefficients)
    rest = rest_of(measured, None if rest_s is None else (0.0, rest_s))
    return of_calibration(calibration_of(recording.name, measured, coefficients, rest), section)
