"""Every situation the machine can be in, every event there is, and the settings the tests decide with."""

from nmesd.core.flags import FLAT, LEAD_OFF, MOVEMENT, NON_FINITE, RAILED, SETTLING
from nmesd.core.state import State
from nmesd.core.train import Dose, Train
from nmesd.core.values import (
    Arm,
    CoreSettings,
    Disarm,
    Event,
    Give,
    Hop,
    Kind,
    Mode,
    Muscle,
    Outcome,
    OutputSettings,
    Pace,
    Pause,
    Programme,
    Release,
    Reset,
    Resume,
    Trip,
    Tune,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS, NS_PER_US

ON_NV, OFF_NV, VETO_NV = 20_000, 10_000, 15_000
PERIOD_NS = 20 * NS_PER_MS
UP_NS, PLATEAU_NS, DOWN_NS = 100 * NS_PER_MS, 200 * NS_PER_MS, 100 * NS_PER_MS
TRAIN_NS = UP_NS + PLATEAU_NS + DOWN_NS
TIMEOUT_NS = 5000 * NS_PER_MS
EXTENSOR = Muscle(
    emg=0, on_nv=ON_NV, off_nv=OFF_NV, floor_nv=OFF_NV, ceiling_nv=40_000,
    outputs=(OutputSettings(2, 10_000, 250), OutputSettings(3, 5_000, 300)),
    antagonist=1, veto_nv=VETO_NV,
)  # fmt: skip
PROGRAMME = Programme(
    kind=Kind.TRIGGERED,
    period_us=PERIOD_NS // NS_PER_US,
    ramp_up_ns=UP_NS,
    plateau_ns=PLATEAU_NS,
    ramp_down_ns=DOWN_NS,
    hold_off_ns=300 * NS_PER_MS,
    relax_ns=200 * NS_PER_MS,
    rest_ns=1000 * NS_PER_MS,
    timeout_ns=TIMEOUT_NS,
    trials=10,
    sets=2,
    set_pause_ns=2000 * NS_PER_MS,
    session_ns=1_800_000 * NS_PER_MS,
)
S = CoreSettings(rate_mhz=1_000_000, hop_samples=1, muscles=(EXTENSOR,), programme=PROGRAMME)


def with_programme(**changes: object) -> CoreSettings:
    """The same with another programme."""
    return S._replace(programme=PROGRAMME._replace(**changes))  # type: ignore[arg-type]


NOW = 10_000 * NS_PER_MS
NEXT = NOW + NS_PER_MS
FIRST_TRIP = Trip(NOW - 5, Reason.EMG_GAP, 7, 3)
IN_SESSION = State(t_ns=NOW, session_ns=1, on_nv=(ON_NV,), trial=3, dose=Dose(8, 9, 10), trains=3)


def in_mode(mode: Mode, since_ns: int, **more: object) -> State:
    """In a session, in this mode."""
    return IN_SESSION._replace(mode=mode, since_ns=since_ns, **more)  # type: ignore[arg-type]


def in_train(since_ns: int, update_ns: int, given_ua: tuple[int, ...], **more: object) -> State:
    """In a train of the extensor."""
    train = Train(0, (10_000, 5_000), given_ua, update_ns, **more)  # type: ignore[arg-type]
    return in_mode(
        Mode.STIMULATING,
        since_ns,
        train=train,
        muscle=0,
        outcome=int(Outcome.SUCCESS),
        latency_ns=5,
    )


LONG_AGO = NEXT - 2000 * NS_PER_MS
RELAXED_NS = NEXT - PROGRAMME.relax_ns
SITUATIONS = {
    "disarmed": State(Mode.DISARMED, NOW, NOW),
    "rest, tense": in_mode(Mode.REST, LONG_AGO),
    "rest, not relaxed long enough": in_mode(Mode.REST, LONG_AGO, relaxed_since_ns=RELAXED_NS + 1),
    "rest, relaxed but not rested": in_mode(Mode.REST, NOW, relaxed_since_ns=RELAXED_NS),
    "rest, relaxed": in_mode(Mode.REST, LONG_AGO, relaxed_since_ns=RELAXED_NS),
    "rest, time over": in_mode(Mode.REST, LONG_AGO, session_ns=NEXT - PROGRAMME.session_ns),
    "ready": in_mode(Mode.READY, LONG_AGO),
    "ready, in vain": in_mode(Mode.READY, NEXT - TIMEOUT_NS),
    "ready, time over": in_mode(Mode.READY, LONG_AGO, session_ns=NEXT - PROGRAMME.session_ns),
    "ready, in vain, of a set": in_mode(Mode.READY, NEXT - TIMEOUT_NS, trial=9),
    "ready, in vain, the last": in_mode(Mode.READY, NEXT - TIMEOUT_NS, trial=19),
    "ramp, not due": in_train(NEXT - 10 * NS_PER_MS, NEXT + 1, (2000, 1000)),
    "ramp, due": in_train(NEXT - PERIOD_NS, NEXT, (2000, 1000)),
    "train over": in_train(NEXT - TRAIN_NS, NEXT, (0, 0)),
    "falling": in_train(
        NEXT - 9 * PERIOD_NS,
        NEXT,
        (8000, 4000),
        fall_ns=NEXT - PERIOD_NS,
        fall_from_ua=(10_000, 5_000),
    ),
    "hold-off": in_mode(
        Mode.HOLD_OFF, NEXT - PROGRAMME.hold_off_ns + 1, outcome=int(Outcome.SUCCESS), muscle=0
    ),
    "hold-off over": in_mode(
        Mode.HOLD_OFF, NEXT - PROGRAMME.hold_off_ns, outcome=int(Outcome.SUCCESS), muscle=0
    ),
    "hold-off over, of a set": in_mode(
        Mode.HOLD_OFF, LONG_AGO, outcome=int(Outcome.SUCCESS), muscle=0, trial=9
    ),
    "hold-off over, the last": in_mode(
        Mode.HOLD_OFF, LONG_AGO, outcome=int(Outcome.SUCCESS), muscle=0, trial=19
    ),
    "paused": in_mode(Mode.PAUSED, LONG_AGO, held=True),
    "paused, time over": in_mode(
        Mode.PAUSED, LONG_AGO, held=True, session_ns=NEXT - PROGRAMME.session_ns
    ),
    "between sets": in_mode(Mode.PAUSED, LONG_AGO, wait_until_ns=NEXT + 1),
    "between sets, over": in_mode(Mode.PAUSED, LONG_AGO, wait_until_ns=NEXT),
    "tripped": State(Mode.TRIPPED, NOW, NOW, trip=FIRST_TRIP),
}


def hop(
    t_ns: int, envelope_nv: int, flags: int = 0, *, attempt: bool = False, other_nv: int = 0
) -> Hop:
    """One of the extensor and its antagonist."""
    return Hop(t_ns, (envelope_nv, other_nv), (attempt, False), flags)


INHIBITS = 1 << Reason.EMG_SETTLING | 1 << Reason.EMG_STALE | 1 << Reason.GUARD_GONE
EVENTS: dict[str, Event] = {
    "attempt": hop(NEXT, ON_NV, attempt=True),
    "attempt against the antagonist": hop(NEXT, ON_NV, attempt=True, other_nv=VETO_NV),
    "attempt of both": Hop(NEXT, (ON_NV, 0), (True, True), 0),
    "attempt, antagonist just quiet": hop(NEXT, ON_NV, attempt=True, other_nv=VETO_NV - 1),
    "attempt, standing still": hop(NOW, ON_NV, attempt=True),
    "attempt, more than two hops ahead": hop(NOW + 2 * NS_PER_MS + 1, ON_NV, attempt=True),
    "give, an hour ahead": Give(NOW + 3_600_000 * NS_PER_MS, 77, 0, 1000),
    "attempt, back in time": hop(NOW - 1, ON_NV, attempt=True),
    "active": hop(NEXT, ON_NV),
    "tense": hop(NEXT, OFF_NV),
    "relaxed": hop(NEXT, OFF_NV - 1),
    "settling attempt": hop(NEXT, ON_NV, SETTLING, attempt=True),
    "settling": hop(NEXT, 0, SETTLING),
    "not finite": hop(NEXT, 0, NON_FINITE, attempt=True),
    "not finite, settling": hop(NEXT, 0, NON_FINITE | SETTLING),
    "railed": hop(NEXT, 0, RAILED, attempt=True),
    "flat": hop(NEXT, 0, FLAT, attempt=True),
    "lead off": hop(NEXT, 0, LEAD_OFF, attempt=True),
    "disturbed attempt": hop(NEXT, ON_NV, MOVEMENT, attempt=True),
    "disturbed": hop(NEXT, 0, MOVEMENT),
    "railed, flat, settling": hop(NEXT, 0, RAILED | FLAT | SETTLING),
    "arm": Arm(NEXT, 77, 0),
    "arm, inhibited": Arm(NEXT, 77, INHIBITS),
    "arm, back in time": Arm(NOW - 1, 77, 0),
    "disarm": Disarm(NEXT, 77),
    "disarm, back in time": Disarm(NOW - 1, 77),
    "pause": Pause(NEXT, 77),
    "pause, back in time": Pause(NOW - 1, 77),
    "resume": Resume(NEXT, 77),
    "resume, back in time": Resume(NOW - 1, 77),
    "release": Release(NEXT, 77),
    "give": Give(NEXT, 77, 0, 1000),
    "tune": Tune(NEXT, 77, 0, ON_NV - 1, OFF_NV, OFF_NV, 40_000, VETO_NV),
    "tune, the same on threshold": Tune(NEXT, 77, 0, ON_NV, OFF_NV - 1, OFF_NV, 40_000, VETO_NV),
    "tune, back in time": Tune(NOW - 1, 77, 0, ON_NV - 1, OFF_NV, OFF_NV, 40_000, VETO_NV),
    "pace": Pace(NEXT, 77, 1, 2),
    "pace, an hour ahead": Pace(NOW + 3_600_000 * NS_PER_MS, 77, 1, 2),
    "trip": Trip(NEXT, Reason.OPERATOR_STOP, 1, 2),
    "trip, back in time": Trip(NOW - 1, Reason.OPERATOR_STOP, 1, 2),
    "reset": Reset(NEXT, 77),
    "reset, back in time": Reset(NOW - 1, 77),
}
