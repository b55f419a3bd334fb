"""The machine that decides when current flows. This file is its specification; nothing else changes a mode.

Rules
  1. Stop comes first: in every mode a Trip leads to zero and TRIPPED, and a Disarm to zero and DISARMED, before
     anything else is looked at. The first trip reason is kept.
  2. One door out of DISARMED: an operator's Arm, without inhibits; it begins a session. One door out of TRIPPED:
     an operator's Reset, which leads to DISARMED.
  3. Time that goes backwards while armed, or jumps ahead by more than two hops, is a trip. Time that stands still
     changes nothing.
  4. A train starts only from READY, on an attempt of a muscle whose antagonist was quiet from its onset on, with
     clean EMG, in a trial that is no NO_GO; or by the programme itself: CYCLIC when its rest is over, ASSIST
     after a missed trial; or by an operator, one at a time, in STEPS, which climbs by at most a step over the
     highest so far.
     EMG that is no measurement (not finite, at the rail, flat, without a lead) is a trip in every armed
     mode, also while a train runs. Disturbed EMG (hum, movement, a pop, a heart, clipping) starts nothing and
     forbids arming; while detection is closed it says nothing, for the pulses are in it.
     BIOFEEDBACK and RELAXATION never give any.
  5. While a train runs, and for the hold-off after it, EMG is not looked at for attempts. Then the filters start
     afresh, and a trial opens only when the muscles have been relaxed, below the off threshold, for the set time.
  6. Arming and the end of a pause lead through the same gate: a muscle already tense then never starts a train.
  7. A pause is zero at once, and no pause makes the rest that is due shorter. A set and a session end between
     trains, never within one.
  8. The threshold moves only between trials, after trials without disturbed EMG, within the muscle's bounds; or
     by an operator, at any time: then a trial that is open is given up, and comes again through the gate. Where
     an operator changes the rest, the one under way begins anew.

The table follows the imports; every other pair of mode and event changes no mode.
"""

from __future__ import annotations

from typing import Final, NamedTuple, assert_never

