"""One part of a certificate, idle or loaded: an armed session with attempts, then engines stopped in mid-train."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from nmesd.certificate import processes, window
from nmesd.certificate.bench import Bench
from nmesd.certificate.detection import Change, Tried, detection
from nmesd.certificate.load import broker, load, no_load
from nmesd.certificate.setup import Setup
from nmesd.certificate.verdict import judge, lease_misses
from nmesd.certificate.zero import Stopping
from nmesd.core.values import ModeChanged
from nmesd.errors import LinkError
from nmesd.sessions.folder import Folder
from nmesd.sim.rig import Rig
from nmesd.sim.stalls import LATE_MS, by_chance
from nmesd.sim.witness import Witness, stolen_s
from nmesd.units import NS_PER_MS, NS_PER_S

SETTLE_S: Final = 1.5  # from arming to measuring: histograms are told of once a second
TIMING_S: Final = 1.0
Tell = Callable[[str, float], None]  # what is done now, and the seconds of measuring that are over


def measure(
    setup: Setup,
    seconds: float,
    folder: Path,
    tell: Tell,
    watch: Callable[[], None],
    *,
    loaded: bool,
) -> dict[str, Any]:
    """All of one part. watch: called often; it raises what ends the certificate. Raises NmesdError.

    folder: on the disk where sessions are recorded; this one is, too, and it is what the load writes to.
    """
    records = folder / ("loaded" if loaded else "idle")
    with (
        broker(wanted=loaded) as mqtt,
        Witness(LATE_MS) as witness,
        Rig(
            {**setup.sections, "record": {"folder": str(records)}, **({"mqtt": mqtt} if mqtt else {})},
            **setup.rig,
        ) as rig,
    ):  # fmt: skip
        tell("starting", 0.0)
        bench = Bench(setup, rig, witness, watch)
        facts = {"ready_s": bench.ready_s(), "rights": processes.rights(rig)}
        with load(rig, folder, mqtt) if loaded else no_load() as said:
            bench.arm()
            found = _window(bench, witness, seconds, tell)
            stopping = Stopping(rig, bench.in_train, seconds, listens=setup.device != "real")
            found["zero"] = stopping.run(lambda text: tell(text, seconds))
        facts["stimulator"] = str(rig.status().get("stimulator", "")).replace(str(rig.folder), "")
        facts["load"] = said
        told = list(bench.patient.events)
    attempts = [
        Tried(round(one["onset_lsl"] * NS_PER_S), round(one["offset_lsl"] * NS_PER_S))
        for one in told
        if one["event"] == "attempt"
    ]
    found |= {
        "trips": bench.trips,
        "longest": bench.longest,
        "detection": detection(attempts, _changes(records)),
    }
    return judged({**found, **facts}, setup.lease_ms)


def _window(bench: Bench, witness: Witness, seconds: float, tell: Tell) -> dict[str, Any]:
    """The session itself, for so long."""
    _go_on(bench, SETTLE_S, lambda _: tell("armed, settling", 0.0))
    before, used, stolen = bench.begin(), processes.usage(bench.rig), stolen_s()
    began_ns = time.monotonic_ns()
    _go_on(bench, seconds, lambda done_s: tell("measuring", done_s))
    stages = window.between(before, bench.timing())
    ended_ns = time.monotonic_ns()
    stalls = witness.stalls(began_ns, ended_ns)
    return {
        "stages": {name: window.figures(stage) for name, stage in stages.items()},
        "counts": {name: stage.count for name, stage in stages.items()},
        "histograms": {
            name: {"max_ns": stage.max_ns, "pairs": stage.pairs()} for name, stage in stages.items()
        },
        **processes.between(used, processes.usage(bench.rig)),
        "seconds": round((ended_ns - began_ns) / NS_PER_S, 1),
        "machine": {
            "stalls": len(stalls),
            "stall_max_ms": round(
                max(((s.to_ns - s.from_ns) / NS_PER_MS for s in stalls), default=0.0), 1
            ),
            "stolen_s": round(stolen_s() - stolen, 2),
            "excuse_by_chance": round(by_chance(stalls, began_ns, ended_ns), 4),
            "witness_real_time": witness.real_time,
        },
    }


def _go_on(bench: Bench, seconds: float, tell: Callable[[float], None]) -> None:
    """Turn after turn, and the histograms once a second."""
    began_s = time.monotonic()
    timing_s = began_s + TIMING_S
    while (now_s := time.monotonic()) < began_s + seconds:
        bench.turn()
        if now_s > timing_s:
            timing_s = now_s + TIMING_S
            with contextlib.suppress(LinkError):
                bench.timing()
        tell(now_s - began_s)


def _changes(records: Path) -> Iterator[Change]:
    """Of all engines there were, in order."""
    for path in sorted(records.iterdir()) if records.is_dir() else ():
        for stamp_ns, entry in Folder(path).stamped():
            if isinstance(entry, ModeChanged):
                yield Change(stamp_ns, entry.after)


def judged(part: dict[str, Any], lease_ms: float) -> dict[str, Any]:
    """With the verdict, the figures that scripts look for first."""
    misses = lease_misses(part["trips"])
    verdict = judge(part, lease_ms)
    return {
        "verdict": verdict.word,
        "reasons": verdict.reasons,
        "notes": verdict.notes,
        "lease_misses": len(misses),
        "lease_misses_explained": sum(trip["explained"] for trip in misses),
        "time_to_zero_ms": part["zero"]["worst_ms"],
        **part,
    }
