"""The soak in pieces of ten minutes: latency from the daemon's histograms, processor time of each process.

The histograms count from the start of the engine: what a piece came to is the difference of two of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from nmesd.certificate.processes import cpu_s
from nmesd.certificate.window import Counted, between
from nmesd.units import NS_PER_US
from nmesd.wire import Histogram

STAGE: Final = "sample_to_guard"
SHARES: Final = (0.5, 0.99, 0.999)


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

    def __init__(self, pids: Mapping[str, int], stages: Counted) -> None:
        self.done: list[Piece] = []
        self._begin(pids, stages)

    def _begin(self, pids: Mapping[str, int], stages: Counted) -> None:
        self._began_s, self._stages = time.monotonic(), stages
        self._used_s = {(name, pid): used_s(pid) for name, pid in pids.items()}

    def end(self, pids: Mapping[str, int], stages: Counted, at_s: float) -> None:
        """One ends, and the next begins. A process that was started meanwhile counts from its start."""
        passed_s = time.monotonic() - self._began_s
        took = counted(self._stages, stages)
        p50_us, p99_us, p999_us = (took.quantile_ns(share) / NS_PER_US for share in SHARES)
        used = {
            name: 100 * (used_s(pid) - self._used_s.get((name, pid), 0.0)) / passed_s
            for name, pid in pids.items()
        }
        self.done.append(Piece(at_s, took.count, p50_us, p99_us, p999_us, used))
        self._begin(pids, stages)


def counted(before: Counted, after: Counted) -> Histogram:
    """From one to the other. An engine that was started anew counts from zero: then all of `after`."""
    if _leases(after) < _leases(before):
        before = {}
    return between(before, after).get(STAGE, Histogram())


def _leases(stages: Counted) -> int:
    return sum(count for _, count in stages.get(STAGE, {"pairs": []})["pairs"])


def used_s(pid: int) -> float:
    """Processor time a process has used, all its threads; 0 if it is gone."""
    try:
        return cpu_s(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
