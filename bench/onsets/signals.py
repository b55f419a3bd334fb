"""EMG and noise to judge detectors by, many trials side by side: (samples, trials), in any unit.

EMG is Gaussian noise with the spectrum of surface EMG (Stulen and De Luca 1981), or the same with one
sample in ten drawn from a Laplacian before shaping. Noise is white with a 1/f part; a *room* adds what
rooms and people add. Strengths are stated in the band, after the filters that every method gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from dsp.coefficients import ChainCoefficients
from nmesd.sim.signals import emg_taps

Array = NDArray[np.float64]

RATE_HZ: Final = 1000
_PINK_SHARE: Final = 0.2  # of the white noise's amplitude, at 1 kHz
_LAPLACE_SHARE: Final = 0.1


def emg(rng: np.random.Generator, samples: int, trials: int, *, laplace: bool = False) -> Array:
    """Unit variance before the filters."""
    taps = emg_taps(RATE_HZ)
    white = rng.standard_normal((samples + len(taps), trials))
    if laplace:
        heavy = rng.random(white.shape) < _LAPLACE_SHARE
        white[heavy] = rng.laplace(0, 3 / np.sqrt(2), int(heavy.sum()))  # three times the s.d.
    return np.asarray(signal.oaconvolve(white, taps[:, None], mode="valid", axes=0))[:samples]


def white(rng: np.random.Generator, samples: int, trials: int) -> Array:
    """White noise with a 1/f part."""
    noise = rng.standard_normal((samples, trials))
    # 1/f by three one-pole low-passes a decade apart (Kellet's economy filter), slow enough to stay under 20 Hz
    pink = sum(
        signal.lfilter([gain], [1, -pole], noise, axis=0)
        for pole, gain in ((0.99765, 0.0990), (0.963, 0.2965), (0.57, 1.0527))
    )
    return np.asarray(noise + _PINK_SHARE * pink)


def mains(rng: np.random.Generator, samples: int, trials: int) -> Array:
    """White noise and mains three times as strong, 49.8 to 50.2 Hz, with harmonics at 100 and 150 Hz."""
    t = np.arange(samples)[:, None] / RATE_HZ
    hz, phase = rng.uniform(49.8, 50.2, trials), rng.uniform(0, 2 * np.pi, (3, trials))
    hum = sum(
        share * np.sin(2 * np.pi * order * hz * t + phase[order - 1])
        for order, share in ((1, 1.0), (2, 0.2), (3, 0.3))
    )
    return np.asarray(white(rng, samples, trials) + 3 * np.sqrt(2) * hum)


def heart(rng: np.random.Generator, samples: int, trials: int) -> Array:
    """White noise and an ECG: QRS of 12 s.d. peak, 30 ms wide, 60 to 80 a minute."""
    return white(rng, samples, trials) + _train(rng, samples, trials, 1.17, 0.05, 30, 12.0)


def unit(rng: np.random.Generator, samples: int, trials: int) -> Array:
    """White noise and one motor unit that fires by itself, 8 a second: the rest of a spastic muscle."""
    return white(rng, samples, trials) + _train(rng, samples, trials, 8.0, 0.2, 12, 4.0)


ROOMS: Final[dict[str, Callable[[np.random.Generator, int, int], Array]]] = {
    "white": white,
    "mains": mains,
    "ECG": heart,
    "spontaneous unit": unit,
}


def _train(
    rng: np.random.Generator,
    samples: int,
    trials: int,
    per_s: float,
    spread: float,
    ms: int,
    peak: float,
) -> Array:
    """Triphasic spikes of one shape at intervals of the given spread."""
    at = 6.0 * ((np.arange(ms) + 0.5) / ms - 0.5)
    shape = peak * (1 - at**2) * np.exp(-(at**2) / 2)
    out = np.zeros((samples, trials))
    count = int(samples / RATE_HZ * per_s * 1.5) + 3
    mean = RATE_HZ / per_s
    for trial in range(trials):
        steps = mean * np.maximum(0.3, 1 + spread * rng.standard_normal(count))
        beats = (rng.uniform(0, mean) + np.cumsum(steps)).astype(int)
        out[beats[beats < samples], trial] = 1.0
    return np.asarray(signal.oaconvolve(out, shape[:, None], axes=0))[:samples]


def in_band(x: Array, coefficients: ChainCoefficients) -> Array:
    """Through the filters of the chain."""
    return np.asarray(signal.sosfilt(np.array(coefficients.filter_sos), x, axis=0))


def rise(samples: int, onset: int, ramp_ms: int) -> Array:
    """The amplitude of an attempt: 0 before the onset, 1 after a ramp, (samples, 1)."""
    t = np.arange(samples)[:, None] - onset
    return np.asarray(np.clip((t + 1) / max(1, ramp_ms * RATE_HZ / 1000), 0, 1))