from nmesd.core.flags import trip_reason
from nmesd.core.hearing import relaxing, who_tries
from nmesd.core.state import State, armed, purpose, time_over
from nmesd.core.telling import (
    aborted,
    changed,
    cue,
    heard,
    outputs,
    staircase,
    verdict,
    zeros,
)
from nmesd.core.train import advanced, begun, pulse_of, targets_ua
from nmesd.core.values import (
    ARMED_MODES,
    Arm,
    Command,
    CoreSettings,
    CueKind,
    Disarm,
    Event,
    Give,
    Hop,
    Kind,
    Mode,
    ModeChanged,
    OnMiss,
    Outcome,
    Pace,
    Pause,
    Refused,
    Release,
    Reset,
    RestartChain,
    Resume,
    ThresholdChanged,
    Trial,
    Trip,
    Tune,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import sample_time_ns


class Row(NamedTuple):
    """A line of the table: from any of these modes, for this reason, to that one."""

    before: tuple[Mode, ...]
    why: Why
    after: Mode
    words: str


_ARMED = tuple(sorted(ARMED_MODES))
TABLE: Final = (
    Row((Mode.DISARMED,), Why.OPERATOR, Mode.REST, "armed, without inhibits"),
    Row((Mode.REST,), Why.RELAXED, Mode.READY, "rested and relaxed: cue"),
    Row((Mode.REST,), Why.WORK, Mode.STIMULATING, "rested, CYCLIC: first pulse"),
    Row((Mode.REST,), Why.OPERATOR, Mode.STIMULATING, "rested, STEPS: one train given"),
    Row((Mode.READY,), Why.ATTEMPT, Mode.STIMULATING, "attempt: first pulse"),
    Row((Mode.READY,), Why.ASSIST, Mode.STIMULATING, "nobody tried, ASSIST: first pulse"),
    Row((Mode.READY,), Why.ATTEMPT, Mode.REST, "attempt, NO_GO or BIOFEEDBACK"),
    Row((Mode.READY,), Why.RELAXED, Mode.REST, "RELAXATION: relaxed"),
    Row((Mode.READY,), Why.TIMEOUT, Mode.REST, "nobody tried in time"),
    Row((Mode.READY,), Why.OPERATOR, Mode.REST, "another threshold: the trial begins again"),
    Row((Mode.STIMULATING,), Why.TRAIN_OVER, Mode.HOLD_OFF, "train over: zero"),
    Row((Mode.HOLD_OFF,), Why.HOLD_OFF_OVER, Mode.REST, "hold-off over"),
    Row((Mode.READY, Mode.HOLD_OFF), Why.SET_OVER, Mode.PAUSED, "trial over, and the set"),
    Row((Mode.READY, Mode.HOLD_OFF), Why.SESSION_OVER, Mode.DISARMED, "trial over, the last one"),
    Row((Mode.REST, Mode.READY, Mode.PAUSED), Why.SESSION_OVER, Mode.DISARMED, "session's time over"),
    Row((Mode.REST, Mode.READY, Mode.STIMULATING, Mode.HOLD_OFF), Why.OPERATOR, Mode.PAUSED, "paused: zero"),
    Row((Mode.PAUSED,), Why.PAUSE_OVER, Mode.REST, "pause over, not held by the operator"),
    Row(_ARMED, Why.OPERATOR, Mode.DISARMED, "disarmed: zero"),
    Row((Mode.DISARMED, *_ARMED), Why.TRIP, Mode.TRIPPED, "tripped: zero"),
    Row((Mode.TRIPPED,), Why.OPERATOR, Mode.DISARMED, "reset"),
)  # fmt: skip

Step = tuple[State, tuple[Command, ...]]


def step(state: State, event: Event, settings: CoreSettings) -> Step:
    """One decision. Pure: the same three values always give the same result."""
    if isinstance(event, Trip):
        return _trip(state, event, settings)
    if isinstance(event, Disarm):
        return _end(state, event.t_ns, Why.OPERATOR, settings)
    if armed(state) and (fault := _clock_fault(state, event, settings)) is not None:
        return _trip(state, fault, settings)
    return _hop(state, event, settings) if isinstance(event, Hop) else _act(state, event, settings)


# ---- acts and trips -----------------------------------------------------------------------------------


def _act(
    state: State,
    event: Arm | Pause | Resume | Release | Give | Tune | Pace | Reset,
    settings: CoreSettings,
) -> Step:
    match event:
        case Arm():
            return _arm(state, event, settings)
        case Pause():
            return _pause(state, event, settings)
        case Resume():
            return state._replace(t_ns=event.t_ns, held=False), ()
        case Release():
            return _release(state, event, settings), ()
        case Give():
            return _give(state, event, settings)
        case Tune():
            return _tune(state, event, settings)
        case Pace():
            return _pace(state, event), ()
        case Reset():
            return _reset(state, event)
        case _:
            assert_never(event)


def _trip(state: State, trip: Trip, settings: CoreSettings) -> Step:
    if state.mode is Mode.TRIPPED:
        return state, ()
    before = state._replace(t_ns=trip.t_ns)
    change = ModeChanged(
        trip.t_ns, state.mode, Mode.TRIPPED, Why.TRIP, trip.reason, trip.value, trip.limit
    )
    told = (*zeros(trip.t_ns, Why.TRIP, settings), *aborted(before, settings), change)
    return state.kept(Mode.TRIPPED, trip.t_ns, trip), told


def _end(state: State, t_ns: int, why: Why, settings: CoreSettings) -> Step:
    """The session is over: zero and DISARMED."""
    if not armed(state):
        return state, ()
    before, after = state._replace(t_ns=t_ns), state.kept(Mode.DISARMED, t_ns)
    told = aborted(before, settings)
    return after, (
        *zeros(t_ns, why, settings), *told, changed(state, after, why), cue(before, CueKind.END)
    )  # fmt: skip


def _arm(state: State, event: Arm, settings: CoreSettings) -> Step:
    if state.mode is not Mode.DISARMED:
        return state, ()
    if event.inhibits:
        first = Reason((event.inhibits & -event.inhibits).bit_length() - 1)
        return state, (Refused(event.t_ns, first, event.inhibits),)
    fresh = State(
        t_ns=event.t_ns, session_ns=event.t_ns,
        on_nv=tuple(muscle.on_nv for muscle in settings.muscles),
        highest_ua=(0,) * len(settings.muscles),
    )  # fmt: skip
    return _rest(fresh, Why.OPERATOR)


def _clock_fault(state: State, event: Event, settings: CoreSettings) -> Trip | None:
    """Hops are evenly spaced by what they are: anything else is no time to decide in."""
    most_ns = 2 * sample_time_ns(settings.hop_samples, settings.rate_mhz)
    if event.t_ns < state.t_ns:
        return Trip(state.t_ns, Reason.CLOCK_BACKWARDS, event.t_ns, state.t_ns)
    if event.t_ns - state.t_ns > most_ns:
        return Trip(state.t_ns, Reason.CLOCK_JUMPED, event.t_ns - state.t_ns, most_ns)
    return None


def _pause(state: State, event: Pause, settings: CoreSettings) -> Step:
    if not armed(state):
        return state, ()
    state = state._replace(t_ns=event.t_ns)
    if state.mode is Mode.PAUSED:
        return state._replace(held=True), ()
    after = state.next_trial(Mode.PAUSED, event.t_ns)._replace(held=True)
    told = (*zeros(event.t_ns, Why.OPERATOR, settings), *aborted(state, settings))
    return after, (*told, changed(state, after, Why.OPERATOR), cue(after, CueKind.PAUSE))


def _release(state: State, event: Release, settings: CoreSettings) -> State:
    train, hold = state.train, settings.programme.kind is Kind.HOLD
    if train is None or train.fall_ns >= 0 or not hold:
        return state
    falling = train._replace(fall_ns=event.t_ns, fall_from_ua=train.given_ua)
    return state._replace(t_ns=event.t_ns, train=falling)


def _give(state: State, event: Give, settings: CoreSettings) -> Step:
    programme = settings.programme
    if state.mode is not Mode.REST or programme.kind is not Kind.STEPS:
        return state, ()
    rested_ns = event.t_ns - state.since_ns
    if rested_ns < programme.rest_ns:
        refused = Refused(event.t_ns, Reason.LIMIT_REST, rested_ns, programme.rest_ns)
        return state, (refused,)
    known = 0 <= event.muscle < len(settings.muscles)
    most_ua = state.highest_ua[event.muscle] + programme.step_ua if known else 0
    if not 0 < event.amplitude_ua <= most_ua:
        refused = Refused(event.t_ns, Reason.LIMIT_AMPLITUDE, event.amplitude_ua, most_ua)
        return state, (refused,)
    highest_ua = list(state.highest_ua)
    highest_ua[event.muscle] = max(highest_ua[event.muscle], event.amplitude_ua)
    state = state._replace(t_ns=event.t_ns, highest_ua=tuple(highest_ua))
    tick, target_ua = Hop(event.t_ns, (), (), 0), (event.amplitude_ua,)
    return _train(state, tick, event.muscle, target_ua, Outcome.GIVEN, Why.OPERATOR, settings)


def _tune(state: State, event: Tune, settings: CoreSettings) -> Step:
    """A tone that was below the old threshold and is over the new one must not be taken for an attempt."""
    if not armed(state):
        return state, ()
    on_nv = list(state.on_nv)
    before_nv, on_nv[event.muscle] = on_nv[event.muscle], event.on_nv
    after = state._replace(t_ns=event.t_ns, on_nv=tuple(on_nv), relaxed_since_ns=-1)
    told: tuple[Command, ...] = ()
    if event.on_nv != before_nv:
        told = (ThresholdChanged(event.t_ns, event.muscle, before_nv, event.on_nv, Why.OPERATOR),)
    if state.mode is not Mode.READY:
        return after, told
    given_up = aborted(after, settings)
    after, commands = _rest(after, Why.OPERATOR)
    return after, (*told, *given_up, *commands)


def _pace(state: State, event: Pace) -> State:
    """The rest under way begins anew: a shorter one must not lead to a train at once."""
    if state.mode is not Mode.REST:
        return state
    return state._replace(t_ns=event.t_ns, since_ns=event.t_ns)


def _reset(state: State, event: Reset) -> Step:
    if state.mode is not Mode.TRIPPED:
        return state, ()
    after = state.kept(Mode.DISARMED, event.t_ns)
    return after, (changed(state, after, Why.OPERATOR),)


# ---- a hop of EMG, by mode ----------------------------------------------------------------------------


def _hop(state: State, hop: Hop, settings: CoreSettings) -> Step:
    if hop.flags and armed(state):
        reason = trip_reason(hop.flags)
        if reason is not Reason.NONE:
            return _trip(state, Trip(hop.t_ns, reason, 0, 0), settings)
    later = hop.t_ns > state.t_ns
    state = state._replace(t_ns=hop.t_ns)
    if not later:
        return state, ()
    match state.mode:
        case Mode.DISARMED | Mode.TRIPPED:
            return state, ()
        case Mode.REST:
            return _resting(state, hop, settings)
        case Mode.READY:
            return _ready(state, hop, settings)
        case Mode.STIMULATING:
            return _go_on(state, hop, settings)
        case Mode.HOLD_OFF:
            over = hop.t_ns - state.since_ns >= settings.programme.hold_off_ns
            return _done(state, Why.HOLD_OFF_OVER, settings) if over else (state, ())
        case Mode.PAUSED:
            return _paused(state, settings)
        case _:
            assert_never(state.mode)


def _resting(state: State, hop: Hop, settings: CoreSettings) -> Step:
    programme = settings.programme
    if time_over(state, settings):
        return _end(state, hop.t_ns, Why.SESSION_OVER, settings)
    rested = hop.t_ns - state.since_ns >= programme.rest_ns
    if programme.kind is Kind.STEPS:
        return state, ()
    if programme.kind is Kind.CYCLIC:
        muscle = state.trial % len(settings.muscles)
        return (
            _start(state, hop, muscle, Outcome.GIVEN, Why.WORK, settings) if rested else (state, ())
        )
    state, relaxed = relaxing(state, hop, settings)
    if not rested or not (relaxed or programme.kind is Kind.RELAXATION):
        return state, ()
    after = state._replace(mode=Mode.READY, since_ns=hop.t_ns, relaxed_since_ns=-1)
    if programme.kind is Kind.RELAXATION:
        word = CueKind.RELAX
    else:
        word = CueKind.DO_NOT_TRY if purpose(state, settings) is Trial.NO_GO else CueKind.TRY
    return after, (changed(state, after, Why.RELAXED), cue(after, word))


def _ready(state: State, hop: Hop, settings: CoreSettings) -> Step:
    programme = settings.programme
    if time_over(state, settings):
        return _end(state, hop.t_ns, Why.SESSION_OVER, settings)
    told: tuple[Command, ...] = ()
    if hop.flags:
        state = state._replace(disturbed=True, relaxed_since_ns=-1)
    elif programme.kind is Kind.RELAXATION:
        state, relaxed = relaxing(state, hop, settings)
        if relaxed:
            latency_ns = hop.t_ns - state.since_ns
            success = state._replace(outcome=Outcome.SUCCESS, latency_ns=latency_ns)
            return _done(success, Why.RELAXED, settings)
    else:
        state, number, told = who_tries(state, hop, settings)
        if number >= 0:
            after, commands = _attempt(state, hop, number, settings)
            return after, (*told, *commands)
    waited_ns = hop.t_ns - state.since_ns
    if not programme.timeout_ns or waited_ns < programme.timeout_ns:
        return state, told
    if purpose(state, settings) is Trial.NO_GO:
        outcome = Outcome.CORRECT_REJECTION
    elif programme.on_miss is OnMiss.ASSIST and programme.kind in (Kind.TRIGGERED, Kind.HOLD):
        if waited_ns < programme.timeout_ns + programme.assist_delay_ns or hop.flags:
            return state, told
        muscle = state.trial % len(settings.muscles)
        after, commands = _start(state, hop, muscle, Outcome.ASSISTED, Why.ASSIST, settings)
        return after, (*told, *commands)
    else:
        outcome = Outcome.MISS
    after, commands = _done(state._replace(outcome=outcome), Why.TIMEOUT, settings)
    return after, (*told, *commands)


def _attempt(state: State, hop: Hop, number: int, settings: CoreSettings) -> Step:
    state = state._replace(muscle=number, latency_ns=hop.t_ns - state.since_ns)
    if purpose(state, settings) is Trial.NO_GO:
        return _done(state._replace(outcome=Outcome.FALSE_ALARM), Why.ATTEMPT, settings)
    if settings.programme.kind is Kind.BIOFEEDBACK:
        return _done(state._replace(outcome=Outcome.SUCCESS), Why.ATTEMPT, settings)
    return _start(state, hop, number, Outcome.SUCCESS, Why.ATTEMPT, settings)


def _paused(state: State, settings: CoreSettings) -> Step:
    if time_over(state, settings):
        return _end(state, state.t_ns, Why.SESSION_OVER, settings)
    if state.held or state.t_ns < state.wait_until_ns:
        return state, ()
    return _rest(state, Why.PAUSE_OVER)


# ---- a train ------------------------------------------------------------------------------------------


def _start(
    state: State, hop: Hop, number: int, outcome: Outcome, why: Why, settings: CoreSettings
) -> Step:
    target_ua = targets_ua(settings.muscles[number], settings.programme, state.trial)
    if purpose(state, settings) is Trial.SHAM:
        target_ua = (0,) * len(target_ua)
    return _train(state, hop, number, target_ua, outcome, why, settings)


def _train(
    state: State, hop: Hop, number: int, target_ua: tuple[int, ...], outcome: Outcome, why: Why,
    settings: CoreSettings,
) -> Step:  # fmt: skip
    after = state._replace(
        mode=Mode.STIMULATING, since_ns=hop.t_ns, muscle=number, outcome=outcome, trains=state.trains + 1,
        train=begun(number, target_ua, hop.t_ns, settings.programme),
    )  # fmt: skip
    change = changed(state, after, why, *heard(after, hop, settings))
    return _counted(after, settings), (*outputs(state, after, hop, why, settings), change)


def _go_on(state: State, hop: Hop, settings: CoreSettings) -> Step:
    assert state.train is not None  # noqa: S101 - the mode's own
    if hop.t_ns < state.train.update_ns:
        return state, ()
    train, why = advanced(state.train, state.since_ns, hop.t_ns, settings.programme)
    if why is Why.TRAIN_OVER:
        over = state._replace(mode=Mode.HOLD_OFF, since_ns=hop.t_ns, train=None)
        return over, (*zeros(hop.t_ns, why, settings), changed(state, over, why))
    after = state._replace(train=train)
    return _counted(after, settings), outputs(state, after, hop, why, settings)


def _counted(state: State, settings: CoreSettings) -> State:
    """The pulse that is due now, in the account."""
    assert state.train is not None  # noqa: S101 - of a train
    muscle = settings.muscles[state.train.muscle]
    pulse = pulse_of(state.train.given_ua, muscle, settings.programme)
    return state._replace(trial_dose=state.trial_dose.plus(pulse), dose=state.dose.plus(pulse))


# ---- between trials -----------------------------------------------------------------------------------


def _done(state: State, why: Why, settings: CoreSettings) -> Step:
    """A trial is over, and perhaps the set or the session."""
    programme, said = settings.programme, verdict(state, settings)
    state, moves = staircase(state, settings)
    after = state._replace(trial=state.trial + 1)
    if not programme.trials or after.trial % programme.trials:
        after, commands = _rest(after, why)
    elif after.trial >= programme.trials * programme.sets:
        after, commands = _over(after, settings)
    else:
        pause_ns = state.t_ns + programme.set_pause_ns
        paused = after.next_trial(Mode.PAUSED, state.t_ns)._replace(wait_until_ns=pause_ns)
        commands = (changed(after, paused, Why.SET_OVER), cue(paused, CueKind.PAUSE))
        after = paused
    return after, (*said, *moves, *commands)


def _over(state: State, settings: CoreSettings) -> Step:
    """The last trial is done: nothing of it is left to be aborted."""
    after = state.kept(Mode.DISARMED, state.t_ns)
    told = zeros(state.t_ns, Why.SESSION_OVER, settings)
    return after, (*told, changed(state, after, Why.SESSION_OVER), cue(state, CueKind.END))


def _rest(state: State, why: Why) -> Step:
    """The gate of every trial: filters start afresh, the muscles must relax."""
    after = state.next_trial(Mode.REST, state.t_ns)
    restart = RestartChain(state.t_ns, why)
    return after, (changed(state, after, why), restart, cue(after, CueKind.REST))
