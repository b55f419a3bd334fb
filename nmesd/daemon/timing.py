"""How long each stage from sample to stimulator takes: what guard and engine counted, since the engine began."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from nmesd.units import NS_PER_S
from nmesd.wire import Histogram, Stage, Timing
from nmesd.wire.histogram import pairs_of

KEEP_NS: Final = 60 * NS_PER_S  # a line in the record each

Stages = dict[Stage, Histogram]


class Timings:
    """The stages of one engine's life. `keep`: told every minute what the minute came to, for the record."""

    def __init__(self, keep: Callable[[dict[str, Any]], None]) -> None:
        self._keep = keep
        self._all: Stages = {}
        self._kept: Stages = {}
        self._keep_ns = time.monotonic_ns() + KEEP_NS

    def hear(self, frame: Timing) -> None:
        """A second of one stage."""
        pairs, stage = pairs_of(frame), Stage(frame.stage)
        for stages in (self._all, self._kept):
            stages.setdefault(stage, Histogram()).add_pairs(pairs, frame.max_ns)
        if time.monotonic_ns() >= self._keep_ns:
            self.flush()

    def flush(self) -> None:
        """What the record does not have yet."""
        self._keep_ns = time.monotonic_ns() + KEEP_NS
        if self._kept:
            self._keep(counted(self._kept))
            self._kept = {}

    def begin(self) -> None:
        """Another engine: what was before is the record's."""
        self.flush()
        self._all = {}

    def counted(self) -> dict[str, Any]:
        """Every stage's histogram."""
        return counted(self._all)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Of every stage, in order: count, quantiles and maximum in microseconds."""
        return {stage.name.lower(): self._all[stage].figures() for stage in sorted(self._all)}


def counted(stages: Stages) -> dict[str, Any]:
    """{stage: {max_ns, pairs}}, as record and `timing` have it."""
    return {
        stage.name.lower(): {"max_ns": stages[stage].max_ns, "pairs": stages[stage].pairs()}
        for stage in sorted(stages)
    }
