"""What everybody is asked to do: band-pass 20 to 450 Hz of order 4, rectify, envelope, compare. numpy and scipy."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Array = NDArray[np.float64]

BAND_HZ: Final = (20.0, 450.0)
BAND_ORDER: Final = 4
ENVELOPE_HZ: Final = 8.0
ENVELOPE_ORDER: Final = 2
ON_UV: Final = 500.0  # no noise here comes near it: everybody decides, and decides no
NOISE_UV: Final = 10.0  # standard deviation of what is sent


def band_sos(rate_hz: float) -> Array:
    """Of the band-pass; where the upper edge is beyond what the rate holds, of the high-pass alone."""
    high = 0.9 * rate_hz / 2 > BAND_HZ[1]
    edges, kind = (BAND_HZ, "bandpass") if high else (BAND_HZ[0], "highpass")
    return np.asarray(signal.butter(BAND_ORDER, edges, kind, fs=rate_hz, output="sos"))


def envelope_sos(rate_hz: float) -> Array:
    """Of the envelope's low-pass."""
    return np.asarray(signal.butter(ENVELOPE_ORDER, ENVELOPE_HZ, fs=rate_hz, output="sos"))


class Filter:
    """Sections with their state, one `sosfilt` call a chunk."""

    def __init__(self, sos: Array, channels: int) -> None:
        self._sos = sos
        self._zi = np.zeros((len(sos), 2, channels))

    def run(self, chunk: Array) -> Array:
        """(samples, channels), filtered."""
        out, self._zi = signal.sosfilt(self._sos, chunk, axis=0, zi=self._zi)
        return np.asarray(out)
