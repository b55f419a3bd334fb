"""nmesd's own detectors over many trials at once, through the code that runs live, one trial a channel.

Thresholds are in standard deviations of rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from bench.onsets.judge import Fires, FiresAt
from bench.onsets.signals import RATE_HZ, Array
from dsp.cusum import Cusum
from dsp.design import ChainSpec, design
from dsp.envelope import Lowpass

_NV: Final = 1_000_000  # of one standard deviation: far above the rounding to nanovolts


def cusum(filtered: Array, variance: float) -> FiresAt:
    """The default."""
    energy = np.square(filtered) * (_NV / 1000) ** 2 / variance
    detector = Cusum(design(ChainSpec(rate_mhz=RATE_HZ * 1000)), filtered.shape[1])

    def fires_at(level: float) -> Fires:
        detector.restart()
        on_nv = (round(level * _NV),) * filtered.shape[1]
        return np.array([detector.run(hop, on_nv) >= 1.0 for hop in energy])

    return fires_at


def envelope(filtered: Array, variance: float) -> FiresAt:
    """The envelope against a threshold, without a minimum duration."""
    lowpass = Lowpass(design(ChainSpec(rate_mhz=RATE_HZ * 1000)), filtered.shape[1])
    lowpass.restart()
    scaled = filtered / np.sqrt(variance)
    smooth = np.array([lowpass.run(hop[None].copy()).copy() for hop in scaled])
    return lambda level: smooth >= level


DETECTORS: Final[dict[str, Callable[[Array, float], FiresAt]]] = {
    "nmesd, cusum": cusum,
    "nmesd, envelope": envelope,
}
