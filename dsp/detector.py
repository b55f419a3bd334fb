"""The detector: an on threshold, a lower off threshold, and a minimum duration. Integers only.

The rules, for one channel, once a hop:

1. A resting channel becomes active at the first hop whose envelope is at or above the on threshold.
2. An active channel stays active until a hop whose envelope is below the off threshold. Between the
   two thresholds it keeps what it was: that gap (hysteresis) is what stops a wavering envelope from
   chattering.
3. An active channel that has lasted the minimum duration is an attempt. The hop of the first
   crossing counts as one. A channel that ends and starts again counts from one again: there is no
   allowance for dips.

The whole state is one integer, the hops the activity has lasted so far; zero is rest. Single
thresholds on a smoothed envelope did best of 13 detectors at 0 and -3 dB in stroke (Yuvaraj et al.
2023, F1000Research 12:429); the minimum duration is there for spikes, which Gaussian simulations do
not have.

Thresholds are nanovolts with 0 < off <= on. The caller sees to that: an on threshold of zero is met
by silence.
"""

from typing import Final

REST: Final = 0
"""The state of a channel that is not active: it has lasted no hops."""


def advance(lasted_hops: int, envelope_nv: int, on_nv: int, off_nv: int) -> int:
    """The state after one more hop: hops the activity has lasted, this one included, or `REST`."""
    threshold_nv = on_nv if lasted_hops == REST else off_nv
    return lasted_hops + 1 if envelope_nv >= threshold_nv else REST


def is_active(lasted_hops: int) -> bool:
    """Whether a channel in this state is active."""
    return lasted_hops > REST


def is_attempt(lasted_hops: int, min_hops: int) -> bool:
    """Whether a channel in this state is active, and has been for `min_hops` (1 or more) hops."""
    return is_active(lasted_hops) and lasted_hops >= min_hops
