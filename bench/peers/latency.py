"""(a) From sample to decision over LSL: all entrants in turn, idle and loaded, with and without real-time rights."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bench.peers.entrants import Entrant
from bench.peers.judge import Met, Times, figures, joined, meet, told
from bench.peers.place import BenchError, Place, Stream, place
from nmesd.sim import loads
from nmesd.sim.rig import RigError
from nmesd.sim.witness import stolen_s

SETTLE_S: Final = 1.0
AFTER_S: Final = 0.3  # for the last chunks to be decided on
LOOK_S: Final = 0.05
START_S: Final = 15.0  # to bring an entrant up and down, for the sender's memory
Tell = Callable[[str, float], None]  # what is done now, and the share that is done


class Condition(NamedTuple):
    """Under which all are measured."""

    loaded: bool
    real_time: bool

    @property
    def text(self) -> str:
        """For people."""
        load = "every core busy" if self.loaded else "idle"
        return f"{load}, {'with' if self.real_time else 'without'} real-time rights"


CONDITIONS: Final = (
    Condition(loaded=False, real_time=True),
    Condition(loaded=True, real_time=True),
    Condition(loaded=False, real_time=False),
    Condition(loaded=True, real_time=False),
)


class Slice(NamedTuple):
    """One entrant, for a few seconds."""

    met: Met
    sample_ns: Times  # of the decisions in that time
    received_ns: Times
    stolen_s: float
    missing_rights: list[str]
    facts: dict[str, Any]


@contextlib.contextmanager
def burning() -> Iterator[None]:
    """Every core busy, at normal priority."""
    burners = [loads.started("burn", core, 1.0) for core in sorted(os.sched_getaffinity(0))]
    try:
        yield
    finally:
        for one in burners:
            loads.ended(one)


def measure(here: Place, entrant: Entrant, condition: Condition, seconds: float) -> Slice:
    """Raises NmesdError if it does not come up or does not last."""
    with (
        entrant.start(place=here, real_time=condition.real_time) as running,
        burning() if condition.loaded else contextlib.nullcontext(),
    ):
        _watch(running.watch, SETTLE_S)
        from_ns, stolen = time.monotonic_ns(), stolen_s()
        _watch(running.watch, seconds)
        to_ns, stolen = time.monotonic_ns(), stolen_s() - stolen
        _watch(running.watch, AFTER_S)
        sent_ns = here.sent_ns(from_ns, to_ns)
        rights = running.missing_rights
        if condition.real_time and rights:
            raise BenchError(f"{entrant.name}: no real-time rights: {'; '.join(rights)}")
        if not condition.real_time and not rights:
            raise BenchError(f"{entrant.name}: real-time rights, and none were meant")
        made = running.end()
    inside = (made.sample_ns >= from_ns) & (made.sample_ns < to_ns)
    return Slice(
        meet(sent_ns, made), made.sample_ns[inside], made.received_ns[inside], stolen, rights,
        running.facts(),
    )  # fmt: skip


def _watch(look: Callable[[], None], seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        look()
        time.sleep(min(LOOK_S, left_s))


def latency(
    entrants: Sequence[Entrant], conditions: Sequence[Condition], *,
    seconds: float, repeats: int, tell: Tell,
) -> dict[str, Any]:  # fmt: skip
    """{"stream", "seconds", "repeats", "rows": one for each entrant and condition}. Raises BenchError.

    In every repeat another entrant is first, so that a machine that changes does so for all of them.
    """
    present = [one for one in entrants if not one.lacking]
    slices: dict[tuple[str, Condition], list[Slice]] = {}
    failed: dict[tuple[str, Condition], str] = {}
    total, done = repeats * len(conditions) * len(present), 0
    stream = Stream()
    with place(stream, total * (seconds + START_S) + 60) as here:
        for repeat in range(repeats):
            for condition in conditions:
                first = repeat * len(present) // repeats
                for one in (*present[first:], *present[:first]):
                    tell(f"{one.name}: {condition.text}", done / total)
                    done += 1
                    try:
                        part = measure(here, one, condition, seconds)
                        slices.setdefault((one.name, condition), []).append(part)
                    except (BenchError, RigError) as error:
                        failed[one.name, condition] = str(error)
    rows = []
    for condition in conditions:
        for one in entrants:
            row = {"name": one.name, "about": one.about, "peer": one.peer, **condition._asdict()}
            parts = slices.get((one.name, condition))
            lacking = one.lacking or failed.get((one.name, condition), "")
            rows.append({**row, "lacking": lacking, **(_row(parts) if parts else {})})
    return {
        "stream": stream._asdict(),
        "seconds": seconds,
        "repeats": repeats,
        "rows": rows,
    }


def _row(parts: list[Slice]) -> dict[str, Any]:
    """Of all slices together; and each slice's own median and 99th percentile, which show how alike they are."""
    own = [figures(part.met.received_ns[part.met.own]) for part in parts]
    return {
        **told(joined([part.met for part in parts])),
        "slices": [{name: one.get(name) for name in ("p50_us", "p99_us")} for one in own],
        "stolen_s": round(sum(part.stolen_s for part in parts), 2),
        "facts": [part.facts for part in parts],
        "tail": _tail([part.met for part in parts]),
    }


def _tail(parts: list[Met]) -> list[list[float]]:
    """[share of decisions that took longer, microseconds], for the picture."""
    ns = np.concatenate([part.received_ns[part.own] for part in parts])
    if not len(ns):
        return []
    shares = np.logspace(0, -np.log10(len(ns)), 200)
    values = np.quantile(ns, 1 - shares) / 1000
    return [[float(a), float(b)] for a, b in zip(shares, values, strict=True)]
