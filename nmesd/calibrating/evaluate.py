"""What rest and efforts come to, or why they are no good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dsp.calibration import calibrate
from dsp.measured import Measured, measure
from dsp.quality import SETTLING
from dsp.rest import find_rest
from nmesd.calibrating.listen import Heard, Span
from nmesd.daemon.patient import MuscleSection, ThresholdSection
from nmesd.daemon.settings import FilterSection, StreamSection
from nmesd.daemon.thresholds import FALSE_PER_MIN, Thresholds, coefficients_of, of_calibration
from nmesd.errors import EXPLAIN, ConfigError, Reason
from nmesd.sessions.calibration import CalibrationFile
from nmesd.sessions.detect import REASONS

LEAD_S: Final = 0.5  # of an effort's time: nobody begins at once
MOST_BAD: Final = 0.02  # of rest that may be no measurement
MOST_HUM: Final = (
    0.5  # of the power of rest after the filters: with more the threshold would be one for hum
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a calibration came to."""

    file: CalibrationFile
    found: Thresholds
    measured: Measured
    rest: tuple[tuple[int, int], ...]
    efforts: tuple[tuple[int, int], ...]
    detected: int
    """Efforts that would be attempts at this threshold."""


def evaluate(
    heard: Heard, stream: StreamSection, band: FilterSection, muscle: MuscleSection, made: str
) -> Outcome:
    """What the signal comes to. Raises ConfigError if it is no good, with what to do."""
    coefficients = coefficients_of(stream.rate_hz, stream.rail_uv, band)
    measured = measure(heard.emg_uv, coefficients)
    rest = (
        find_rest(measured.energy_uv2, measured.hop_s)
        if heard.rest_s is None
        else _hops(heard.rest_s, measured, coefficients.settle_hops)
    )
    _refuse_bad(measured, rest)
    efforts = _hops(heard.efforts_s, measured, 0, lead_s=LEAD_S)
    try:
        calibration = calibrate(measured, rest, efforts, coefficients)
    except ValueError as error:
        raise ConfigError(f"not calibrated: {error}") from None
    section: ThresholdSection = muscle
    if muscle.wanted is None:  # a muscle without a threshold gets the usual one
        section = ThresholdSection(false_per_min=FALSE_PER_MIN, calibration="this")
    found = of_calibration(calibration, section)
    file = CalibrationFile(
        made=made,
        muscle=muscle.label,
        rate_hz=stream.rate_hz,
        chain=band.model_dump(),
        calibration=calibration,
    )
    seen = sum(measured.rms_uv(a, b) >= found.on_uv for a, b in efforts)
    return Outcome(
        file=file, found=found, measured=measured, rest=rest, efforts=efforts, detected=seen
    )


def _hops(
    spans_s: Sequence[Span], measured: Measured, settle: int, lead_s: float = 0.0
) -> tuple[tuple[int, int], ...]:
    return tuple(
        (max(settle, round((a + lead_s) / measured.hop_s)), round(b / measured.hop_s))
        for a, b in spans_s
    )


def _refuse_bad(measured: Measured, rest: Sequence[tuple[int, int]]) -> None:
    flags = np.concatenate([measured.flags[a:b] for a, b in rest] or [np.zeros(0, dtype=np.int64)])
    hum = np.concatenate([measured.hum_share[a:b] for a, b in rest] or [np.zeros(1)])
    if np.median(hum) > MOST_HUM:
        words = EXPLAIN[Reason.EMG_MAINS]
        raise ConfigError(
            f"not calibrated: {words.text}: {100 * np.median(hum):.0f} % of what the filters leave of rest, "
            f"at most {100 * MOST_HUM:.0f} %: {words.remedy}"
        )
    for flag, reason in REASONS.items():
        if flag == SETTLING:  # at the start, and after every other: they are told
            continue
        share = float(np.mean((flags & flag) != 0)) if len(flags) else 0.0
        if share > MOST_BAD:
            words = EXPLAIN[reason]
            raise ConfigError(
                f"not calibrated: {words.text} in {100 * share:.0f} % of rest, at most "
                f"{100 * MOST_BAD:.0f} %: {words.remedy}"
            )
