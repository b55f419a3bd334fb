"""Every detector at the same rate of false alarms: threshold on one set of rest, judged on another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.onsets.signals import RATE_HZ, Array

Fires = NDArray[np.bool_]
"""(samples, trials): does it fire here?"""
FiresAt = Callable[[float], Fires]
"""The same for a threshold."""

REFRACTORY_S: Final = 1.0
LATEST_MS: Final = 1000
JUST_BEFORE_MS: Final = 100  # what fires so soon before an onset was false, and hides the true one
_STEPS: Final = 16
_NORMAL_90: Final = 1.6449  # of the standard normal distribution: 5 % above


@dataclass(frozen=True, slots=True)
class Judged:
    """One detector under one condition. Delays in milliseconds, missed ones count as infinite."""

    median_ms: float
    median_90_ms: tuple[float, float]
    """Nine times in ten the median of all trials there could be lies here."""
    p95_ms: float
    missed: float
    early: float


def false_alarms(fires: Fires) -> int:
    """With a refractory time of a second."""
    wait, count = round(REFRACTORY_S * RATE_HZ), 0
    for column in fires.T:
        at = np.flatnonzero(column)
        while len(at):
            count += 1
            at = at[np.searchsorted(at, at[0] + wait) :]
    return count


def per_min(fires: Fires) -> float:
    """False alarms a minute."""
    return false_alarms(fires) / minutes(fires)


def per_min_90(fires: Fires) -> tuple[float, float]:
    """Where the true rate lies nine times in ten."""
    low, high = poisson_90(false_alarms(fires))
    return low / minutes(fires), high / minutes(fires)


def minutes(fires: Fires) -> float:
    """Of all trials together."""
    return fires.size / RATE_HZ / 60


def threshold(fires_at: FiresAt, rate_per_min: float, low: float, high: float) -> float:
    """The lowest threshold between `low` and `high` (both above 0) that is not over this rate."""
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        if per_min(fires_at(middle)) > rate_per_min:
            low = middle
        else:
            high = middle
    return high


def judge(fires: Fires, onset: int) -> Judged:
    """Delays from the onset to the sample that decided, that sample included."""
    early = fires[onset - JUST_BEFORE_MS * RATE_HZ // 1000 : onset].any(axis=0)
    after = fires[onset : onset + LATEST_MS * RATE_HZ // 1000, ~early]
    hit = after.any(axis=0)
    delay = np.where(hit, (np.argmax(after, axis=0) + 1) * 1000 / RATE_HZ, np.inf)
    median, p95 = np.percentile(delay, (50, 95), method="higher")
    ordered, half = np.sort(delay), 0.5 * len(delay)
    off = (
        0.5 * _NORMAL_90 * math.sqrt(len(delay))
    )  # ranks between which the median lies, binomially
    low, high = (
        float(ordered[min(max(round(rank), 0), len(delay) - 1)])
        for rank in (half - off, half + off)
    )
    return Judged(
        float(median), (low, high), float(p95), float(1 - hit.mean()), float(early.mean())
    )


def poisson_90(count: int) -> tuple[float, float]:
    """Where the mean of a count lies nine times in ten (chi-square by Wilson and Hilferty)."""

    def gamma(shape: float, z: float) -> float:
        if not shape:
            return 0.0
        return float(shape * (1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))) ** 3)

    return gamma(count, -_NORMAL_90), gamma(count + 1, _NORMAL_90)


def lorden_ms(noise_psd: Array, emg_psd: Array, snr: float, rate_per_min: float) -> float:
    """ln(gamma) over the Kullback-Leibler rate of the two spectra: asymptotic, not a floor on the median.

    The rate in nats a second is the integral over 0 to half the sampling rate of rho - 1 - ln(rho),
    where rho is the ratio of the spectra with and without EMG; for white ones it is 0.5 (rho - 1 - ln
    rho) a sample (Lorden 1971; Moustakides 1986).

    Args:
        noise_psd: at equally spaced frequencies from 0 to half the rate, any unit.
        emg_psd: the same of the EMG.
        snr: ratio of their powers that the trial has.
        rate_per_min: false alarms a minute.
    """
    rho = 1 + snr * (emg_psd / emg_psd.mean()) / np.maximum(noise_psd / noise_psd.mean(), 1e-6)
    nats_per_s = float(np.mean(rho - 1 - np.log(rho))) * RATE_HZ / 2
    return 1000 * math.log(60 * RATE_HZ / rate_per_min) / nats_per_s
