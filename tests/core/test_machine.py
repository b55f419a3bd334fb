"""The machine against its own table: every mode x every event, and what must hold on any path."""

from itertools import product
from typing import get_args

import pytest

import dsp.quality
import nmesd.core.machine
from nmesd.core.machine import (
    DISTURBED,
    NO_MEASUREMENT,
    SETTLING,
    State,
    armed,
    step,
)
from nmesd.core.values import (
    ARMED_MODES,
    Arm,
    Command,
    Event,
    Hop,
    Mode,
    ModeChanged,
    Refused,
    Reset,
    RestartChain,
    SetOutput,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS
from tests.core.situations import (
    EVENTS,
    FIRST_TRIP,
    INHIBITS,
    NEXT,
    NOW,
    OFF_NV,
    ON_NV,
    SITUATIONS,
    S,
)

What = tuple[type[Command], Why | Reason]
Outcome = tuple[Mode, list[What]]
TRIPPED: Outcome = (Mode.TRIPPED, [(SetOutput, Why.TRIP), (ModeChanged, Why.TRIP)])
DISARMED: Outcome = (Mode.DISARMED, [(SetOutput, Why.OPERATOR), (ModeChanged, Why.OPERATOR)])
ARMING: Outcome = (Mode.REFRACTORY, [(ModeChanged, Why.OPERATOR), (RestartChain, Why.OPERATOR)])
REFUSED: Outcome = (Mode.DISARMED, [(Refused, Reason.EMG_STALE)])  # the lowest bit
START: Outcome = (Mode.STIMULATING, [(SetOutput, Why.ATTEMPT), (ModeChanged, Why.ATTEMPT)])
RESET: Outcome = (Mode.DISARMED, [(ModeChanged, Why.OPERATOR)])
UP: Outcome = (Mode.STIMULATING, [(SetOutput, Why.RAMP_UP)])
OVER: Outcome = (Mode.REFRACTORY, [(SetOutput, Why.TRAIN_OVER), (ModeChanged, Why.TRAIN_OVER)])
OPEN: Outcome = (Mode.REFRACTORY, [(RestartChain, Why.HOLD_OFF_OVER)])
RELAXED: Outcome = (Mode.ARMED, [(ModeChanged, Why.RELAXED)])

FINITE_HOPS = (
    "attempt", "active", "tense", "relaxed", "settling attempt", "settling", "disturbed attempt", "disturbed",
)  # fmt: skip
NO_MEASUREMENTS = (
    "not finite", "not finite, settling", "railed", "flat", "lead off", "railed, flat, settling",
)  # fmt: skip
ARMED_SITUATIONS = [name for name, state in SITUATIONS.items() if state.mode in ARMED_MODES]
BACKWARDS = ("attempt, back in time", "arm, back in time", "reset, back in time")
# The docstring's table. A pair that is not here changes nothing.
TABLE: dict[tuple[str, str], Outcome] = {
    ("disarmed", "arm"): ARMING,
    ("disarmed", "arm, back in time"): ARMING,  # the order of times counts only while armed
    ("disarmed", "arm, inhibited"): REFUSED,
    **{(name, "trip"): TRIPPED for name in ("disarmed", *ARMED_SITUATIONS)},
    **{(name, "trip, back in time"): TRIPPED for name in ("disarmed", *ARMED_SITUATIONS)},
    **{(name, "disarm"): DISARMED for name in ARMED_SITUATIONS},
    **{(name, "disarm, back in time"): DISARMED for name in ARMED_SITUATIONS},
    **dict.fromkeys(product(ARMED_SITUATIONS, NO_MEASUREMENTS), TRIPPED),
    **dict.fromkeys(product(ARMED_SITUATIONS, BACKWARDS), TRIPPED),
    ("armed", "attempt"): START,
    **{("ramp, due", hop): UP for hop in FINITE_HOPS},
    **{("train over", hop): OVER for hop in FINITE_HOPS},
    **{("hold-off over", hop): OPEN for hop in FINITE_HOPS},
    ("open, relaxed", "relaxed"): RELAXED,
    ("tripped", "reset"): RESET,
    ("tripped", "reset, back in time"): RESET,
}


def what(command: Command) -> What:
    return type(command), command.reason if isinstance(command, Refused) else command.why


def test_the_table_is_about_every_mode_and_every_event() -> None:
    assert {state.mode for state in SITUATIONS.values()} == set(Mode)
    assert {type(event) for event in EVENTS.values()} == set(get_args(Event))


@pytest.mark.parametrize(("situation", "event"), list(product(SITUATIONS, EVENTS)))
def test_every_mode_and_every_event(situation: str, event: str) -> None:
    before = SITUATIONS[situation]
    mode, commands = TABLE.get((situation, event), (before.mode, []))
    after, given = step(before, EVENTS[event], S)
    assert (after.mode, [what(command) for command in given]) == (mode, commands)
    changed = [command for command in given if isinstance(command, ModeChanged)]
    assert bool(changed) == (before.mode is not after.mode)
    for change in changed:
        assert (change.before, change.after) == (before.mode, after.mode)
    for command in given:
        assert command.t_ns in (after.t_ns, EVENTS[event].t_ns)
        if isinstance(command, SetOutput):
            assert command.channel == S.channel
            assert command.amplitude_ua == after.amplitude_ua
            width_and_period = (command.pulse_width_us, command.period_us)
            silent = command.why in (Why.TRIP, Why.OPERATOR, Why.TRAIN_OVER)
            assert width_and_period == ((0, 0) if silent else (S.pulse_width_us, S.period_us))
    if after.mode is not Mode.STIMULATING:
        assert after.amplitude_ua == 0
    assert (after.trip is None) == (after.mode is not Mode.TRIPPED)


@pytest.mark.parametrize("situation", ARMED_SITUATIONS)
def test_a_trip_carries_its_reason_and_numbers(situation: str) -> None:
    before = SITUATIONS[situation]
    for event, expected in (
        ("trip", (Reason.OPERATOR_STOP, 1, 2)),
        ("attempt, back in time", (Reason.CLOCK_BACKWARDS, NOW - 1, NOW)),
        ("not finite", (Reason.EMG_NOT_FINITE, 0, 0)),
        ("not finite, settling", (Reason.EMG_NOT_FINITE, 0, 0)),
        ("railed", (Reason.EMG_RAILED, 0, 0)),
        ("flat", (Reason.EMG_FLAT, 0, 0)),
        ("lead off", (Reason.EMG_LEAD_OFF, 0, 0)),
        ("railed, flat, settling", (Reason.EMG_RAILED, 0, 0)),
    ):
        after, (_, change) = step(before, EVENTS[event], S)
        assert after.trip is not None
        assert after.trip[1:] == expected
        assert isinstance(change, ModeChanged)
        assert (change.reason, change.value, change.limit) == expected
        assert after.trains == before.trains


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
def test_time_that_stands_still_starts_nothing(situation: str) -> None:
    state = SITUATIONS[situation]
    for _ in range(3):
        for hop in ("attempt", "relaxed"):
            still = EVENTS[hop]
            assert isinstance(still, Hop)
            state, commands = step(state, still._replace(t_ns=NOW), S)
            assert not any(isinstance(c, SetOutput) and c.amplitude_ua for c in commands)
    assert state.mode is SITUATIONS[situation].mode


def test_flags_and_tension_break_relaxation() -> None:
    for event in ("tense", "active", "settling", "settling attempt", "disturbed"):
        after, commands = step(SITUATIONS["open, relaxed"], EVENTS[event], S)
        assert commands == ()
        assert after.relaxed_since_ns == -1


DSP_FLAGS = {name: value for name, value in vars(dsp.quality).items() if name.isupper()}


def test_the_core_knows_dsp_s_flags() -> None:
    assert {name: getattr(nmesd.core.machine, name) for name in DSP_FLAGS} == DSP_FLAGS
    # Settling passes by itself, and every other flag says one of two things.
    assert set(NO_MEASUREMENT) | set(DISTURBED) == set(DSP_FLAGS.values()) - {SETTLING}
    assert not set(NO_MEASUREMENT) & set(DISTURBED)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_mode_and_every_flag(situation: str) -> None:
    """A measurement or none: that alone decides whether an arming ends, also in mid-train."""
    before = SITUATIONS[situation]
    for flags in range(1 << len(DSP_FLAGS)):
        hop = Hop(NEXT, 0, active=False, attempt=True, flags=flags)
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


# ---- one cycle, written out -------------------------------------------------------------------


def test_a_full_cycle() -> None:
    """Armed with a tense muscle; relaxes; attempts, and goes on with effort through the train."""
    state, commands = step(State(), Arm(0, 77, 0), S)
    seen: list[tuple[int, str, Why | Reason, int]] = []
    for t_ms in range(1, 2000):
        envelope_nv = OFF_NV - 1
        if t_ms <= 50 or 600 <= t_ms < 1400:
            envelope_nv = ON_NV + 1
        active = envelope_nv > ON_NV
        hop = Hop(t_ms * NS_PER_MS, envelope_nv, active, active and t_ms >= 630, 0)
        state, commands = step(state, hop, S)
        seen += [
            (t_ms, type(c).__name__, what(c)[1], getattr(c, "amplitude_ua", 0)) for c in commands
        ]
    assert seen == [
        (251, "ModeChanged", Why.RELAXED, 0),  # 200 ms after the first relaxed hop at 51
        (630, "SetOutput", Why.ATTEMPT, 2000),
        (630, "ModeChanged", Why.ATTEMPT, 0),
        (650, "SetOutput", Why.RAMP_UP, 4000),
        (670, "SetOutput", Why.RAMP_UP, 6000),
        (690, "SetOutput", Why.RAMP_UP, 8000),
        (710, "SetOutput", Why.RAMP_UP, 10_000),
        (930, "SetOutput", Why.RAMP_DOWN, 8000),
        (950, "SetOutput", Why.RAMP_DOWN, 6000),
        (970, "SetOutput", Why.RAMP_DOWN, 4000),
        (990, "SetOutput", Why.RAMP_DOWN, 2000),
        (1010, "SetOutput", Why.RAMP_DOWN, 0),
        (1030, "SetOutput", Why.TRAIN_OVER, 0),
        (1030, "ModeChanged", Why.TRAIN_OVER, 0),
        (1330, "RestartChain", Why.HOLD_OFF_OVER, 0),
        (1600, "ModeChanged", Why.RELAXED, 0),  # tense until 1399
    ]
    assert state.trains == 1


def test_the_amplitude_changes_only_with_a_pulse() -> None:
    """Also where ramp and plateau are no whole number of periods: one raster for the whole train."""
    odd = S._replace(ramp_up_ns=107 * NS_PER_MS, plateau_ns=33 * NS_PER_MS)
    state = SITUATIONS["armed"]
    changes = []
    for t_ms in range(1, 300):
        hop = Hop(NOW + t_ms * NS_PER_MS, ON_NV, active=True, attempt=True, flags=0)
        state, commands = step(state, hop, odd)
        changes += [t_ms - 1 for command in commands if isinstance(command, SetOutput)]
    assert changes == [0, 20, 40, 60, 80, 140, 160, 180, 200, 220, 240]
