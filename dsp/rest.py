"""Where does the muscle rest? Finds it in a recording nobody has labelled.

Half-second windows of a recording with attempts in it have two kinds of strength. Rest is the densest
part of the weaker half: there the window strengths lie closest together, for rest is one thing and
attempts are many. From it, whatever is as strong as its upper edge lets expect is rest, the windows
beside anything stronger excepted: an attempt begins and ends in them.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from dsp.blocks import Array

WINDOW_S: Final = 0.25
_DENSE: Final = 0.2  # of all windows; rest is at least so much of a recording
_SPREADS: Final = 3.0  # of the dense part's half width: what still is rest
# Of its strength (r.m.s.): a very even rest keeps its neighbours, and a restless one ends somewhere.
_LEAST_FACTOR: Final = 1.25
_MOST_FACTOR: Final = 2.0
_BESIDE: Final = 1  # windows on each side of an attempt


def find_rest(energy_uv2: Array, hop_s: float) -> tuple[tuple[int, int], ...]:
    """Spans (first hop, hop after the last) where one channel rests, in order.

    Args:
        energy_uv2: (hops,) sum of squares of each filtered hop; NaN where there is none to judge
            (settling, not a measurement), which is never rest.
        hop_s: seconds in a hop.

    Returns:
        Spans of whole windows; empty if the recording is shorter than ten windows.
    """
    hops = max(1, round(WINDOW_S / hop_s))
    windows = len(energy_uv2) // hops
    if windows < 10:  # noqa: PLR2004 - too little for any statistic
        return ()
    energy = energy_uv2[: windows * hops].reshape(windows, hops)
    # The median: a heartbeat is a fifth of a window, and rest.
    strength = np.log(np.maximum(np.median(energy, axis=1), 1e-12))
    return _spans(_resting(strength), hops)


def _resting(strength: Array) -> Sequence[bool]:
    ordered = np.sort(strength[np.isfinite(strength)])
    if not len(ordered):
        return [False] * len(strength)
    dense = max(3, round(_DENSE * len(ordered)))
    weaker = ordered[: max(dense, (len(ordered) + 1) // 2)]
    widths = weaker[dense - 1 :] - weaker[: len(weaker) - dense + 1]
    low = int(np.argmin(widths))
    centre, half = (weaker[low] + weaker[low + dense - 1]) / 2, widths[low] / 2
    # A fifth of a normal distribution around its centre is a quarter of a standard deviation to each side.
    above = np.clip(_SPREADS * half / 0.25, 2 * np.log(_LEAST_FACTOR), 2 * np.log(_MOST_FACTOR))
    most = centre + above
    rest = np.nan_to_num(strength, nan=np.inf) <= most
    alone = rest.copy()
    for shift in range(1, _BESIDE + 1):
        alone[shift:] &= rest[:-shift]
        alone[:-shift] &= rest[shift:]
    return [bool(one) for one in alone]


def _spans(resting: Sequence[bool], hops: int) -> tuple[tuple[int, int], ...]:
    spans, since = [], -1
    for window, rests in enumerate([*resting, False]):
        if rests and since < 0:
            since = window
        elif not rests and since >= 0:
            spans.append((since * hops, window * hops))
            since = -1
    return tuple(spans)
