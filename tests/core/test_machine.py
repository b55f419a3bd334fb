"""The machine against its own table: every mode x every event, and what must hold on any path."""

import random
from itertools import pairwise, product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import dsp.quality
import nmesd.core.machine
from nmesd.core.machine import (
    FLAT,
    NO_MEASUREMENT,
    NON_FINITE,
    RAILED,
    SETTLING,
    State,
    armed,
    step,
    train_amplitude,
    train_ns,
)
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

FINITE_HOPS = ("attempt", "active", "tense", "relaxed", "settling attempt", "settling")
NO_MEASUREMENTS = ("not finite", "not finite, settling", "railed", "flat", "railed, flat, settling")
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
    for event in ("tense", "active", "settling", "settling attempt"):
        after, commands = step(SITUATIONS["open, relaxed"], EVENTS[event], S)
        assert commands == ()
        assert after.relaxed_since_ns == -1


DSP_FLAGS = {name: value for name, value in vars(dsp.quality).items() if name.isupper()}


def test_the_core_knows_dsp_s_flags() -> None:
    assert {name: getattr(nmesd.core.machine, name) for name in DSP_FLAGS} == DSP_FLAGS
    assert set(NO_MEASUREMENT) == set(DSP_FLAGS.values()) - {SETTLING}  # settling passes by itself


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("flags", range(1 << len(DSP_FLAGS)))
def test_every_mode_and_every_flag(situation: str, flags: int) -> None:
    """A measurement or none: that alone decides whether an arming ends, also in mid-train."""
    before = SITUATIONS[situation]
    hop = Hop(NEXT, 0, active=False, attempt=True, flags=flags)
    after, commands = step(before, hop, S)
    if armed(before) and flags & ~SETTLING:
        assert after.mode is Mode.TRIPPED
        assert after.trip is not None
        assert after.trip.reason is NO_MEASUREMENT[flags & ~SETTLING & -(flags & ~SETTLING)]
        assert isinstance(commands[0], SetOutput)
        assert commands[0].amplitude_ua == 0
    else:
        assert after.mode is step(before, hop._replace(flags=flags & SETTLING), S)[0].mode
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


# ---- the train's time course ------------------------------------------------------------------


def _part(t_ns: int, train: CoreSettings) -> Why:
    lengths_ns = (train.ramp_up_ns, train.plateau_ns, train.ramp_down_ns)
    for part, length_ns in zip((Why.RAMP_UP, Why.PLATEAU, Why.RAMP_DOWN), lengths_ns, strict=True):
        if t_ns < length_ns:
            return part
        t_ns -= length_ns
    return Why.TRAIN_OVER


durations_ns = st.one_of(st.just(0), st.integers(0, 2_000_000_000), st.integers(0, 50_000_000))
trains = st.builds(
    S._replace,
    amplitude_ua=st.integers(1, 130_000),
    period_us=st.integers(10_000, 200_000),
    ramp_up_ns=durations_ns,
    plateau_ns=durations_ns,
    ramp_down_ns=durations_ns,
)


@settings(max_examples=150, deadline=None)
@given(trains, st.lists(st.integers(0, 6_000_000_000), max_size=60).map(sorted))
def test_a_train_rises_stays_and_falls(train: CoreSettings, more_ns: list[int]) -> None:
    up_ns, down_ns = train.ramp_up_ns, train.ramp_up_ns + train.plateau_ns
    over_ns = train_ns(train)
    edges = {up_ns - 1, up_ns, down_ns - 1, down_ns, over_ns - 1, over_ns, over_ns + 1}
    period_ns = train.period_us * NS_PER_US
    pulses = set(range(0, over_ns + 1, period_ns))
    times_ns = sorted({*more_ns, *pulses, *(t for t in edges if t >= 0)})
    course = [(t, *train_amplitude(t, train)) for t in times_ns]

    assert all(0 <= amplitude_ua <= train.amplitude_ua for _, amplitude_ua, _ in course)
    if down_ns > 0:
        assert train_amplitude(0, train)[0] > 0  # the first pulse
    for (t_ns, amplitude_ua, _), (later_ns, later_ua, _) in pairwise(course):
        if later_ns < down_ns:
            assert later_ua >= amplitude_ua
        if t_ns >= down_ns:
            assert later_ua <= amplitude_ua
    for t_ns, amplitude_ua, why in course:
        assert why is _part(t_ns, train)
        if why is Why.PLATEAU:
            assert amplitude_ua == train.amplitude_ua
        if why is Why.TRAIN_OVER:
            assert amplitude_ua == 0
    if train.ramp_down_ns:
        assert train_amplitude(over_ns - 1, train)[0] == 0
    if up_ns:
        assert train_amplitude(up_ns - 1, train)[0] == train.amplitude_ua


