"""The machine that decides when current flows. This file is its specification; nothing else changes a mode.

Rules
  1. Stop comes first: in every mode a Trip leads to zero and TRIPPED, and a Disarm to zero and DISARMED, before
     anything else is looked at. The first trip reason is kept.
  2. One door out of DISARMED: an operator's Arm, without inhibits. One door out of TRIPPED: an operator's Reset,
     which leads to DISARMED.
  3. Time that goes backwards while armed is a trip. Time that stands still starts nothing.
  4. A train starts only in ARMED, on an attempt, with clean EMG. EMG that is no measurement (not finite, at the
     amplifier's rail, flat, without a lead) is a trip in every armed mode, also while a train runs. Disturbed
     EMG (hum, movement, a pop, a heart, clipping) starts nothing and forbids arming; while detection is closed it
     says nothing, for the pulses are in it.
  5. While a train runs, and for the hold-off after it, EMG is not looked at for attempts. Then the filters start
     afresh, and detection opens only when the muscle has been relaxed, below the off threshold, for the set time.
  6. Arming enters by the same gate: a muscle already tense when armed never starts a train.

Table (mode, event -> mode)
  DISARMED     Arm without inhibits        -> REFRACTORY   restart chain
  REFRACTORY   hold-off over               .  (stays)      restart chain
  REFRACTORY   relaxed for relax_ns        -> ARMED
  ARMED        attempt                     -> STIMULATING  first pulse of the ramp
  STIMULATING  a pulse period has passed   .  (stays)      amplitude of the ramp at this time
  STIMULATING  train over                  -> REFRACTORY   zero
  any armed    EMG is no measurement      -> TRIPPED      zero
  any armed    Disarm                      -> DISARMED     zero
  any          Trip                        -> TRIPPED      zero
  TRIPPED      Reset                       -> DISARMED
Every other pair of mode and event changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from nmesd.core.values import (
    ARMED_MODES,
    Arm,
    Command,
    CoreSettings,
    Disarm,
    Event,
    Hop,
    Mode,
    ModeChanged,
    Refused,
    Reset,
    RestartChain,
    SetOutput,
    Trip,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_US

# Flags of dsp.quality; the core may not import dsp, a test holds them equal.
NON_FINITE = 1
SETTLING = 2
RAILED = 4
FLAT = 8
MAINS = 16
MOVEMENT = 32
LEAD_OFF = 64
POP = 128
HEART = 256
CLIPPED = 512
# Flags of EMG that is no measurement, and what they trip with. Where several are set, the first counts.
NO_MEASUREMENT = {
    NON_FINITE: Reason.EMG_NOT_FINITE,
    RAILED: Reason.EMG_RAILED,
    FLAT: Reason.EMG_FLAT,
    LEAD_OFF: Reason.EMG_LEAD_OFF,
}
# Flags of EMG with something else in it: it starts nothing and cannot be armed on.
DISTURBED = {
    MAINS: Reason.EMG_MAINS,
    MOVEMENT: Reason.EMG_MOVEMENT,
    POP: Reason.EMG_POP,
    HEART: Reason.EMG_HEART,
    CLIPPED: Reason.EMG_CLIPPED,
}


class State(NamedTuple):
    """Everything the machine remembers."""

    mode: Mode = Mode.DISARMED
    t_ns: int = 0  # of the last event
    since_ns: int = 0  # the mode's start
    update_ns: int = 0  # STIMULATING: when the amplitude is next due
    amplitude_ua: int = 0  # what is being given
    detection_closed: bool = True  # REFRACTORY: the hold-off is not over yet
    relaxed_since_ns: int = -1  # REFRACTORY: since when below the off threshold, -1 if not
    trains: int = 0
    trip: Trip | None = None


Step = tuple[State, tuple[Command, ...]]


def listening(state: State) -> bool:
    """True while EMG means something: no train runs, nor the hold-off after it."""
    return state.mode is not Mode.STIMULATING and not (
        state.mode is Mode.REFRACTORY and state.detection_closed
    )


def armed(state: State) -> bool:
    """True while an operator's arming is in force."""
    return state.mode in ARMED_MODES


