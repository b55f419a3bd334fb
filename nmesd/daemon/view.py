"""The state as a person or a script wants it: state first, then the numbers."""

from __future__ import annotations

from typing import Any

from nmesd.core.values import Mode
from nmesd.errors import EXPLAIN, Reason, explain
from nmesd.units import NV_PER_UV, UA_PER_MA, ms
from nmesd.wire import GuardState, Snapshot


def inhibits(mask: int) -> list[Reason]:
    """The reasons in a bit mask."""
    return [reason for reason in Reason if reason is not Reason.NONE and mask >> reason & 1]


def view(
    snapshot: Snapshot | None, found: list[str], engine_pid: int, device: dict[str, Any]
) -> dict[str, Any]:
    """State of the unit as plain values, for `status`, its --json and telemetry."""
    if snapshot is None:
        return {"state": "STARTING", "text": "the engine is starting", "engine_pid": engine_pid}
    reasons = inhibits(snapshot.inhibits)
    trip = Reason(snapshot.trip_reason)
    mode = Mode(snapshot.mode)
    tripped = mode is Mode.TRIPPED
    has_channel = tripped and snapshot.trip_channel >= 0
    return {
        "state": mode.name,
        "text": _text(mode, trip, snapshot, reasons),
        "trip_reason": trip.name if tripped else None,
        "trip_value": snapshot.trip_value if tripped else None,
        "trip_limit": snapshot.trip_limit if tripped else None,
        "trip_unit": EXPLAIN[trip].unit if tripped else None,
        "trip_channel": snapshot.trip_channel + 1 if has_channel else None,  # as on the device
        "inhibits": [reason.name for reason in reasons],
        "envelope_uv": snapshot.envelope_nv / NV_PER_UV,
        "on_uv": snapshot.on_nv / NV_PER_UV,
        "off_uv": snapshot.off_nv / NV_PER_UV,
        "amplitude_ma": snapshot.amplitude_ua / UA_PER_MA,
        "trains": snapshot.trains,
        "pulses": snapshot.pulses,
        "charge_uc": snapshot.charge_pc / 1e6,
        "latency_ms": ms(snapshot.latency_first_ns),
        "step_max_ms": ms(snapshot.step_max_ns),
        "telemetry_lost": snapshot.dropped,
        "guard": GuardState(snapshot.guard_state).name
        if snapshot.guard_connected
        else "NOT CONNECTED",
        "guard_real_time": bool(snapshot.guard_real_time),
        "stimulator": device.get("stimulator", ""),
        "stimulator_cannot": device.get("cannot", []),
        "simulated": bool(snapshot.guard_simulated),
        "limits_hash": f"{snapshot.limits_hash:016x}",
        "streams_found": found,
        "engine_pid": engine_pid,
    }


def _text(mode: Mode, trip: Reason, snapshot: Snapshot, reasons: list[Reason]) -> str:
    match mode:
        case Mode.TRIPPED:
            return explain(trip, snapshot.trip_value, snapshot.trip_limit)
        case Mode.DISARMED if reasons:
            return "cannot be armed: " + "; ".join(
                explain(reason).split(" (")[0] for reason in reasons
            )
        case Mode.DISARMED:
            return "ready to be armed"
        case Mode.ARMED:
            return "waiting for an attempt"
        case Mode.STIMULATING:
            return "stimulating"
        case _:
            return "waiting until the muscle is relaxed"
