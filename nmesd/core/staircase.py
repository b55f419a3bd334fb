"""The threshold follows the person: a weighted up-down staircase, bounded.

Up by `step (1 - target)` after a success, down by `step target` after a miss: it stands still where attempts
succeed in the target's share (Kaernbach 1991, doi 10.3758/BF03214307). Steps are ratios, for strength is one.
Bounds are the muscle's own: the floor comes from rest, the ceiling from its best effort.
"""

from __future__ import annotations

from nmesd.core.values import Muscle, Programme


def moved(on_nv: int, muscle: Muscle, programme: Programme, *, success: bool) -> int:
    """The on threshold after a trial of this muscle that ended so."""
    step, target = programme.step_permille, programme.target_permille
    if not target or not step:
        return on_nv
    if success:
        after = on_nv + on_nv * step * (1000 - target) // 1_000_000
    else:
        after = on_nv * 1_000_000 // (1_000_000 + step * target)
    return min(max(after, muscle.floor_nv), muscle.ceiling_nv)
