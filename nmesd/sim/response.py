"""Short waveforms that add to the EMG: what a pulse leaves there, spikes of single units."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nmesd.sim.spec import PatientSpec
from nmesd.units import UA_PER_MA, US_PER_S

Array = NDArray[np.float64]

_NEGLIGIBLE_UV = 0.1  # where an exponential tail is cut
_SPIKE_S = 0.012  # chosen: this length lies inside the EMG band (SENIAM: 20 to 500 Hz)
_SPIKE_CV = 0.36  # of the intervals of a single unit (biceps; PMC4469921, fig. 2)


def artefact(spec: PatientSpec, amplitude_ua: int, pulse_width_us: int) -> Array:
    """Artefact in microvolts from the pulse's first sample on: two phases, then recovery."""
    peak = spec.artefact_uv_per_ma * amplitude_ua / UA_PER_MA
    phase = max(1, round(pulse_width_us * spec.rate_hz / US_PER_S))
    start = spec.recovery_share * peak
    tau = spec.recovery_tau_ms * spec.rate_hz / 1000
    length = math.ceil(tau * math.log(start / _NEGLIGIBLE_UV)) if start > _NEGLIGIBLE_UV else 0
    tail = start * np.exp(-np.arange(length) / tau)
    return np.concatenate((np.full(phase, peak), np.full(phase, -peak), tail))


def m_wave(spec: PatientSpec, amplitude_ua: int) -> Array:
    """M-wave in microvolts from the pulse's first sample on: silence, then one biphasic wave."""
    current = (amplitude_ua / UA_PER_MA - spec.m_wave_half_ma) / spec.m_wave_slope_ma
    recruited = 1.0 / (1.0 + math.exp(-min(max(current, -50.0), 50.0)))
    latency = round(spec.m_wave_latency_ms * spec.rate_hz / 1000)
    length = max(1, round(spec.m_wave_duration_ms * spec.rate_hz / 1000))
    at = (np.arange(length) + 0.5) / length
    shape = np.sin(2 * np.pi * at) * np.sin(np.pi * at) ** 2
    shape /= 3 * math.sqrt(3) / 8  # the product's own peak
    return np.concatenate((np.zeros(latency), spec.m_wave_uv * recruited * shape))


class Overlay:
    """Waveforms waiting for their samples.

    Added in the order they came, so that the sum's bits do not depend on how the signal is cut.
    """

    def __init__(self) -> None:
        self._waves: list[tuple[int, Array]] = []

    def put(self, start: int, wave: Array) -> None:
        """Add `wave` from sample `start` on."""
        self._waves.append((start, wave))

    def add_to(self, out: Array, first: int) -> None:
        """Add what falls on the samples of `out`, shape (n,), from number `first` on."""
        stop = first + len(out)
        for start, wave in self._waves:
            a, b = max(start, first), min(start + len(wave), stop)
            if a < b:
                out[a - first : b - first] += wave[a - start : b - start]
        self._waves = [(start, wave) for start, wave in self._waves if start + len(wave) > stop]


def spikes(spec: PatientSpec) -> Callable[[Overlay, int], None]:
    """A unit that fires by itself: puts its spikes before a given sample on an overlay."""
    rng = np.random.default_rng([spec.seed, 5])
    length = max(3, round(_SPIKE_S * spec.rate_hz))
    at = 6.0 * ((np.arange(length) + 0.5) / length - 0.5)
    shape = spec.spike_uv * (1 - at**2) * np.exp(-(at**2) / 2)  # triphasic
    mean = spec.rate_hz / spec.spikes_hz if spec.spikes_hz else math.inf
    due = mean * rng.uniform()

    def put_before(overlay: Overlay, stop: int) -> None:
        nonlocal due
        while due < stop:
            overlay.put(math.floor(due), shape)
            due += mean * max(0.1, rng.normal(1.0, _SPIKE_CV))

    return put_before
