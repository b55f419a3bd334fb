"""Design of a chain: from what an operator says, in hertz and milliseconds, to coefficients.

The only file of dsp that imports scipy. It takes a second and 100 MB to import, so it runs where
settings are made and never where they are used.
"""

import math
from collections.abc import Iterable
from typing import Final, Literal

import numpy as np
from scipy import signal

from dsp.blocks import Array
from dsp.coefficients import ChainCoefficients, Section, Speed
from dsp.spec import ChainSpec

__all__ = ["ChainSpec", "design"]

FLAT_MS: Final = 100.0
"""A channel that gives the very same value for so long is not measuring. A converter so coarse that
its step is as large as the noise (1 s.d.) gives its commonest value 38 times in 100. At 200 Hz, the
slowest rate taken, such an amplifier would look flat for 50 ms by chance once a minute, and for 100 ms
once a week; at 1 kHz never. Wi-Fi amplifiers that fill a lost packet with the last
value do so for tens of milliseconds."""

WATCH_MS: Final = 500.0
"""How long after a disturbance was last seen nothing is decided: two time constants of its averages."""

SPEEDS_MS: Final = ((1.0, 35.0, 140.0), (1.25, 12.0, 48.0))
"""Of the CUSUM: ratio to the on threshold, evidence and memory in milliseconds. The first is for attempts near
the strength of rest, the second for strong ones; the ratio makes both equally rare in Gaussian noise, rest says
its own (`dsp.critical`). A shorter first one is sooner in white noise and later on real recordings, whose rest
is not white (`bench/detection.py`, `bench/onsets/real.py`)."""


def design(spec: ChainSpec) -> ChainCoefficients:
    """The coefficients of `spec`."""
    lowpass = spec.envelope == "lowpass"
    return ChainCoefficients(
        rate_mhz=spec.rate_mhz,
        hop_samples=spec.hop_samples,
        filter_sos=_sections(np.vstack([_band(spec), *_notches(spec)])),
        envelope_sos=_sections(_butter(spec, spec.envelope_order, spec.envelope_hz, "lowpass"))
        if lowpass
        else (),
        rms_hops=0 if lowpass else _hops(spec, spec.rms_window_ms),
        min_hops=_hops(spec, spec.min_duration_ms),
        settle_hops=_hops(spec, spec.settle_ms),
        rail_uv=spec.rail_uv,
        flat_hops=_hops(spec, FLAT_MS),
        watch_hops=_hops(spec, WATCH_MS),
        cusum=_speeds(spec) if spec.detector == "cusum" else (),
    )


def _band(spec: ChainSpec) -> Array:
    # The high-pass first, and not one band-pass design: what runs after it never sees the DC.
    band = _butter(spec, spec.band_order, spec.band_low_hz, "highpass")
    if spec.band_high_hz >= spec.edge_limit_hz:
        return band
    return np.vstack([band, _butter(spec, spec.band_order, spec.band_high_hz, "lowpass")])


def _notches(spec: ChainSpec) -> Iterable[Array]:
    for harmonic in range(1, spec.notch_harmonics + 1):
        notch_hz = harmonic * spec.mains_hz
        if 0 < notch_hz < spec.edge_limit_hz:
            numerator, denominator = signal.iirnotch(notch_hz, spec.notch_q, fs=spec.rate_hz)
            yield np.hstack([numerator, denominator])


def _speeds(spec: ChainSpec) -> tuple[Speed, ...]:
    hop_ms = 1000 * spec.hop_samples / spec.rate_hz
    return tuple((ratio, needed / hop_ms, memory / hop_ms) for ratio, needed, memory in SPEEDS_MS)


def _butter(
    spec: ChainSpec, order: int, edge_hz: float, kind: Literal["lowpass", "highpass"]
) -> Array:
    sos: Array = signal.butter(order, edge_hz, kind, output="sos", fs=spec.rate_hz)
    return sos


def _sections(sos: Array) -> tuple[Section, ...]:
    return tuple(tuple(row) for row in sos.tolist())


def _hops(spec: ChainSpec, duration_ms: float) -> int:
    return max(1, math.ceil(duration_ms * spec.rate_mhz / (1_000_000 * spec.hop_samples)))
