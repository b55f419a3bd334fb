"""Thresholds from rest: how far above resting envelope an attempt must rise.

    baseline = median
    scale    = (90th percentile - median) / 1.2816
    on       = baseline + 9 x scale, and at least 0.25 uV above baseline
    off      = baseline + 0.65 x (on - baseline)

The scale is what the standard deviation would be if rest were Gaussian, taken from the upper side
only, because that is the side an attempt is on and rest is skewed to it: ECG, tone, single motor
units. Mean and standard deviation are not used: their textbook multiples do not carry over from one
patient to the next (3 gave 5 to 14 false detections a minute, and 5, 10 and 20 were needed in three
people).

A tenth of the rest, less a hop, may be involuntary bursts of any strength and no statistic here
leaves the range of the quiet remainder; the thresholds rise with them, and do not run away.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SCALES_ABOVE_BASELINE: Final = 9
"""With the defaults of `dsp.design.ChainSpec`, thresholds from the first rest of each recording
alone (7, 20 and 1.2 s), and detection closed for 1.5 s after each detection and until 0.3 s below
off: tibialis anterior 56 of 56, spinal cord injury hand 5 of 5, biceps 9 of 9, none false in 11
minutes, medians 126, 150 and 291 ms after the labelled onset. 8 and 10 do as well; 7 gives one
false detection, 12 misses one of the biceps. One set for all, but chosen on these recordings: no
promise for others."""

OFF_PERCENT: Final = 65
"""Of the rise from baseline to on. Re-arming at 0.7 of the threshold is usual."""

MIN_RISE_NV: Final = 250
"""The least level the NeuroMove NM900 detects in its most sensitive mode (0.25 uV, manual p. 23).
Without a floor, a dead channel (all zeros) would get a threshold of zero, which silence meets."""

MIN_HOPS: Final = 100
"""Ten hops above the 90th percentile; fewer say nothing. Ask for 10 to 30 s, posture included."""

_GAUSSIAN_90: Final = 1.2816
"""The 90th percentile of the standard normal distribution."""


class RestThreshold(NamedTuple):
    """Thresholds of one channel and what they came from, all in nanovolts; 0 < off_nv < on_nv."""

    on_nv: int
    off_nv: int
    baseline_nv: int
    scale_nv: int


def rest_threshold(envelope_nv: Sequence[int] | NDArray[np.integer]) -> RestThreshold:
    """Thresholds for one channel from the envelope of its rest.

    Args:
        envelope_nv: (hops,) integers, nanovolts, only of hops whose flags are 0.

    Raises:
        ValueError: not a row of integers, negative, or fewer than `MIN_HOPS`.
    """
    rest = np.asarray(envelope_nv)
    if rest.ndim != 1 or rest.size < MIN_HOPS:
        raise ValueError(
            f"rest has shape {rest.shape}, needs a row of at least {MIN_HOPS} hops: rest longer"
        )
    if rest.dtype.kind not in "iu" or rest.min() < 0:
        raise ValueError(f"rest is {rest.dtype} from {rest.min()}, must be integer nV, 0 or more")
    ordered = np.sort(rest)
    baseline_nv = int(ordered[rest.size // 2])
    upper_nv = int(ordered[rest.size * 9 // 10])
    scale_nv = round((upper_nv - baseline_nv) / _GAUSSIAN_90)
    rise_nv = max(SCALES_ABOVE_BASELINE * scale_nv, MIN_RISE_NV)
    return RestThreshold(
        on_nv=baseline_nv + rise_nv,
        off_nv=baseline_nv + rise_nv * OFF_PERCENT // 100,
        baseline_nv=baseline_nv,
        scale_nv=scale_nv,
    )
