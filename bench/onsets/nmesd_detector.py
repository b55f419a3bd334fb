"""nmesd's own detectors over many trials at once, through the code that runs live, one trial a channel.

Thresholds are in standard deviations of rest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from bench.onsets.judge import Fires, FiresAt
from bench.onsets.signals import RATE_HZ, Array
from dsp.calibration import calibrate
from dsp.coefficients import ChainCoefficients
from dsp.cusum import Cusum
from dsp.design import ChainSpec, design
from dsp.envelope import Lowpass
from dsp.measured import Measured

Detect = Callable[[Array, float, Array], FiresAt]

_NV: Final = 1_000_000  # of one standard deviation: far above the rounding to nanovolts
_CALIBRATED_ON: Final = 2  # columns of the rest


def cusum(filtered: Array, variance: float, rest: Array) -> FiresAt:
    """The default, with the ratio of its speeds from rest as `nmesd calibrate` finds it."""
    energy = np.square(filtered) * (_NV / 1000) ** 2 / variance
    coefficients = _calibrated((rest[:, :_CALIBRATED_ON].T.ravel() / np.sqrt(variance)).tobytes())
    detector = Cusum(coefficients, filtered.shape[1])

    def fires_at(level: float) -> Fires:
        detector.restart()
        on_nv = (round(level * _NV),) * filtered.shape[1]
        return np.array([detector.run(hop, on_nv) >= 1.0 for hop in energy])

    return fires_at


@cache
def _calibrated(rest: bytes) -> ChainCoefficients:
    """The chain fit to a rest of unit variance."""
    coefficients = design(ChainSpec(rate_mhz=RATE_HZ * 1000))
    energy = np.square(np.frombuffer(rest))
    nothing = np.zeros(len(energy), dtype=np.int64)
    measured = Measured(energy, nothing, nothing, 0.0 * energy, 1 / RATE_HZ, 1)
    return calibrate(measured, ((0, len(energy)),), (), coefficients).fit(coefficients)


def envelope(filtered: Array, variance: float, _: Array) -> FiresAt:
    """The envelope against a threshold, without a minimum duration."""
    lowpass = Lowpass(design(ChainSpec(rate_mhz=RATE_HZ * 1000)), filtered.shape[1])
    lowpass.restart()
    scaled = filtered / np.sqrt(variance)
    smooth = (
        np.array([lowpass.run(hop[None].copy()).copy() for hop in scaled]) / 1000
    )  # as it came in
    return lambda level: smooth >= level


DETECTORS: Final[dict[str, Detect]] = {"nmesd, cusum": cusum, "nmesd, envelope": envelope}