def step(state: State, event: Event, settings: CoreSettings) -> Step:
    """One decision. Pure: the same three values always give the same result."""
    if isinstance(event, Trip):
        return _trip(state, event, settings)
    if isinstance(event, Disarm):
        return _disarm(state, event, settings)
    if event.t_ns < state.t_ns and armed(state):
        return _trip(
            state, Trip(state.t_ns, Reason.CLOCK_BACKWARDS, event.t_ns, state.t_ns), settings
        )
    match event:
        case Hop():
            return _hop(state, event, settings)
        case Arm():
            return _arm(state, event)
        case Reset():
            return _reset(state, event)
        case _:
            assert_never(event)


# ---- acts and trips -----------------------------------------------------------------------------------


def _trip(state: State, trip: Trip, settings: CoreSettings) -> Step:
    if state.mode is Mode.TRIPPED:
        return state, ()
    after = State(Mode.TRIPPED, trip.t_ns, trip.t_ns, trains=state.trains, trip=trip)
    change = ModeChanged(
        trip.t_ns, state.mode, Mode.TRIPPED, Why.TRIP, trip.reason, trip.value, trip.limit
    )
    return after, (_zero(trip.t_ns, Why.TRIP, settings), change)


def _disarm(state: State, event: Disarm, settings: CoreSettings) -> Step:
    if not armed(state):
        return state, ()
    after = State(Mode.DISARMED, event.t_ns, event.t_ns, trains=state.trains)
    zero = _zero(event.t_ns, Why.OPERATOR, settings)
    return after, (zero, _changed(state, after, Why.OPERATOR))


def _arm(state: State, event: Arm) -> Step:
    if state.mode is not Mode.DISARMED:
        return state, ()
    if event.inhibits:
        first = Reason((event.inhibits & -event.inhibits).bit_length() - 1)
        return state, (Refused(event.t_ns, first, event.inhibits),)
    after = State(Mode.REFRACTORY, event.t_ns, event.t_ns, detection_closed=False)
    restart = RestartChain(event.t_ns, Why.OPERATOR)
    return after, (_changed(state, after, Why.OPERATOR), restart)


def _reset(state: State, event: Reset) -> Step:
    if state.mode is not Mode.TRIPPED:
        return state, ()
    after = State(Mode.DISARMED, event.t_ns, event.t_ns, trains=state.trains)
    return after, (_changed(state, after, Why.OPERATOR),)


# ---- a hop of EMG, by mode ----------------------------------------------------------------------------


def _hop(state: State, hop: Hop, settings: CoreSettings) -> Step:
    if hop.flags and armed(state):
        for flag, reason in NO_MEASUREMENT.items():
            if hop.flags & flag:
                return _trip(state, Trip(hop.t_ns, reason, 0, 0), settings)
    later = hop.t_ns > state.t_ns
    state = state._replace(t_ns=hop.t_ns)
    match state.mode:
        case Mode.DISARMED | Mode.TRIPPED:
            return state, ()
        case Mode.ARMED:
            start = hop.attempt and not hop.flags and later
            return _start_train(state, hop, settings) if start else (state, ())
        case Mode.STIMULATING:
            return _go_on(state, hop, settings) if hop.t_ns >= state.update_ns else (state, ())
        case Mode.REFRACTORY:
            return _recover(state, hop, settings)
        case _:
            assert_never(state.mode)


def _start_train(state: State, hop: Hop, settings: CoreSettings) -> Step:
    amplitude_ua, _ = train_amplitude(0, settings)
    after = State(
        Mode.STIMULATING,
        hop.t_ns,
        hop.t_ns,
        update_ns=hop.t_ns + settings.period_us * NS_PER_US,
        amplitude_ua=amplitude_ua,
        trains=state.trains + 1,
    )
    output = _output(hop, amplitude_ua, Why.ATTEMPT, settings)
    return after, (output, _changed(state, after, Why.ATTEMPT, hop.envelope_nv, settings.on_nv))


