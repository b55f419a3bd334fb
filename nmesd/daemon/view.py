"""The state as a person or a script wants it: state first, then the numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from nmesd.core.journal import Entry
from nmesd.core.values import Kind, Mode, ModeChanged, TrialDone
from nmesd.daemon.files import Files
from nmesd.daemon.programme import KINDS
from nmesd.errors import EXPLAIN, Reason, explain
from nmesd.units import NS_PER_S, NV_PER_UV, UA_PER_MA, ms
from nmesd.wire import GuardState, Snapshot


class Tally:
    """What the trials of a session came to; an arming begins anew."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def hear(self, entry: Entry) -> None:
        """Count one."""
        if isinstance(entry, TrialDone):
            self.outcomes[entry.outcome.name] += 1
        elif isinstance(entry, ModeChanged) and entry.before is Mode.DISARMED:
            self.outcomes.clear()


def inhibits(mask: int) -> list[Reason]:
    """The reasons in a bit mask."""
    return [reason for reason in Reason if reason is not Reason.NONE and mask >> reason & 1]


def guard_name(snapshot: Snapshot) -> str:
    """The guard's state, or that there is none."""
    return GuardState(snapshot.guard_state).name if snapshot.guard_connected else "NOT CONNECTED"


def view(
    snapshot: Snapshot | None,
    files: Files,
    tally: Tally,
    found: list[str],
    engine_pid: int,
    device: dict[str, Any],
) -> dict[str, Any]:
    """State of the unit as plain values, for `status`, its --json and telemetry."""
    if snapshot is None:
        return {"state": "STARTING", "text": "the engine is starting", "engine_pid": engine_pid}
    reasons = inhibits(snapshot.inhibits)
    trip = Reason(snapshot.trip_reason)
    mode = Mode(snapshot.mode)
    tripped = mode is Mode.TRIPPED
    has_channel = tripped and snapshot.trip_channel >= 0
    course = files.programme.session
    hears = files.programme.hears_emg
    return {
        "state": mode.name,
        "text": _text(mode, trip, snapshot, reasons, KINDS[files.programme.kind]),
        "trip_reason": trip.name if tripped else None,
        "trip_value": snapshot.trip_value if tripped else None,
        "trip_limit": snapshot.trip_limit if tripped else None,
        "trip_unit": EXPLAIN[trip].unit if tripped else None,
        "trip_channel": snapshot.trip_channel + 1 if has_channel else None,  # as on the device
        "inhibits": [reason.name for reason in reasons],
        "programme": files.name,
        "patient": files.patient.code,
        "outputs": [
            {"muscle": muscle.label, "channel": one.channel, "amplitude_ma": one.amplitude_ma}
            for muscle in files.patient.muscle
            for one in muscle.output
            if files.programme.gives_current
        ],
        "trials_done": snapshot.trial,
        "trials": course.trials * course.sets or None,
        "outcomes": dict(tally.outcomes),
        "session_s": round(snapshot.session_ns / NS_PER_S, 1),
        "session_left_s": left_s(course.minutes, snapshot.session_ns),
        "mode_s": round(snapshot.mode_ns / NS_PER_S, 1),
        "muscle": files.patient.muscle[snapshot.muscle].label if hears else None,
        "envelope_uv": snapshot.envelope_nv / NV_PER_UV if hears else None,
        "on_uv": snapshot.on_nv / NV_PER_UV if hears else None,
        "off_uv": snapshot.off_nv / NV_PER_UV if hears else None,
        "amplitude_ma": snapshot.amplitude_ua / UA_PER_MA,
        "trains": snapshot.trains,
        "pulses": snapshot.pulses,
        "charge_uc": snapshot.charge_pc / 1e6,
        "latency_ms": ms(snapshot.latency_first_ns),
        "step_max_ms": ms(snapshot.step_max_ns),
        "telemetry_lost": snapshot.dropped,
        "guard": guard_name(snapshot),
        "guard_real_time": bool(snapshot.guard_real_time),
        "stimulator": device.get("stimulator", ""),
        "stimulator_cannot": device.get("cannot", []),
        "simulated": bool(snapshot.guard_simulated),
        "limits_hash": f"{snapshot.limits_hash:016x}",
        "streams_found": found,
        "engine_pid": engine_pid,
    }


def left_s(minutes: float, session_ns: int) -> float | None:
    """What is left of a session's time; None where its trials alone end it."""
    return round(max(0.0, 60 * minutes - session_ns / NS_PER_S), 1) if minutes else None


_WORDS = {
    Mode.STIMULATING: "stimulating",
    Mode.HOLD_OFF: "train over; EMG is not looked at yet",
    Mode.PAUSED: "paused at zero",
    Mode.READY: "waiting for an attempt",
    Mode.REST: "rest, until it is over and the muscle relaxed",
}
_HINDERED = {Mode.DISARMED: "cannot be armed", Mode.READY: "nothing counts"}
_OF_KIND = {
    (Mode.READY, Kind.RELAXATION): "waiting until the muscle is relaxed",
    (Mode.REST, Kind.CYCLIC): "rest until the next train",
    (Mode.REST, Kind.STEPS): "waiting for `nmesd amplitude` to give a train",
    (Mode.REST, Kind.RELAXATION): "rest until the next trial",
}


def _text(mode: Mode, trip: Reason, snapshot: Snapshot, reasons: list[Reason], kind: Kind) -> str:
    if mode is Mode.TRIPPED:
        return explain(trip, snapshot.trip_value, snapshot.trip_limit)
    if mode in _HINDERED and reasons:
        why = "; ".join(explain(reason).split(" (")[0] for reason in reasons)
        return f"{_HINDERED[mode]}: {why}"
    if mode is Mode.DISARMED:
        return "ready to be armed"
    return _OF_KIND.get((mode, kind)) or _WORDS[mode]
