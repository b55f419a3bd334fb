"""Every situation the machine can be in, every event there is, and the settings the tests decide with."""

from nmesd.core.machine import (
    FLAT,
    LEAD_OFF,
    MOVEMENT,
    NON_FINITE,
    RAILED,
    SETTLING,
    State,
    train_ns,
)
from nmesd.core.values import (
    Arm,
    CoreSettings,
    Disarm,
    Event,
    Hop,
    Mode,
    Reset,
    Trip,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS, NS_PER_US

ON_NV, OFF_NV = 20_000, 10_000
PERIOD_NS = 20 * NS_PER_MS
S = CoreSettings(
    rate_mhz=1_000_000,
    hop_samples=1,
    on_nv=ON_NV,
    off_nv=OFF_NV,
    channel=2,
    amplitude_ua=10_000,
    pulse_width_us=250,
    period_us=PERIOD_NS // NS_PER_US,
    ramp_up_ns=100 * NS_PER_MS,
    plateau_ns=200 * NS_PER_MS,
    ramp_down_ns=100 * NS_PER_MS,
    hold_off_ns=300 * NS_PER_MS,
    relax_ns=200 * NS_PER_MS,
)
NOW = 10_000 * NS_PER_MS
NEXT = NOW + NS_PER_MS
FIRST_TRIP = Trip(NOW - 5, Reason.EMG_GAP, 7, 3)

SITUATIONS = {
    "disarmed": State(Mode.DISARMED, NOW, NOW),
    "armed": State(Mode.ARMED, NOW, NOW, trains=3),
    "ramp, not due": State(Mode.STIMULATING, NOW, NEXT - 10 * NS_PER_MS, NEXT + 1, 2000, trains=1),
    "ramp, due": State(Mode.STIMULATING, NOW, NEXT - PERIOD_NS, NEXT, 2000, trains=1),
    "train over": State(Mode.STIMULATING, NOW, NEXT - train_ns(S), NEXT, 0, trains=1),
    "hold-off": State(Mode.REFRACTORY, NOW, NEXT - S.hold_off_ns + 1),
    "hold-off over": State(Mode.REFRACTORY, NOW, NEXT - S.hold_off_ns),
    "open, tense": State(Mode.REFRACTORY, NOW, 0, detection_closed=False),
    "open, not relaxed long enough": State(
        Mode.REFRACTORY,
        NOW,
        0,
        detection_closed=False,
        relaxed_since_ns=NEXT - S.relax_ns + 1,
    ),
    "open, relaxed": State(
        Mode.REFRACTORY, NOW, 0, detection_closed=False, relaxed_since_ns=NEXT - S.relax_ns
    ),
    "tripped": State(Mode.TRIPPED, NOW, NOW, trip=FIRST_TRIP),
}
INHIBITS = 1 << Reason.EMG_SETTLING | 1 << Reason.EMG_STALE | 1 << Reason.GUARD_GONE
EVENTS: dict[str, Event] = {
    "attempt": Hop(NEXT, ON_NV, active=True, attempt=True, flags=0),
    "attempt, standing still": Hop(NOW, ON_NV, active=True, attempt=True, flags=0),
    "attempt, back in time": Hop(NOW - 1, ON_NV, active=True, attempt=True, flags=0),
    "active": Hop(NEXT, ON_NV, active=True, attempt=False, flags=0),
    "tense": Hop(NEXT, OFF_NV, active=False, attempt=False, flags=0),
    "relaxed": Hop(NEXT, OFF_NV - 1, active=False, attempt=False, flags=0),
    "settling attempt": Hop(NEXT, ON_NV, active=True, attempt=True, flags=SETTLING),
    "settling": Hop(NEXT, 0, active=False, attempt=False, flags=SETTLING),
    "not finite": Hop(NEXT, 0, active=False, attempt=True, flags=NON_FINITE),
    "not finite, settling": Hop(NEXT, 0, active=False, attempt=False, flags=NON_FINITE | SETTLING),
    "railed": Hop(NEXT, 0, active=False, attempt=True, flags=RAILED),
    "flat": Hop(NEXT, 0, active=False, attempt=True, flags=FLAT),
    "lead off": Hop(NEXT, 0, active=False, attempt=True, flags=LEAD_OFF),
    "disturbed attempt": Hop(NEXT, ON_NV, active=True, attempt=True, flags=MOVEMENT),
    "disturbed": Hop(NEXT, 0, active=False, attempt=False, flags=MOVEMENT),
    "railed, flat, settling": Hop(
        NEXT, 0, active=False, attempt=False, flags=RAILED | FLAT | SETTLING
    ),
    "arm": Arm(NEXT, 77, 0),
    "arm, inhibited": Arm(NEXT, 77, INHIBITS),
    "arm, back in time": Arm(NOW - 1, 77, 0),
    "disarm": Disarm(NEXT, 77),
    "disarm, back in time": Disarm(NOW - 1, 77),
    "trip": Trip(NEXT, Reason.OPERATOR_STOP, 1, 2),
    "trip, back in time": Trip(NOW - 1, Reason.OPERATOR_STOP, 1, 2),
    "reset": Reset(NEXT, 77),
    "reset, back in time": Reset(NOW - 1, 77),
}
