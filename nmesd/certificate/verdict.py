"""Held, or not: the figures of one part against the lease. Pure.

The lease is the promise: whatever stops, the output is at zero when it has run out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from nmesd.units import NS_PER_MS

HELD, NOT_HELD = "held", "not held"
ZERO_SLACK_MS: Final = (
    5.0  # from the lease's end to the command: a tick of the guard, a device's write
)
WHOLE: Final = "sample_to_guard"
# Trips because the way from sample to guard took too long, whoever saw it first.
MISSES: Final = frozenset({
    "LEASE_EXPIRED", "ENGINE_OVERRUN", "EMG_STALE", "EMG_BACKLOG", "EMG_OVERFLOW", "EMG_CHUNK_TOO_LONG",
    "GUARD_LATE", "MACHINE_STALLED", "CLOCK_JUMPED", "FRAME_OLD",
})  # fmt: skip


class Verdict(NamedTuple):
    """Why it did not hold, [] if it did; and what has to be said beside it."""

    reasons: list[str]
    notes: list[str]

    @property
    def word(self) -> str:
        """For JSON."""
        return NOT_HELD if self.reasons else HELD


def judge(part: Mapping[str, Any], lease_ms: float) -> Verdict:
    """One part: the keys `trips`, `zero`, `stages`, `counts`, `longest`, `detection` of it."""
    reasons = _trips_in_words([trip for trip in part["trips"] if not trip["explained"]])
    notes = _trips_in_words([trip for trip in part["trips"] if trip["explained"]])
    _judge_zero(part["zero"], lease_ms, reasons)
    _judge_way(part, lease_ms, reasons, notes)
    heard = part["detection"]
    if not heard["attempts"] - heard["missed"]:
        reasons.append(
            f"none of {heard['attempts']} attempts was decided on: the way was not walked"
        )
    return Verdict(reasons, notes)


def lease_misses(trips: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those because the way took too long."""
    return [trip for trip in trips if trip["reason"] in MISSES]


def _judge_zero(zero: Mapping[str, Any], lease_ms: float, reasons: list[str]) -> None:
    limit_ms = lease_ms + ZERO_SLACK_MS
    for what in ("frozen", "killed"):
        times_ms = zero[f"{what}_ms"]
        never = zero["tries"][what] - len(times_ms)
        if never or not times_ms:
            reasons.append(f"engine {what} in mid-train: {never} times no zero was seen")
        if max(times_ms, default=0.0) > limit_ms:
            reasons.append(
                f"engine {what} in mid-train: zero after {max(times_ms):.1f} ms, limit {limit_ms:g} ms (lease + "
                f"{ZERO_SLACK_MS:g} ms)"
            )
    if zero["pulses_after"]:
        reasons.append(
            f"{zero['pulses_after']} pulses came after the output had been commanded to zero"
        )


def _judge_way(
    part: Mapping[str, Any], lease_ms: float, reasons: list[str], notes: list[str]
) -> None:
    figures = part["stages"].get(WHOLE)
    if figures is None:
        reasons.append("no lease reached the guard: nothing was measured")
        return
    p999_ms, max_ms = figures["p999_us"] / 1000, figures["max_us"] / 1000
    if part["counts"][WHOLE] < 1000:  # noqa: PLR2004 - of which one in a thousand is one
        notes.append(f"only {part['counts'][WHOLE]} leases: their 99.9 % is the longest of them")
    if p999_ms >= lease_ms / 2:
        reasons.append(
            f"sample to guard: 99.9 % within {p999_ms:.2f} ms, must be under {lease_ms / 2:g} ms"
        )
    if max_ms < lease_ms:
        return
    stood_ms = part["longest"]["stood_ms"]
    said = f"sample to guard: {max_ms:.2f} ms at most, must be under the lease of {lease_ms:g} ms"
    if part["longest"]["witnessed"] and max_ms - stood_ms < lease_ms:
        notes.append(f"{said}; the whole machine stood still for {stood_ms:.1f} ms of it")
    else:
        reasons.append(said)


def _trips_in_words(trips: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each reason: how often, and the first of them."""
    lines = []
    for reason, times in Counter(trip["reason"] for trip in trips).items():
        first = next(trip for trip in trips if trip["reason"] == reason)
        stood = f"; the whole machine had stood still for {first['stood_ms']:.1f} ms just before"
        often = f"{times} times, first: " if times > 1 else ""
        lines.append(f"{reason}: {often}{first['text']}{stood if first['explained'] else ''}")
    return lines


def as_ms(ns: int) -> float:
    """To three places: a microsecond."""
    return round(ns / NS_PER_MS, 3)
