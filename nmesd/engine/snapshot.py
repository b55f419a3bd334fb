"""The engine's state for people, put together from core and guard. Never used to decide anything."""

from __future__ import annotations

from nmesd.core.state import State, armed
from nmesd.core.values import CoreSettings, Hop, Trip
from nmesd.errors import Reason
from nmesd.wire import GuardState, Output, Report, Snapshot


def snapshot(
    state: State,
    core: CoreSettings,
    report: Report | None,
    *,
    last: Hop,
    hop: int,
    inhibits: int,
    output: Output,
    step_max_ns: int,
    dropped: int,
    connected: bool,
) -> Snapshot:
    """All of it as one frame. Without a guard its part is zero."""
    trip = state.trip or Trip(0, Reason.NONE, 0, 0)
    written_ns = received_ns = 0
    number = max(state.muscle, 0)  # of the trial; between two of several muscles the first's
    muscle = core.muscles[number]
    if report is not None:
        written_ns = report.first_written_ns - report.first_sample_ns
        received_ns = report.first_received_ns - report.first_sample_ns
    return Snapshot(
        mode=state.mode,
        guard_state=report.state if report else GuardState.DISARMED,
        hop=hop,
        inhibits=inhibits,
        muscle=number,
        envelope_nv=last.envelope_nv[muscle.emg] if last.envelope_nv else 0,
        on_nv=state.on_nv[number] if state.on_nv else muscle.on_nv,
        off_nv=muscle.off_nv,
        amplitude_ua=max(one.amplitude_ua for one in output),
        trial=state.trial,
        mode_ns=state.t_ns - state.since_ns,
        session_ns=state.t_ns - state.session_ns if armed(state) else 0,
        trip_reason=trip.reason,
        trip_value=trip.value,
        trip_limit=trip.limit,
        trip_channel=report.trip_channel if report else -1,
        trains=state.trains,
        pulses=report.pulses if report else 0,
        charge_pc=report.charge_pc if report else 0,
        latency_first_ns=written_ns,
        latency_guard_ns=received_ns,
        step_max_ns=step_max_ns,
        dropped=dropped & 0xFFFFFFFF,
        guard_connected=connected,
        guard_real_time=report.real_time if report else 0,
        guard_simulated=report.simulated if report else 0,
        limits_hash=report.limits_hash if report else 0,
    )
