"""What must hold on any path of the machine."""

import random
from itertools import product

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nmesd.core.machine import (
    FLAT,
    LEAD_OFF,
    MOVEMENT,
    NON_FINITE,
    RAILED,
    SETTLING,
    State,
    armed,
    step,
)
from nmesd.core.values import (
    ARMED_MODES,
    Arm,
    Command,
    Disarm,
    Event,
    Hop,
    Mode,
    ModeChanged,
    Reset,
    SetOutput,
    Trip,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS
from tests.core.situations import (
    EVENTS,
    INHIBITS,
    OFF_NV,
    ON_NV,
    SITUATIONS,
    S,
)


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
        flags=st.sampled_from([0, 0, SETTLING, MOVEMENT, NON_FINITE, RAILED, FLAT, LEAD_OFF]),
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
