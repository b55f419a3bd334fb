"""What is told of the moment and of faults, out of the engine's snapshots and journal."""

from __future__ import annotations

import time
from typing import Any

from nmesd.core.journal import Entry
from nmesd.core.values import Mode, ModeChanged
from nmesd.daemon.files import Files
from nmesd.daemon.topics import InhibitFault, RefusedFault, StageTiming, Telemetry, TripFault
from nmesd.daemon.view import guard_name, inhibits
from nmesd.errors import EXPLAIN, Reason, explain
from nmesd.units import NV_PER_UV, UA_PER_MA, ms
from nmesd.wire import Snapshot

LONGEST = 40  # letters of a command that was refused: it may be anything


def telemetry(
    snapshot: Snapshot, files: Files, t_ns: int, timing: dict[str, dict[str, Any]]
) -> Telemetry:
    """The numbers of a snapshot that came at `t_ns`."""
    hears = files.programme.hears_emg
    return Telemetry(
        t_ns=t_ns,
        hop=snapshot.hop,
        state=Mode(snapshot.mode).name,
        guard=guard_name(snapshot),
        muscle=files.patient.muscle[snapshot.muscle].label if hears else None,
        envelope_uv=snapshot.envelope_nv / NV_PER_UV if hears else None,
        on_uv=snapshot.on_nv / NV_PER_UV if hears else None,
        off_uv=snapshot.off_nv / NV_PER_UV if hears else None,
        amplitude_ma=snapshot.amplitude_ua / UA_PER_MA,
        trial=snapshot.trial,
        trains=snapshot.trains,
        pulses=snapshot.pulses,
        charge_uc=snapshot.charge_pc / 1e6,
        latency_ms=ms(snapshot.latency_first_ns),
        latency_guard_ms=ms(snapshot.latency_guard_ns),
        step_max_ms=ms(snapshot.step_max_ns),
        telemetry_lost=snapshot.dropped,
        timing={stage: StageTiming(**one) for stage, one in timing.items()},
    )


def trip_of(entry: Entry) -> TripFault | None:
    """If the entry is a trip."""
    if not isinstance(entry, ModeChanged) or entry.after is not Mode.TRIPPED:
        return None
    return TripFault(
        t_ns=entry.t_ns,
        reason=entry.reason.name,
        text=explain(entry.reason, entry.value, entry.limit),
        value=entry.value,
        limit=entry.limit,
        unit=EXPLAIN[entry.reason].unit,
    )


def inhibits_changed(before: int, after: int) -> list[InhibitFault]:
    """What began or ceased to forbid arming, between two bit masks."""
    t_ns = time.monotonic_ns()
    return [
        InhibitFault(
            t_ns=t_ns,
            reason=reason.name,
            text=f"{EXPLAIN[reason].text}: {EXPLAIN[reason].remedy}",
            active=bool(after >> reason & 1),
        )
        for reason in inhibits(before ^ after)
    ]


def refused(
    request: dict[str, Any], user: str, text: str, reason: Reason | None = None, value: int = 0, limit: int = 0
) -> RefusedFault:  # fmt: skip
    """Of an act that was not done."""
    return RefusedFault(
        t_ns=time.monotonic_ns(),
        act=request["command"][:LONGEST],
        user=user,
        operator=str(request.get("operator", ""))[:LONGEST],
        reason=None if reason is None else reason.name,
        text=text,
        value=None if reason is None else value,
        limit=None if reason is None else limit,
        unit="" if reason is None else EXPLAIN[reason].unit,
    )
