"""Whose fault was a trip? The witness's stalls just before it: those of the whole machine excuse the loop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from nmesd.sim.rig import Rig
from nmesd.sim.witness import Stall, Witness
from nmesd.units import NS_PER_MS

BEFORE_NS = 60 * NS_PER_MS  # a stall this long before a trip may be its cause: three leases
LATE_MS = 1.0  # a stall that is noted: what is stolen comes in slices
STOOD_MS = 3.0  # in all, on one core: so much may be the cause of a trip


def trip(rig: Rig, state: dict[str, Any], witness: Witness, began_ns: int) -> dict[str, Any]:
    """One trip, and how long the machine stood still just before it; the guard's log tells when."""
    trip_ns = rig.tripped_ns() or time.monotonic_ns()
    stalls = witness.stalls(trip_ns - BEFORE_NS, trip_ns)
    return {
        "minute": round((trip_ns - began_ns) / 60e9, 2),
        "reason": state["trip_reason"],
        "text": state["text"],
        "stood_ms": round(stood_ms(stalls), 1),
        "stalls": [stall.text(trip_ns) for stall in stalls],
    }


def stood_ms(stalls: Sequence[Stall]) -> float:
    """How long in all the core stood still that did so longest."""
    stood_ns: Counter[int] = Counter()
    for stall in stalls:
        stood_ns[stall.cpu] += stall.to_ns - stall.from_ns
    return max(stood_ns.values(), default=0) / NS_PER_MS


def by_chance(stalls: Sequence[Stall], began_ns: int, ended_ns: int) -> float:
    """The share of all windows of BEFORE_NS in which a trip would have had a stall to its excuse."""
    windows: dict[int, list[Stall]] = {}
    for stall in stalls:
        first, last = ((at_ns - began_ns) // BEFORE_NS for at_ns in (stall.from_ns, stall.to_ns))
        for window in range(first, last + 1):
            windows.setdefault(window, []).append(stall)
    excused = sum(stood_ms(inside) >= STOOD_MS for inside in windows.values())
    return excused / max(1, (ended_ns - began_ns) // BEFORE_NS)
