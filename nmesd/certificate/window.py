"""The histograms of a stretch of time, out of two that count from the engine's beginning."""

from __future__ import annotations

from typing import Any

from nmesd.wire import Histogram
from nmesd.wire.histogram import bounds_ns

Counted = dict[str, dict[str, Any]]  # {stage: {"max_ns", "pairs"}}, as `timing` gives it
FIGURES = ("p50_us", "p99_us", "p999_us", "max_us")


def between(before: Counted, after: Counted) -> dict[str, Histogram]:
    """What was counted from `before` to `after`, of each stage that was met."""
    found = {}
    for name, stage in after.items():
        earlier = dict(before.get(name, {"pairs": []})["pairs"])
        pairs = [[bucket, count - earlier.get(bucket, 0)] for bucket, count in stage["pairs"]]
        pairs = [pair for pair in pairs if pair[1] > 0]
        if pairs:
            found[name] = Histogram.of(pairs, _longest_ns(pairs, before.get(name), stage))
    return found


def figures(stage: Histogram) -> dict[str, float]:
    """The four of the certificate, microseconds."""
    whole = stage.figures()
    return {name: round(whole[name], 1) for name in FIGURES}


def _longest_ns(
    pairs: list[list[int]], before: dict[str, Any] | None, stage: dict[str, Any]
) -> int:
    """Exact if it is the longest since the beginning; else the end of its bucket, at most 3 % over it."""
    highest_ns = bounds_ns(pairs[-1][0])[1] - 1
    longest_ns = int(stage["max_ns"])
    if before is None or longest_ns > before["max_ns"]:
        return longest_ns
    return min(highest_ns, longest_ns)