@settings(max_examples=100, deadline=None)
@given(trains, st.floats(2, 100), st.floats(2, 100))
def test_no_step_of_a_ramp_is_over_its_share(
    train: CoreSettings, up_pulses: float, down_pulses: float
) -> None:
    """Up and down go in equal steps, to a microampere: no jump where a ramp begins or ends."""
    period_ns = train.period_us * NS_PER_US
    train = train._replace(
        ramp_up_ns=int(up_pulses * period_ns), ramp_down_ns=int(down_pulses * period_ns)
    )
    up = [train_amplitude(t, train)[0] for t in range(0, train.ramp_up_ns, period_ns)]
    most = train.amplitude_ua // (train.ramp_up_ns // period_ns) + 1
    assert all(b - a <= most for a, b in pairwise([0, *up, train.amplitude_ua]))
    start = train.ramp_up_ns + train.plateau_ns
    down = [train_amplitude(start + t, train)[0] for t in range(0, train.ramp_down_ns, period_ns)]
    most = train.amplitude_ua // (train.ramp_down_ns // period_ns) + 1
    assert all(a - b <= most for a, b in pairwise([train.amplitude_ua, *down, 0]))


# ---- what must hold on any path ---------------------------------------------------------------


class AnyPath(RuleBasedStateMachine):
    """Whatever comes: current flows only in a train that an operator armed for."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.output_ua = 0
        self.armed_by_operator = False
        self.trained_until_ns: int | None = None  # the last train's end, since the last arming
        self.relaxed_since_ns: int | None = None
        self.settings = S

    @initialize(
        ramp_ms=st.sampled_from([0, 5, 40]),
        hold_off_ms=st.sampled_from([1, 250]),
        relax_ms=st.sampled_from([1, 100]),
    )
    def choose(self, ramp_ms: int, hold_off_ms: int, relax_ms: int) -> None:
        ramp_ns = ramp_ms * NS_PER_MS
        self.settings = S._replace(
            ramp_up_ns=ramp_ns,
            plateau_ns=60 * NS_PER_MS,
            ramp_down_ns=ramp_ns,
            hold_off_ns=hold_off_ms * NS_PER_MS,
            relax_ns=relax_ms * NS_PER_MS,
        )

    def apply(self, event: Event) -> tuple[Command, ...]:
        before = self.state
        self.state, commands = step(before, event, self.settings)
        for command in commands:
            if isinstance(command, SetOutput):
                self.output_ua = command.amplitude_ua
            if isinstance(command, ModeChanged):
                self._changed(command)
        return commands

    def _changed(self, change: ModeChanged) -> None:
        if change.after is Mode.STIMULATING:
            assert change.before is Mode.ARMED
            assert self.relaxed_since_ns is not None
            assert change.t_ns - self.relaxed_since_ns >= self.settings.relax_ns
            if self.trained_until_ns is not None:
                opened_ns = self.trained_until_ns + self.settings.hold_off_ns
                assert self.relaxed_since_ns >= opened_ns
            self.relaxed_since_ns = None  # the next train needs a relaxation of its own
        if change.before is Mode.STIMULATING:
            self.trained_until_ns = change.t_ns
        if change.after in (Mode.DISARMED, Mode.TRIPPED):
            self.armed_by_operator = False
            self.trained_until_ns = self.relaxed_since_ns = None

    def hop(self, ahead_ns: int, envelope_nv: int, flags: int, *, attempt: bool) -> None:
        t_ns = self.state.t_ns + ahead_ns
        if self.state.mode is Mode.REFRACTORY:  # an account of its own of how long it was relaxed
            closed_until_ns = 0
            if self.trained_until_ns is not None:
                closed_until_ns = self.trained_until_ns + self.settings.hold_off_ns
            if flags or envelope_nv >= OFF_NV or t_ns < closed_until_ns:
                self.relaxed_since_ns = None
            elif self.relaxed_since_ns is None:
                self.relaxed_since_ns = t_ns
        attempt = attempt and envelope_nv >= OFF_NV
        self.apply(Hop(t_ns, envelope_nv, attempt, attempt, flags))

    @rule(
        count=st.integers(1, 400),
        envelope_nv=st.sampled_from([0, OFF_NV - 1, OFF_NV, ON_NV]),
        attempt=st.booleans(),
    )
    def hops(self, count: int, envelope_nv: int, attempt: bool) -> None:
        for _ in range(count):
            self.hop(NS_PER_MS, envelope_nv, 0, attempt=attempt)
            self.nothing_flows_but_in_a_train()

    @rule(
        ahead_ns=st.sampled_from([-NS_PER_MS, -1, 0, 1, NS_PER_MS, 500 * NS_PER_MS]),
        envelope_nv=st.integers(0, 40_000),
        attempt=st.booleans(),
        flags=st.sampled_from([0, 0, SETTLING, NON_FINITE, RAILED, FLAT]),
    )
    def odd_hop(self, ahead_ns: int, envelope_nv: int, attempt: bool, flags: int) -> None:
        self.hop(ahead_ns, envelope_nv, flags, attempt=attempt)

    @rule(inhibits=st.sampled_from([0, 0, 0, INHIBITS]))
    def arm(self, inhibits: int) -> None:
        if self.state.mode is Mode.DISARMED and not inhibits:
            self.armed_by_operator = True
        self.apply(Arm(self.state.t_ns, 1, inhibits))

    @precondition(lambda self: self.state.mode in (Mode.DISARMED, Mode.TRIPPED))
    @rule()
    def arm_properly_and_train(self) -> None:
        self.apply(Reset(self.state.t_ns, 1))
        self.arm(0)
        for envelope_nv, count in ((0, 102), (ON_NV, 3)):
            for _ in range(count):
                self.hop(NS_PER_MS, envelope_nv, 0, attempt=envelope_nv > 0)
        assert self.state.mode is Mode.STIMULATING
        assert self.output_ua > 0

    @rule(back_ns=st.sampled_from([0, 0, 1]))
    def reset(self, back_ns: int) -> None:
        self.apply(Reset(self.state.t_ns - back_ns, 1))

    @rule(back_ns=st.sampled_from([0, 0, 1]))
    def disarm(self, back_ns: int) -> None:
        before = self.state.mode
        self.apply(Disarm(self.state.t_ns - back_ns, 1))
        assert self.output_ua == 0
        assert self.state.mode is (Mode.DISARMED if before in ARMED_MODES else before)

    @rule(reason=st.sampled_from(Reason), back_ns=st.sampled_from([0, 0, 1]))
    def trip(self, reason: Reason, back_ns: int) -> None:
        first = self.state.trip
        self.apply(Trip(self.state.t_ns - back_ns, reason, 1, 2))
        assert self.output_ua == 0
        assert self.state.mode is Mode.TRIPPED
        assert self.state.trip is not None
        assert first in (None, self.state.trip)

    @invariant()
    def nothing_flows_but_in_a_train(self) -> None:
        assert self.output_ua == self.state.amplitude_ua
        assert 0 <= self.output_ua <= self.settings.amplitude_ua
        if self.output_ua:
            assert self.state.mode is Mode.STIMULATING
        if armed(self.state):
            assert self.armed_by_operator
        assert (self.state.trip is not None) == (self.state.mode is Mode.TRIPPED)


AnyPath.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyPath = AnyPath.TestCase


def test_a_step_is_pure() -> None:
    order = list(product(SITUATIONS.values(), EVENTS.values()))
    first = [step(state, event, S) for state, event in order]
    shuffled = list(range(len(order)))
    random.Random(1).shuffle(shuffled)
    assert all(step(*order[i], S) == first[i] for i in shuffled)
