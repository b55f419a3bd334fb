"""From known onsets to decisions: how late, how many were missed, how many came for nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

from nmesd.core.values import Mode
from nmesd.units import NS_PER_MS


class Tried(NamedTuple):
    """A true attempt, on the clock of the EMG."""

    onset_ns: int
    offset_ns: int


class Change(NamedTuple):
    """The mode changed with the hop whose last sample has this stamp."""

    stamp_ns: int
    after: Mode


def detection(attempts: Sequence[Tried], changes: Iterable[Change]) -> dict[str, Any]:
    """Of the attempts that began while the engine was listening.

    delay: from the true onset to the last sample of the hop that decided; the way from there is `sample_to_guard`.
    An attempt during which listening ended for another reason (a trip) says nothing, and is left out.
    """
    delays_ms: list[float] = []
    missed = false = 0
    for begin_ns, end_ns, decided in _listening(changes):
        inside = [one for one in attempts if begin_ns <= one.onset_ns <= end_ns]
        answered = [one for one in inside if decided and end_ns <= one.offset_ns]
        missed += sum(one.offset_ns < end_ns for one in inside)
        delays_ms += [(end_ns - one.onset_ns) / NS_PER_MS for one in answered]
        false += decided and not answered
    return {
        "attempts": missed + len(delays_ms),
        "missed": missed,
        "false": false,
        "p50_ms": round(median(delays_ms), 1) if delays_ms else None,
        "p95_ms": _p95(delays_ms),
        "max_ms": round(max(delays_ms), 1) if delays_ms else None,
    }


def _p95(values: Sequence[float]) -> float | None:
    if len(values) < 2:  # noqa: PLR2004 - quantiles needs two
        return round(values[0], 1) if values else None
    return round(quantiles(values, n=20, method="inclusive")[-1], 1)


def _listening(changes: Iterable[Change]) -> Iterable[tuple[int, int, bool]]:
    """From when to when it was, and whether it ended with a decision."""
    since_ns = None
    for change in changes:
        if since_ns is not None:
            yield since_ns, change.stamp_ns, change.after is Mode.STIMULATING
        since_ns = change.stamp_ns if change.after is Mode.READY else None
