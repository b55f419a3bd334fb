"""What the electrodes pick up without stimulation: coloured noise, tone, mains.

Everything is made in blocks of fixed length and by element-wise arithmetic only, so that a sample's
bits depend neither on how the signal is cut into chunks nor on the machine's vector units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmesd.sim.spec import PatientSpec

Array = NDArray[np.float64]

BLOCK: Final = 256  # samples; only sets how much is computed at a time

# Corner frequencies of the power spectrum of surface EMG (Stulen & De Luca 1981), Hz
_LOW_HZ: Final = 60.0
_HIGH_HZ: Final = 120.0
# Half the filter's length: twelve time constants of the lower corner (2.7 ms)
_HALF_LENGTH_S: Final = 0.032

_MAINS_SPREAD_HZ: Final = 0.2
_HARMONICS: Final = ((1, 1.0), (2, 0.2), (3, 0.3))  # order, share of the fundamental's amplitude


class BlockStream:
    """Cuts blocks into pieces of any length; `make` returns the next (BLOCK, ...) array."""

    def __init__(self, make: Callable[[], Array]) -> None:
        self._make = make
        self._left = make()

    def take(self, n: int) -> Array:
        """The next `n` samples, shape (n, ...)."""
        pieces = []
        while n > len(self._left):
            pieces.append(self._left)
            n -= len(self._left)
            self._left = self._make()
        pieces.append(self._left[:n])
        self._left = self._left[n:]
        return np.concatenate(pieces)


def emg_taps(rate_hz: float) -> Array:
    """Symmetric FIR filter from white noise to EMG-like noise, both of unit variance."""
    half = max(1, round(_HALF_LENGTH_S * rate_hz))
    size = 1 << (8 * half).bit_length()
    f = np.fft.rfftfreq(size, 1.0 / rate_hz)
    gain = _HIGH_HZ**2 * f / (np.sqrt(f**2 + _LOW_HZ**2) * (f**2 + _HIGH_HZ**2))
    response = np.fft.irfft(gain, size)
    taps = np.concatenate((response[-half:], response[: half + 1])) * np.hanning(2 * half + 3)[1:-1]
    return np.asarray(taps / np.sqrt(np.sum(taps**2)))


def shaped_noise(rng: np.random.Generator, taps: Array) -> Callable[[], Array]:
    """Maker of blocks of filtered white noise, shape (BLOCK,), seamless from block to block."""
    tail = rng.standard_normal(len(taps) - 1)

    def make() -> Array:
        nonlocal tail
        white = np.concatenate((tail, rng.standard_normal(BLOCK)))
        tail = white[BLOCK:]
        out = np.zeros(BLOCK)
        for lag, tap in enumerate(taps):  # not np.convolve: its dot products may round by alignment
            out += tap * white[lag : lag + BLOCK]
        return out

    return make


def background(spec: PatientSpec) -> Callable[[], Array]:
    """Maker of blocks of the muscle at rest in microvolts, shape (BLOCK, channels)."""
    white = [np.random.default_rng([spec.seed, 1, c]) for c in range(spec.channels)]
    taps = emg_taps(spec.rate_hz)
    tone = [
        shaped_noise(np.random.default_rng([spec.seed, 2, c]), taps) for c in range(spec.channels)
    ]
    share = spec.rest_uv / np.sqrt(2.0)  # half of the power each
    rng = np.random.default_rng([spec.seed, 3])
    mains_hz = spec.mains_hz + rng.uniform(-_MAINS_SPREAD_HZ, _MAINS_SPREAD_HZ)
    partials = [
        (
            2 * np.pi * order * mains_hz / spec.rate_hz,
            part * spec.mains_uv,
            rng.uniform(0, 2 * np.pi),
        )
        for order, part in _HARMONICS
        if order * mains_hz < spec.rate_hz / 2
    ]
    first = 0

    def make() -> Array:
        nonlocal first
        n = np.arange(first, first + BLOCK, dtype=np.float64)
        first += BLOCK
        common = np.full(BLOCK, spec.offset_uv)
        for step, amplitude, phase in partials:
            common += amplitude * np.sin(step * n + phase)
        rest = [share * (w.standard_normal(BLOCK) + t()) for w, t in zip(white, tone, strict=True)]
        made: Array = np.stack(rest, axis=1) + common[:, None]
        return made

    return make
