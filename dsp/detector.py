"""When a channel is active, and when that is an attempt: a beginning, an end, a minimum duration.

The rules, for one channel, once a hop:

1. A resting channel becomes active at the first hop that *begins*: with the CUSUM, its evidence is
   full (`dsp.cusum`); without, its envelope is at or above the on threshold.
2. An active channel stays active until a hop that neither begins nor has its envelope at or above
   the off threshold. That gap (hysteresis) is what stops a wavering envelope from chattering.
3. An active channel that has lasted the minimum duration is an attempt. The hop that began counts
   as one. A channel that ends and starts again counts from one again: there is no allowance for
   dips.

The whole state is one integer, the hops the activity has lasted so far; zero is rest. Of 13 detectors
a single threshold on a smoothed envelope did best at 0 and -3 dB in stroke (Yuvaraj et al. 2023,
F1000Research 12:429). At the same rate of false alarms the CUSUM is as soon at 0 dB, needs 13 ms for 24
at 6 dB, and misses none at -3 dB where the envelope misses 1 % (`bench/detection.py`). The minimum
duration is for spikes, which Gaussian simulations do not have.

Thresholds are nanovolts with 0 < off <= on. The caller sees to that: an on threshold of zero is met
by silence.
"""

from typing import Final

REST: Final = 0
"""The state of a channel that is not active: it has lasted no hops."""


def advance(lasted_hops: int, *, begins: bool, goes_on: bool) -> int:
    """The state after one more hop: hops the activity has lasted, this one included, or `REST`."""
    return lasted_hops + 1 if begins or (goes_on and lasted_hops > REST) else REST


def is_active(lasted_hops: int) -> bool:
    """Whether a channel in this state is active."""
    return lasted_hops > REST


def is_attempt(lasted_hops: int, min_hops: int) -> bool:
    """Whether a channel in this state is active, and has been for `min_hops` (1 or more) hops."""
    return is_active(lasted_hops) and lasted_hops >= min_hops