def _go_on(state: State, hop: Hop, settings: CoreSettings) -> Step:
    amplitude_ua, why = train_amplitude(hop.t_ns - state.since_ns, settings)
    if why is Why.TRAIN_OVER:
        after = State(Mode.REFRACTORY, hop.t_ns, hop.t_ns, trains=state.trains)
        return after, (_zero(hop.t_ns, why, settings), _changed(state, after, why))
    after = state._replace(
        update_ns=state.update_ns + settings.period_us * NS_PER_US, amplitude_ua=amplitude_ua
    )
    if amplitude_ua == state.amplitude_ua:
        return after, ()
    return after, (_output(hop, amplitude_ua, why, settings),)


def _recover(state: State, hop: Hop, settings: CoreSettings) -> Step:
    if state.detection_closed:
        if hop.t_ns - state.since_ns < settings.hold_off_ns:
            return state, ()
        return state._replace(detection_closed=False), (RestartChain(hop.t_ns, Why.HOLD_OFF_OVER),)
    if hop.flags or hop.envelope_nv >= settings.off_nv:
        return state._replace(relaxed_since_ns=-1), ()
    since_ns = state.relaxed_since_ns if state.relaxed_since_ns >= 0 else hop.t_ns
    if hop.t_ns - since_ns < settings.relax_ns:
        return state._replace(relaxed_since_ns=since_ns), ()
    after = State(Mode.ARMED, hop.t_ns, hop.t_ns, trains=state.trains)
    return after, (_changed(state, after, Why.RELAXED, hop.envelope_nv, settings.off_nv),)


# ---- the train's time course --------------------------------------------------------------------------


def train_ns(settings: CoreSettings) -> int:
    """Length of a train in nanoseconds."""
    return settings.ramp_up_ns + settings.plateau_ns + settings.ramp_down_ns


def train_amplitude(elapsed_ns: int, settings: CoreSettings) -> tuple[int, Why]:
    """Amplitude (µA) due `elapsed_ns` into a train: whole steps, one a pulse, the first pulse above zero."""
    period_ns = settings.period_us * NS_PER_US
    target_ua = settings.amplitude_ua
    if elapsed_ns < settings.ramp_up_ns:
        steps = max(1, settings.ramp_up_ns // period_ns)
        return -(-target_ua * min(elapsed_ns // period_ns + 1, steps) // steps), Why.RAMP_UP
    down_ns = elapsed_ns - settings.ramp_up_ns - settings.plateau_ns
    if down_ns < 0:
        return target_ua, Why.PLATEAU
    if down_ns < settings.ramp_down_ns:
        steps = max(1, settings.ramp_down_ns // period_ns)
        return target_ua * max(steps - 1 - down_ns // period_ns, 0) // steps, Why.RAMP_DOWN
    return 0, Why.TRAIN_OVER


# ---- commands -----------------------------------------------------------------------------------------


def _zero(t_ns: int, why: Why, settings: CoreSettings) -> SetOutput:
    return SetOutput(t_ns, settings.channel, 0, 0, 0, why, 0, 0)


def _output(hop: Hop, amplitude_ua: int, why: Why, settings: CoreSettings) -> SetOutput:
    return SetOutput(
        hop.t_ns,
        settings.channel,
        amplitude_ua,
        settings.pulse_width_us,
        settings.period_us,
        why,
        hop.envelope_nv,
        settings.on_nv,
    )


def _changed(before: State, after: State, why: Why, value: int = 0, limit: int = 0) -> ModeChanged:
    return ModeChanged(after.t_ns, before.mode, after.mode, why, Reason.NONE, value, limit)
