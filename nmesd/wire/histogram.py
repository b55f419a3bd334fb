"""How long things take, as counts: small, exact to 3 %, never growing. Standard library, for the guard too.

The buckets are log-linear, as in HdrHistogram: below 64 ns one per nanosecond, above it 32 to every doubling.
What is kept of a bucket is its count alone, so histograms of seconds, processes and sessions add up without loss.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from nmesd.units import NS_PER_S, NS_PER_US
from nmesd.wire.frames import Stage, Timing

_BITS: Final = 5  # 2**5 buckets to an octave
_EXACT: Final = 2 << _BITS  # below it a bucket is a nanosecond
LAST: Final = 1023  # the bucket of everything over a minute
QUANTILES: Final = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999}
_PAIR = struct.Struct("<HI")


def bucket_of(ns: int) -> int:
    """The bucket of a time. What is below zero, from a clock that is not ours, counts as zero."""
    if ns < _EXACT:
        return max(ns, 0)
    shift = ns.bit_length() - _BITS - 1
    return min((shift << _BITS) + (ns >> shift), LAST)


def bounds_ns(bucket: int) -> tuple[int, int]:
    """From the least time of a bucket to the least of the next."""
    if bucket < _EXACT:
        return bucket, bucket + 1
    shift = (bucket >> _BITS) - 1
    low = bucket - (shift << _BITS) << shift
    return low, low + (1 << shift)


class Histogram:
    """Times in nanoseconds."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.max_ns = 0  # exact

    @classmethod
    def of(cls, pairs: Iterable[Sequence[int]], max_ns: int) -> Histogram:
        """From (bucket, count) pairs and the longest time."""
        new = cls()
        new.add_pairs(pairs, max_ns)
        return new

    def add(self, ns: int) -> None:
        """One time."""
        bucket = bucket_of(ns)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.max_ns = max(self.max_ns, ns)

    def merge(self, other: Histogram) -> None:
        """All that another has counted."""
        self.add_pairs(other.pairs(), other.max_ns)

    def add_pairs(self, pairs: Iterable[Sequence[int]], max_ns: int) -> None:
        """All that another has counted, as it goes over the wire."""
        for bucket, count in pairs:
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self.max_ns = max(self.max_ns, max_ns)

    def pairs(self) -> list[list[int]]:
        """[bucket, count] of each bucket that was met, in order."""
        return [[bucket, self._counts[bucket]] for bucket in sorted(self._counts)]

    @property
    def count(self) -> int:
        """How many times were added."""
        return sum(self._counts.values())

    def quantile_ns(self, share: float) -> int:
        """The least time that no less than this share of all stays at or below, 0 < share <= 1; 0 without any.

        Not over by more than a bucket: the upper end of the one it falls in, and never over the longest time.
        """
        wanted, seen = share * self.count, 0
        for bucket, count in self.pairs():
            seen += count
            if seen >= wanted:
                return min(bounds_ns(bucket)[1] - 1, self.max_ns)
        return self.max_ns

    def figures(self) -> dict[str, Any]:
        """For people: count, and the quantiles and the longest in microseconds."""
        shares = {name: self.quantile_ns(share) / NS_PER_US for name, share in QUANTILES.items()}
        return {"count": self.count, **shares, "max_us": self.max_ns / NS_PER_US}


class Stages:
    """What one process measures of its stages, until it is told of."""

    def __init__(self, *stages: Stage) -> None:
        self._of = {stage: Histogram() for stage in stages}
        self._met: list[tuple[Stage, int]] = []
        self._next_ns = 0

    def met(self, stage: Stage, ns: int) -> None:
        """One time of one stage, to be counted when there is time for it: see `count`."""
        self._met.append((stage, ns))

    def count(self) -> None:
        """All that was met, in its histogram. Costs more than meeting it: for when the lease is sent."""
        for stage, ns in self._met:
            self._of[stage].add(ns)
        self._met.clear()

    def due(self, now_ns: int) -> Iterator[Timing]:
        """Once a second: what was counted since the last time, a frame for each stage that was met."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + NS_PER_S
        self.count()
        for stage, met in self._of.items():
            if met.count:
                self._of[stage] = Histogram()
                yield Timing(stage, met.max_ns, b"".join(_PAIR.pack(*pair) for pair in met.pairs()))


def pairs_of(frame: Timing) -> list[tuple[int, int]]:
    """The (bucket, count) pairs of a frame. Raises struct.error if it holds no whole number of them."""
    return [(bucket, count) for bucket, count in _PAIR.iter_unpack(frame.payload)]
