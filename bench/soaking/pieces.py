"""The soak in pieces of ten minutes: latency from the daemon's histograms, processor time of each process.

The histograms count from the start of the engine: what a piece came to is the difference of two of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from nmesd.units import NS_PER_US
from nmesd.wire.histogram import Histogram, bounds_ns

STAGE: Final = "sample_to_guard"
SHARES: Final = (0.5, 0.99, 0.999)
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # in /proc/PID/stat behind the name, which may hold blanks


class Piece(NamedTuple):
    """What one came to."""

    ends_s: float
    leases: int
    p50_us: float
    p99_us: float
    p999_us: float
    cpu_pct: dict[str, float]  # of one core


class Pieces:
    """One after the other."""

    def __init__(self, pids: Mapping[str, int], stages: Mapping[str, Any]) -> None:
        self.done: list[Piece] = []
        self._begin(pids, stages)

    def _begin(self, pids: Mapping[str, int], stages: Mapping[str, Any]) -> None:
        self._began_s, self._pairs = time.monotonic(), pairs_of(stages)
        self._used_s = {(name, pid): used_s(pid) for name, pid in pids.items()}

    def end(self, pids: Mapping[str, int], stages: Mapping[str, Any], at_s: float) -> None:
        """One ends, and the next begins. A process that was started meanwhile counts from its start."""
        passed_s = time.monotonic() - self._began_s
        took = between(self._pairs, pairs_of(stages))
        p50_us, p99_us, p999_us = (took.quantile_ns(share) / NS_PER_US for share in SHARES)
        used = {
            name: 100 * (used_s(pid) - self._used_s.get((name, pid), 0.0)) / passed_s
            for name, pid in pids.items()
        }
        self.done.append(Piece(at_s, took.count, p50_us, p99_us, p999_us, used))
        self._begin(pids, stages)


def pairs_of(stages: Mapping[str, Any]) -> dict[int, int]:
    """Bucket and count, as `timing` of the daemon has them."""
    return {int(bucket): int(count) for bucket, count in stages.get(STAGE, {}).get("pairs", ())}


def between(before: Mapping[int, int], after: Mapping[int, int]) -> Histogram:
    """What was counted between the two. An engine that was started anew counts from zero: then all of `after`."""
    if any(after.get(bucket, 0) < count for bucket, count in before.items()):
        before = {}
    grown: Sequence[tuple[int, int]] = [
        (bucket, count - before.get(bucket, 0))
        for bucket, count in after.items()
        if count > before.get(bucket, 0)
    ]
    longest = max((bucket for bucket, _ in grown), default=0)
    return Histogram.of(grown, bounds_ns(longest)[1] - 1)


def used_s(pid: int) -> float:
    """Processor time a process has used, all its threads; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[_UTIME]) + int(fields[_STIME])) * _TICK_S
