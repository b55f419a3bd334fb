"""The detectors of the field, each re-implemented causally from its formula: EMG in, one statistic out.

A statistic fires where it is above a threshold; each gets the threshold of the same false-alarm rate.
All take (samples, trials) of filtered EMG at `RATE_HZ` and the variance of its rest, and give an array
of the same shape. None looks ahead; TKEO needs one sample more, so it tells a sample later.
Sources: the facts of `facts/emg-detection.md` §2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from scipy import signal

from bench.onsets.signals import RATE_HZ, Array

Method = Callable[[Array, float], Array]

_GLR_MS: Final = (5, 10, 15, 20, 30, 40, 60, 80, 100, 130, 160, 200)


def linear_envelope(edge_hz: float) -> Method:
    """Modified Hodges (Yuvaraj 2023): rectify, low-pass, mean + alpha s.d."""
    sos = signal.butter(2, edge_hz, fs=RATE_HZ, output="sos")
    return lambda x, _: np.asarray(signal.sosfilt(sos, np.abs(x), axis=0))


def hodges_bui(window_ms: int) -> Method:
    """Hodges and Bui 1996: mean of the rectified EMG over a window, in s.d. of rest."""
    return lambda x, _: _mean(np.abs(x), window_ms)


def rms(window_ms: int) -> Method:
    """Moving r.m.s., squared."""
    return lambda x, _: _mean(np.square(x), window_ms)


def tkeo(edge_hz: float) -> Method:
    """Teager-Kaiser energy (Li 2007, Solnik 2008), rectified and low-passed."""
    sos = signal.butter(2, edge_hz, fs=RATE_HZ, output="sos")

    def run(x: Array, _: float) -> Array:
        psi = np.zeros_like(x)
        psi[2:] = x[1:-1] ** 2 - x[2:] * x[:-2]  # of the sample before, which is known only now
        return np.asarray(signal.sosfilt(sos, np.abs(psi), axis=0))

    return run


def bonato(needed: int, of: int) -> Method:
    """Bonato 1998: pairs of whitened squares; at least `needed` of the last `of` over a first threshold.

    The statistic is the highest first threshold at which that holds: the `needed`-th largest of `of`.
    """

    def run(x: Array, variance: float) -> Array:
        power = np.square(x) / variance
        pairs = power[:-1:2] + power[1::2]
        out = np.zeros_like(x)
        padded = np.vstack([np.zeros((of - 1, x.shape[1])), pairs])
        for n in range(len(pairs)):
            largest = np.partition(padded[n : n + of], of - needed, axis=0)[of - needed]
            out[2 * n + 1 : 2 * n + 3] = largest  # known with the pair's second sample
        return out

    return run


def aglr(x: Array, variance: float) -> Array:
    """Approximated generalised likelihood ratio (Staude and Wolf 1999): variance step, growing window."""
    total = np.vstack([np.zeros((1, x.shape[1])), np.cumsum(np.square(x) / variance, axis=0)])
    out = np.zeros_like(x)
    for ms in _GLR_MS:
        w = ms * RATE_HZ // 1000
        v = np.maximum((total[w:] - total[:-w]) / w, 1.0)
        np.maximum(out[w - 1 :], w / 2 * (v - 1 - np.log(v)), out=out[w - 1 :])
    return out


def cusum(snr_db: float) -> Method:
    """Page 1954, for a rise in variance by a known ratio; alone, and with an unlimited memory."""
    r = 10 ** (snr_db / 10)

    def run(x: Array, variance: float) -> Array:
        step = 0.5 * (r / (1 + r) * np.square(x) / variance - np.log1p(r))
        out, last = np.empty_like(x), np.zeros(x.shape[1])
        for n, more in enumerate(step):
            last = np.maximum(0.0, last + more)
            out[n] = last
        return out

    return run


METHODS: Final[dict[str, Method]] = {
    "modified Hodges, 2 Hz": linear_envelope(2),
    "modified Hodges, 5 Hz": linear_envelope(5),
    "modified Hodges, 10 Hz": linear_envelope(10),
    "Hodges-Bui, 50 ms": hodges_bui(50),
    "r.m.s., 50 ms": rms(50),
    "r.m.s., 100 ms": rms(100),
    "TKEO, 5 Hz": tkeo(5),
    "Bonato, 1 of 5": bonato(1, 5),
    "Bonato, 12 of 25": bonato(12, 25),
    "AGLR": aglr,
    "CUSUM, 0 dB": cusum(0),
    "CUSUM, 3 dB": cusum(3),
}


def whitened(x: Array, rest: Array, order: int = 8) -> Array:
    """Through the inverse of the autoregressive model of `rest` (Yule-Walker): what Bonato and AGLR ask for."""
    lags = [float(np.mean(rest[: len(rest) - k] * rest[k:])) for k in range(order + 1)]
    matrix = np.array([[lags[abs(i - j)] for j in range(order)] for i in range(order)])
    ar = np.linalg.solve(matrix + 1e-9 * lags[0] * np.eye(order), lags[1:])
    return np.asarray(signal.lfilter(np.concatenate([[1.0], -ar]), [1.0], x, axis=0))


WHITENED: Final[Sequence[str]] = ("Bonato, 1 of 5", "Bonato, 12 of 25", "AGLR")


def _mean(x: Array, window_ms: int) -> Array:
    w = window_ms * RATE_HZ // 1000
    total = np.vstack([np.zeros((w, x.shape[1])), np.cumsum(x, axis=0)])
    return np.asarray((total[w:] - total[:-w]) / w)
