"""Faults of single frames between engine and guard, made by the proxy between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.campaign.bench import LEASE_MS, Bench, Setup
from bench.campaign.fault import AT_ONCE_MS, SURVIVOR_MS, Fault, names, ordered

PROXY = Setup(proxy=True)
BOUND_MS = LEASE_MS + SURVIVOR_MS


def order(**order: Any) -> Callable[[Bench], int]:
    """Have the proxy do it to the next lease with output."""
    return lambda bench: ordered(bench, **order)


def _fault(name: str, what: str, about: str, *reasons: str) -> Fault:
    return Fault(
        name=f"frame_{name}",
        about=about,
        inject=order(order=what),
        setup=PROXY,
        budget_ms=AT_ONCE_MS,
        bound_ms=BOUND_MS,
        expect=names(*reasons),
    )


FAULTS = (
    _fault("dropped", "drop", "a lease is lost; counts from the one after it", "FRAME_SEQUENCE"),
    _fault("repeated", "repeat", "a lease comes twice", "FRAME_SEQUENCE"),
    _fault("reordered", "swap", "two leases change places", "FRAME_SEQUENCE"),
    _fault("truncated", "truncate", "a lease is cut off at a random byte", "FRAME_BAD"),
    _fault("random", "random", "random bytes of a lease's length", "FRAME_BAD"),
    _fault("expired", "expired", "a lease that ran out 1 ms ago", "FRAME_OLD"),
    _fault("replayed", "replay", "the frame of 100 ms ago, byte for byte", "FRAME_SEQUENCE"),
    _fault("from_the_future", "future", "a time stamp 1 s ahead", "FRAME_FUTURE"),
    _fault("lease_too_long", "long", "a lease of 101 ms, 1 ms over the longest", "LEASE_TOO_LONG"),
    _fault("wrong_hash", "hash", "the session of an arming with another hash", "SESSION_MISMATCH"),
    _fault(
        "unarmed", "unarmed", "output from an engine that thinks it is not armed", "BELIEF_MISMATCH"
    ),
    _fault("unbelieved", "unbelieved", "output, and the belief of none", "BELIEF_MISMATCH"),
)
