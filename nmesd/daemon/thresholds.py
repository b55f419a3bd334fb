"""What a muscle's threshold comes to in microvolts, whichever of its four units it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from dsp.calibration import Calibration
from dsp.coefficients import ChainCoefficients
from dsp.measured import measure
from dsp.spec import ChainSpec
from nmesd.daemon.designing import DESIGNER
from nmesd.daemon.patient import MuscleSection, ThresholdSection
from nmesd.daemon.settings import FilterSection, read_settings
from nmesd.errors import ConfigError
from nmesd.sessions.calibration import read_calibration
from nmesd.sessions.detect import Found, Show, calibration_of, detect, rest_of
from nmesd.sessions.recording import Recording, read_recording
from nmesd.units import MHZ_PER_HZ

FALSE_PER_MIN: Final = 0.2
"""What a threshold is set to where nobody says: one false trigger in five minutes of rest."""
FLOOR_PER_MIN: Final = 1.0
"""A threshold that moves goes no lower than where rest alone gives so many false triggers."""
CEILING_PERCENT_MVC: Final = 50.0
"""And no higher than this: thresholds are set at 10 to 50 % of one's own best effort in the literature."""


class Thresholds(NamedTuple):
    """Of the muscle. `false_per_min` is what rest alone is expected to give, with its 90 % range."""

    on_uv: float
    off_uv: float
    false_per_min: float | None = None
    range_per_min: tuple[float, float] | None = None
    ratios: tuple[float, ...] = ()
    """Of each speed's threshold to `on_uv`; empty: as the chain is designed."""
    bounds_uv: tuple[float, float] | None = None
    """Between which it may move; None: it stays."""

    @property
    def section(self) -> dict[str, Any]:
        """The same as keys of a muscle in patient.toml, for one without a calibration."""
        fast = {"fast_ratio": self.ratios[1]} if self.ratios else {}
        return {"on_uv": self.on_uv, "off_uv": self.off_uv, **fast}


def coefficients_of(rate_hz: float, rail_uv: float, band: FilterSection) -> ChainCoefficients:
    """Design the chain. Raises ConfigError."""
    try:
        return DESIGNER.design(
            ChainSpec(
                rate_mhz=round(rate_hz * MHZ_PER_HZ),
                band_low_hz=band.band_low_hz,
                band_high_hz=band.band_high_hz,
                mains_hz=band.mains_hz,
                envelope=band.envelope,
                envelope_hz=band.envelope_hz,
                rms_window_ms=band.rms_window_ms,
                detector=band.detector,
                min_duration_ms=band.min_duration_ms,
                rail_uv=rail_uv,
            )
        )
    except ValueError as error:
        raise ConfigError(f"[filter]: {error}") from None


def thresholds(
    muscle: MuscleSection, rate_hz: float, band: FilterSection, folder: Path
) -> Thresholds:
    """Of one muscle, from the calibration it names if it does. Raises ConfigError."""
    if muscle.wanted is None:
        raise ConfigError(
            f"muscle {muscle.label!r} has no threshold, and this programme hears its EMG: give one, see "
            "`nmesd calibrate`"
        )
    found = (
        _of_file(muscle, rate_hz, band, folder / muscle.calibration)
        if muscle.calibration
        else Thresholds(
            muscle.on_uv or 0.0,  # both are given: validated
            muscle.off_uv or 0.0,
            ratios=() if muscle.fast_ratio is None else (1.0, muscle.fast_ratio),
        )
    )
    if found.ratios and band.detector != "cusum":
        raise ConfigError(
            f"muscle {muscle.label!r}: fast_ratio is of the CUSUM, detector is {band.detector!r}: leave it out"
        )
    return _bounded(found, muscle)


def _of_file(muscle: MuscleSection, rate_hz: float, band: FilterSection, path: Path) -> Thresholds:
    file = read_calibration(path)
    made = {"muscle": file.muscle, "rate_hz": file.rate_hz, **file.chain}
    now = {"muscle": muscle.label, "rate_hz": rate_hz, **band.model_dump()}
    other = [
        f"{key} was {made.get(key)!r}, is {value!r}"
        for key, value in now.items()
        if made.get(key) != value
    ]
    if other:
        raise ConfigError(
            f"{path}: made with other settings: {'; '.join(other)}: calibrate again, or set them back"
        )
    return of_calibration(file.calibration, muscle)


def _bounded(found: Thresholds, muscle: MuscleSection) -> Thresholds:
    """Bounds of one's own go before those of a calibration. Raises ConfigError."""
    low, high = found.bounds_uv or (muscle.floor_uv, muscle.ceiling_uv)
    low, high = muscle.floor_uv or low, muscle.ceiling_uv or high
    if low is None or high is None:
        return found._replace(bounds_uv=None)
    low = max(low, found.off_uv)
    if not low <= found.on_uv <= high:
        raise ConfigError(
            f"muscle {muscle.label!r}: the threshold of {found.on_uv:.4g} µV must lie between its floor of "
            f"{low:.4g} and its ceiling of {high:.4g} µV: set floor_uv or ceiling_uv, or calibrate again"
        )
    return found._replace(bounds_uv=(low, high))


def of_calibration(calibration: Calibration, section: ThresholdSection) -> Thresholds:
    """Raises ConfigError if the threshold cannot be said in this unit."""
    assert section.wanted is not None  # noqa: S101 - with a calibration there is one
    try:
        on_uv = calibration.on_uv(*section.wanted)
        tail = calibration.tail
    except ValueError as error:
        raise ConfigError(f"threshold: {error}") from None
    off_uv = calibration.off_uv(on_uv) if section.off_uv is None else min(section.off_uv, on_uv)
    bounds_uv = None
    if calibration.mvc_uv:
        floor_uv = min(on_uv, calibration.on_uv("false_per_min", FLOOR_PER_MIN))
        ceiling_uv = max(on_uv, calibration.on_uv("percent_mvc", CEILING_PERCENT_MVC))
        bounds_uv = (floor_uv, ceiling_uv)
    return Thresholds(
        on_uv,
        off_uv,
        tail.false_per_min(on_uv),
        tail.interval_per_min(on_uv),
        calibration.ratios,
        bounds_uv,
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
    if config is None:
        band, rail_uv = FilterSection(), 0.0
    else:
        settings = read_settings(config)
        band, rail_uv = settings.filter, settings.stream.rail_uv if settings.stream else 0.0
    coefficients = coefficients_of(recording.fs_hz, rail_uv, band)
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
    coefficients = coefficients_of(recording.fs_hz, 0.0, band)
    measured = measure(np.asarray(recording.emg_uv[:, channel], dtype=np.float64), coefficients)
    rest = rest_of(measured, None if rest_s is None else (0.0, rest_s))
    return of_calibration(calibration_of(recording.name, measured, coefficients, rest), section)
