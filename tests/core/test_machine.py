"""The machine against its own table: every situation x every event."""

from itertools import product
from typing import get_args

import pytest

import dsp.quality
import nmesd.core.flags
from nmesd.core.flags import DISTURBED, NO_MEASUREMENT, SETTLING
from nmesd.core.machine import TABLE as ROWS
from nmesd.core.machine import step
from nmesd.core.state import armed, listening
from nmesd.core.values import (
    ARMED_MODES,
    Arm,
    Command,
    Cue,
    CueKind,
    Disarm,
    Event,
    Hop,
    Mode,
    ModeChanged,
    Outcome,
    Pause,
    Refused,
    Reset,
    RestartChain,
    Resume,
    SetOutput,
    ThresholdChanged,
    TrialDone,
    Trip,
    Vetoed,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS
from tests.core.situations import EVENTS, FIRST_TRIP, INHIBITS, NEXT, NOW, ON_NV, SITUATIONS, S

What = tuple[type[Command], object]
Result = tuple[Mode, list[What]]

ZEROS = len(S.muscles[0].outputs)
ARMED_SITUATIONS = [name for name, state in SITUATIONS.items() if state.mode in ARMED_MODES]
UNDER_WAY = [
    name for name, state in SITUATIONS.items()
    if state.mode in (Mode.READY, Mode.STIMULATING, Mode.HOLD_OFF)
]  # fmt: skip
NOT_PAUSED = [name for name in ARMED_SITUATIONS if SITUATIONS[name].mode is not Mode.PAUSED]
CLEAN = (
    "attempt", "attempt against the antagonist", "attempt of both", "attempt, antagonist just quiet",
    "active", "tense", "relaxed",
)  # fmt: skip
DISTURBED_HOPS = ("settling attempt", "settling", "disturbed attempt", "disturbed")
FINITE_HOPS = (*CLEAN, *DISTURBED_HOPS)
NO_MEASUREMENTS = (
    "not finite", "not finite, settling", "railed", "flat", "lead off", "railed, flat, settling",
)  # fmt: skip
HOUR_NS = 3_600_000 * NS_PER_MS
BACKWARDS = (
    "attempt, back in time", "arm, back in time", "pause, back in time", "resume, back in time",
    "reset, back in time", "attempt, more than two hops ahead", "give, an hour ahead",
    "tune, back in time", "pace, an hour ahead",
)  # fmt: skip
AGAINST = ("attempt against the antagonist", "attempt of both")
OPEN = [name for name, state in SITUATIONS.items() if state.mode is Mode.READY]
TRIES = ("attempt", "attempt, antagonist just quiet")


def zero(why: Why) -> list[What]:
    return [(SetOutput, why)] * ZEROS


def abort(name: str) -> list[What]:
    return [(TrialDone, Outcome.ABORTED)] if name in UNDER_WAY else []


def tripped(name: str) -> Result:
    return Mode.TRIPPED, [*zero(Why.TRIP), *abort(name), (ModeChanged, Why.TRIP)]


def ended(name: str, why: Why) -> Result:
    told: list[What] = [(ModeChanged, why), (Cue, CueKind.END)]
    return Mode.DISARMED, [*zero(why), *abort(name), *told]


def rest(why: Why, *before: What) -> Result:
    return Mode.REST, [*before, (ModeChanged, why), (RestartChain, why), (Cue, CueKind.REST)]


def paused(why: Why, *before: What) -> Result:
    return Mode.PAUSED, [*before, (ModeChanged, why), (Cue, CueKind.PAUSE)]


def start(why: Why) -> Result:
    return Mode.STIMULATING, [*[(SetOutput, why)] * ZEROS, (ModeChanged, why)]


READY: Result = (Mode.READY, [(ModeChanged, Why.RELAXED), (Cue, CueKind.TRY)])
MISS: What = (TrialDone, Outcome.MISS)
WON: tuple[What, ...] = ((TrialDone, Outcome.SUCCESS), (Cue, CueKind.WELL_DONE))
MOVED: What = (ThresholdChanged, Why.OPERATOR)
VETO: What = (Vetoed, None)
IN_TRAIN: tuple[tuple[str, Result], ...] = (
    ("ramp, due", (Mode.STIMULATING, [(SetOutput, Why.RAMP_UP)] * ZEROS)),
    ("falling", (Mode.STIMULATING, [(SetOutput, Why.RAMP_DOWN)] * ZEROS)),
    ("train over", (Mode.HOLD_OFF, [*zero(Why.TRAIN_OVER), (ModeChanged, Why.TRAIN_OVER)])),
    ("hold-off over", rest(Why.HOLD_OFF_OVER, *WON)),
    ("hold-off over, of a set", paused(Why.SET_OVER, *WON)),
    (
        "hold-off over, the last",
        (Mode.DISARMED, [*WON, *zero(Why.SESSION_OVER), (ModeChanged, Why.SESSION_OVER), (Cue, CueKind.END)]),
    ),
    ("between sets, over", rest(Why.PAUSE_OVER)),
    *(
        (name, ended(name, Why.SESSION_OVER))
        for name in ("rest, time over", "ready, time over", "paused, time over")
    ),
)  # fmt: skip
LAST_MISS: Result = (
    Mode.DISARMED,
    [MISS, *zero(Why.SESSION_OVER), (ModeChanged, Why.SESSION_OVER), (Cue, CueKind.END)],
)
IN_VAIN = {
    "ready, in vain": rest(Why.TIMEOUT, MISS),
    "ready, in vain, of a set": paused(Why.SET_OVER, MISS),
    "ready, in vain, the last": LAST_MISS,
}
# A pair that is not here changes nothing.
TABLE: dict[tuple[str, str], Result] = {
    ("disarmed", "arm"): rest(Why.OPERATOR),
    ("disarmed", "arm, back in time"): rest(Why.OPERATOR),  # the order of times counts only while armed
    ("disarmed", "arm, inhibited"): (Mode.DISARMED, [(Refused, Reason.EMG_STALE)]),  # the lowest bit
    **{(name, hop): result for name, result in IN_TRAIN for hop in FINITE_HOPS},
    ("rest, relaxed", "relaxed"): READY,
    **{("ready", event): start(Why.ATTEMPT) for event in TRIES},
    **{("ready", hop): (Mode.READY, [VETO]) for hop in AGAINST},
    **{(name, hop): result for name, result in IN_VAIN.items() for hop in FINITE_HOPS},
    **{(name, hop): start(Why.ATTEMPT) for name in IN_VAIN for hop in TRIES},
    **{
        (name, hop): (mode, [VETO, *told])
        for name, (mode, told) in IN_VAIN.items()
        for hop in AGAINST
    },
    **{
        (name, "pause"): paused(Why.OPERATOR, *zero(Why.OPERATOR), *abort(name))
        for name in NOT_PAUSED
    },
    **{
        (name, event): tripped(name)
        for name in ("disarmed", *ARMED_SITUATIONS)
        for event in ("trip", "trip, back in time")
    },
    **{
        (name, event): ended(name, Why.OPERATOR)
        for name in ARMED_SITUATIONS
        for event in ("disarm", "disarm, back in time")
    },
    **{
        (name, event): tripped(name)
        for name in ARMED_SITUATIONS
        for event in (*NO_MEASUREMENTS, *BACKWARDS)
    },
    **{
        (name, "tune"): (SITUATIONS[name].mode, [MOVED])
        for name in ARMED_SITUATIONS if name not in OPEN
    },
    **{(name, "tune"): rest(Why.OPERATOR, MOVED, *abort(name)) for name in OPEN},
    **{(name, "tune, the same on threshold"): rest(Why.OPERATOR, *abort(name)) for name in OPEN},
    ("tripped", "reset"): (Mode.DISARMED, [(ModeChanged, Why.OPERATOR)]),
    ("tripped", "reset, back in time"): (Mode.DISARMED, [(ModeChanged, Why.OPERATOR)]),
}  # fmt: skip


def what(command: Command) -> What:
    match command:
        case Refused():
            return Refused, command.reason
        case Cue():
            return Cue, command.cue
        case TrialDone():
            return TrialDone, command.outcome
        case Vetoed():
            return Vetoed, None
        case _:
            return type(command), command.why


def test_the_table_is_about_every_mode_and_every_event() -> None:
    assert {state.mode for state in SITUATIONS.values()} == set(Mode)
    assert {type(event) for event in EVENTS.values()} == set(get_args(Event))


@pytest.mark.parametrize(("situation", "event"), list(product(SITUATIONS, EVENTS)))
def test_every_situation_and_every_event(situation: str, event: str) -> None:
    before = SITUATIONS[situation]
    mode, commands = TABLE.get((situation, event), (before.mode, []))
    after, given = step(before, EVENTS[event], S)
    assert (after.mode, [what(command) for command in given]) == (mode, commands)
    changed = [command for command in given if isinstance(command, ModeChanged)]
    assert bool(changed) == (before.mode is not after.mode)
    for change in changed:
        assert (change.before, change.after) == (before.mode, after.mode)
        assert any(
            change.before in row.before and (change.why, change.after) == (row.why, row.after)
            for row in ROWS
        )
    for command in given:
        assert command.t_ns in (after.t_ns, EVENTS[event].t_ns)
    assert (after.train is not None) == (after.mode is Mode.STIMULATING)
    assert (after.trip is None) == (after.mode is not Mode.TRIPPED)


@pytest.mark.parametrize(("situation", "event"), list(product(SITUATIONS, EVENTS)))
def test_outputs_are_what_the_train_gives(situation: str, event: str) -> None:
    before = SITUATIONS[situation]
    after, given = step(before, EVENTS[event], S)
    (muscle,) = S.muscles
    for command in given:
        if not isinstance(command, SetOutput):
            continue
        number = [output.channel for output in muscle.outputs].index(command.channel)
        if command.why in (Why.TRIP, Why.OPERATOR, Why.TRAIN_OVER, Why.SESSION_OVER):
            assert command[2:5] == (0, 0, 0)
            assert after.train is None
        else:
            assert after.train is not None
            assert command.amplitude_ua == after.train.given_ua[number] > 0
            assert command.pulse_width_us == muscle.outputs[number].pulse_width_us
            assert command.period_us == S.programme.period_us


@pytest.mark.parametrize("situation", ARMED_SITUATIONS)
def test_a_trip_carries_its_reason_and_numbers(situation: str) -> None:
    before = SITUATIONS[situation]
    for event, expected in (
        ("trip", (Reason.OPERATOR_STOP, 1, 2)),
        ("attempt, back in time", (Reason.CLOCK_BACKWARDS, NOW - 1, NOW)),
        (
            "attempt, more than two hops ahead",
            (Reason.CLOCK_JUMPED, 2 * NS_PER_MS + 1, 2 * NS_PER_MS),
        ),
        ("give, an hour ahead", (Reason.CLOCK_JUMPED, HOUR_NS, 2 * NS_PER_MS)),
        ("not finite", (Reason.EMG_NOT_FINITE, 0, 0)),
        ("not finite, settling", (Reason.EMG_NOT_FINITE, 0, 0)),
        ("railed", (Reason.EMG_RAILED, 0, 0)),
        ("flat", (Reason.EMG_FLAT, 0, 0)),
        ("lead off", (Reason.EMG_LEAD_OFF, 0, 0)),
        ("railed, flat, settling", (Reason.EMG_RAILED, 0, 0)),
    ):
        after, (*_, change) = step(before, EVENTS[event], S)
        assert after.trip is not None
        assert after.trip[1:] == expected
        assert isinstance(change, ModeChanged)
        assert (change.reason, change.value, change.limit) == expected
        assert (after.trains, after.dose) == (before.trains, before.dose)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_stop_is_first_and_one_step_away(situation: str) -> None:
    before = SITUATIONS[situation]
    for stop in (Trip(NOW - 9, Reason.OPERATOR_STOP, 0, 0), Disarm(NOW - 9, 1)):
        after, given = step(before, stop, S)
        assert after.mode in (Mode.DISARMED, Mode.TRIPPED)
        if armed(before):
            first = given[:ZEROS]
            assert all(isinstance(c, SetOutput) and c.amplitude_ua == 0 for c in first)


def test_the_first_reason_is_kept() -> None:
    for event in EVENTS.values():
        after, commands = step(SITUATIONS["tripped"], event, S)
        if isinstance(event, Reset):
            assert after.trip is None
        else:
            assert after.trip == FIRST_TRIP
            assert commands == ()


def test_refused_names_the_lowest_inhibit_and_all_of_them() -> None:
    after, (refused,) = step(SITUATIONS["disarmed"], EVENTS["arm, inhibited"], S)
    assert after == SITUATIONS["disarmed"]
    assert refused == Refused(NEXT, Reason.EMG_STALE, INHIBITS)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_inhibits(reason: Reason) -> None:
    after, (refused,) = step(SITUATIONS["disarmed"], Arm(NEXT, 1, 1 << reason), S)
    assert after.mode is Mode.DISARMED
    assert refused == Refused(NEXT, reason, 1 << reason)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_two_hops_at_once_are_no_jump(situation: str) -> None:
    before = SITUATIONS[situation]
    after, _ = step(before, Hop(NOW + 2 * NS_PER_MS, (0, 0), (False, False), 0), S)
    assert after.mode is not Mode.TRIPPED or before.mode is Mode.TRIPPED


@pytest.mark.parametrize("situation", SITUATIONS)
def test_time_that_stands_still_changes_nothing(situation: str) -> None:
    state = SITUATIONS[situation]
    for event in ("attempt", "relaxed", "disturbed"):
        still = EVENTS[event]
        assert isinstance(still, Hop)
        assert step(state, still._replace(t_ns=NOW), S) == (state, ())


@pytest.mark.parametrize("situation", ["rest, relaxed", "ready"])
def test_flags_and_tension_break_relaxation(situation: str) -> None:
    before = SITUATIONS[situation]._replace(relaxed_since_ns=NOW)
    for event in ("settling", "settling attempt", "disturbed"):
        after, commands = step(before, EVENTS[event], S)
        assert commands == ()
        assert after.relaxed_since_ns == -1
    for event in ("tense", "active"):
        assert step(SITUATIONS["rest, relaxed"], EVENTS[event], S)[0].relaxed_since_ns == -1


def test_a_pause_is_held_until_it_is_resumed_and_never_shorter() -> None:
    between = SITUATIONS["between sets"]
    held, _ = step(between, Pause(NOW, 1), S)
    assert held.held
    hop = EVENTS["relaxed"]
    assert isinstance(hop, Hop)
    late = hop._replace(t_ns=between.wait_until_ns + 5)
    assert step(held, late, S)[0].mode is Mode.PAUSED
    resumed, told = step(held, Resume(NOW, 1), S)
    assert told == ()
    assert step(resumed, hop, S)[0].mode is Mode.PAUSED  # the sets' own pause still lasts
    assert step(resumed, late, S)[0].mode is Mode.REST


@pytest.mark.parametrize("situation", ARMED_SITUATIONS)
def test_a_tuned_threshold_holds_and_relaxation_begins_anew(situation: str) -> None:
    before = SITUATIONS[situation]
    after, told = step(before, EVENTS["tune"], S)
    assert (after.on_nv, after.relaxed_since_ns) == ((ON_NV - 1,), -1)
    assert ThresholdChanged(NEXT, 0, ON_NV, ON_NV - 1, Why.OPERATOR) in told
    assert after.train == before.train
    if before.mode is not Mode.READY:
        assert (after.mode, after.since_ns) == (before.mode, before.since_ns)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_another_rest_begins_the_one_under_way_anew(situation: str) -> None:
    before = SITUATIONS[situation]
    after, told = step(before, EVENTS["pace"], S)
    begun = before._replace(t_ns=NEXT, since_ns=NEXT) if before.mode is Mode.REST else before
    assert (after, told) == (begun, ())


DSP_FLAGS = {name: value for name, value in vars(dsp.quality).items() if name.isupper()}


def test_the_core_knows_dsp_s_flags() -> None:
    assert {name: getattr(nmesd.core.flags, name) for name in DSP_FLAGS} == DSP_FLAGS
    # Settling passes by itself, and every other flag says one of two things.
    assert set(NO_MEASUREMENT) | set(DISTURBED) == set(DSP_FLAGS.values()) - {SETTLING}
    assert not set(NO_MEASUREMENT) & set(DISTURBED)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_mode_and_every_flag(situation: str) -> None:
    """A measurement or none: that alone decides whether an arming ends, also in mid-train."""
    before = SITUATIONS[situation]
    for flags in range(1 << len(DSP_FLAGS)):
        hop = Hop(NEXT, (0, 0), (True, False), flags)
        after, commands = step(before, hop, S)
        reasons = [reason for flag, reason in NO_MEASUREMENT.items() if flags & flag]
        if armed(before) and reasons:
            assert after.mode is Mode.TRIPPED
            assert after.trip is not None
            assert after.trip.reason is reasons[0]
            assert isinstance(commands[0], SetOutput)
            assert commands[0].amplitude_ua == 0
        else:
            # Whatever else there is in the EMG, it is as if the filters settled.
            settling = hop._replace(flags=SETTLING if flags else 0)
            assert after.mode is step(before, settling, S)[0].mode
            assert (after.mode is Mode.TRIPPED) == (before.mode is Mode.TRIPPED)
            if flags and before.mode is not Mode.STIMULATING:
                assert after.mode is not Mode.STIMULATING


def test_emg_means_something_but_while_pulses_are_in_it() -> None:
    deaf = {name for name, state in SITUATIONS.items() if not listening(state)}
    assert deaf == {
        name for name, state in SITUATIONS.items() if state.mode in (Mode.STIMULATING, Mode.HOLD_OFF)
    }  # fmt: skip
