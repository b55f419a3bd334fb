"""What must hold on any path of the machine."""

import random
from itertools import product

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nmesd.core.flags import FLAT, LEAD_OFF, MOVEMENT, NON_FINITE, RAILED, SETTLING
from nmesd.core.machine import step
from nmesd.core.state import State, armed
from nmesd.core.train import Dose
from nmesd.core.tuning import tuned
from nmesd.core.values import (
    ARMED_MODES,
    Act,
    Arm,
    Command,
    Disarm,
    Event,
    Give,
    Hop,
    Kind,
    Mode,
    ModeChanged,
    OnMiss,
    OutputSettings,
    Pace,
    Pause,
    Release,
    Reset,
    Resume,
    SetOutput,
    Trial,
    TrialDone,
    Trip,
    Tune,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS
from tests.core.situations import (
    EVENTS,
    EXTENSOR,
    INHIBITS,
    OFF_NV,
    ON_NV,
    PROGRAMME,
    SITUATIONS,
    VETO_NV,
    S,
)

FLEXOR = EXTENSOR._replace(emg=1, outputs=(OutputSettings(5, 7_000, 200),), antagonist=0)
OF_THEIR_OWN = {Kind.CYCLIC: Why.WORK, Kind.STEPS: Why.OPERATOR}
SCHEDULES = ((), (Trial.GO, Trial.NO_GO), (Trial.SHAM, Trial.GO))


class AnyPath(RuleBasedStateMachine):
    """Whatever comes: current flows only in a train that an operator armed for."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.output_ua: dict[int, int] = {}
        self.armed_by_operator = False
        self.zero_since_ns: int | None = None  # since the last arming: the end of its last train
        self.rested_from_ns = 0  # the gate of the trial under way
        self.relaxed_since_ns: int | None = None
        self.last = Hop(0, (0, 0), (False, False), 0)
        self.given = Dose()  # an account of its own, pulse by pulse
        self.told = Dose()  # the sum of what the trials told
        self.settings = S

    @initialize(
        kind=st.sampled_from(Kind),
        ramp_ms=st.sampled_from([0, 5, 40]),
        hold_off_ms=st.sampled_from([1, 250]),
        relax_ms=st.sampled_from([1, 100]),
        rest_ms=st.sampled_from([0, 150]),
        on_miss=st.sampled_from(OnMiss),
        schedule=st.sampled_from(SCHEDULES),
        two=st.booleans(),
        trials=st.sampled_from([0, 3]),
    )
    def choose(
        self, kind: Kind, ramp_ms: int, hold_off_ms: int, relax_ms: int, rest_ms: int,
        on_miss: OnMiss, schedule: tuple[Trial, ...], two: bool, trials: int,
    ) -> None:  # fmt: skip
        programme = PROGRAMME._replace(
            kind=kind, period_us=5000, ramp_up_ns=ramp_ms * NS_PER_MS, plateau_ns=60 * NS_PER_MS,
            ramp_down_ns=ramp_ms * NS_PER_MS, hold_off_ns=hold_off_ms * NS_PER_MS,
            relax_ns=relax_ms * NS_PER_MS, rest_ns=rest_ms * NS_PER_MS, timeout_ns=200 * NS_PER_MS,
            on_miss=on_miss, assist_delay_ns=20 * NS_PER_MS, trials=trials, sets=2,
            set_pause_ns=100 * NS_PER_MS, session_ns=20_000 * NS_PER_MS, schedule=schedule,
            target_permille=700, step_permille=100, step_ua=2000, warm_up_trials=2,
            warm_up_from_permille=400,
        )  # fmt: skip
        muscles = (EXTENSOR, FLEXOR) if two and kind is not Kind.STEPS else (EXTENSOR,)
        if kind is Kind.STEPS:
            muscles = (EXTENSOR._replace(outputs=EXTENSOR.outputs[:1]),)
        self.settings = S._replace(programme=programme, muscles=muscles)

    # ---- what is done, and what is looked at after every step ---------------------------------------------

    def apply(self, event: Event) -> tuple[Command, ...]:
        before = self.state
        self.state, commands = step(before, event, self.settings)
        for command in commands:
            if isinstance(command, SetOutput):
                self.output_ua[command.channel] = command.amplitude_ua
            if isinstance(command, ModeChanged):
                self._changed(before, command)
            if isinstance(command, TrialDone):
                self.told = self.told.plus(Dose(command.pulses, command.charge_pc, command.on_ns))
        self._count(before)
        return commands

    def _changed(self, before: State, change: ModeChanged) -> None:
        programme = self.settings.programme
        if change.after is Mode.STIMULATING:
            assert self.armed_by_operator
            assert change.before in (Mode.READY, Mode.REST)
            if change.before is Mode.REST:
                assert OF_THEIR_OWN[programme.kind] is change.why
            else:
                assert programme.kind in (Kind.TRIGGERED, Kind.HOLD)
                assert not self.last.flags
            if change.why is Why.ATTEMPT:
                muscle = self.settings.muscles[self.state.muscle]
                assert self.last.attempt[muscle.emg]
                assert self.last.envelope_nv[muscle.antagonist] < muscle.veto_nv
                assert not self.last.attempt[muscle.antagonist]
                schedule = programme.schedule or (Trial.GO,)
                assert schedule[before.trial % len(schedule)] is not Trial.NO_GO
            # No trial without the rest it is due.
            assert change.t_ns - self.rested_from_ns >= programme.rest_ns
            if self.zero_since_ns is not None:
                assert change.t_ns - self.zero_since_ns >= programme.hold_off_ns + programme.rest_ns
        if change.after is Mode.READY and programme.kind is not Kind.RELAXATION:
            assert self.relaxed_since_ns is not None
            assert change.t_ns - self.relaxed_since_ns >= programme.relax_ns
        if change.before is Mode.STIMULATING:
            self.zero_since_ns = change.t_ns
        if change.after is Mode.REST:
            self.rested_from_ns, self.relaxed_since_ns = change.t_ns, None
        if change.after in (Mode.DISARMED, Mode.TRIPPED):
            self.armed_by_operator, self.zero_since_ns = False, None

    def _count(self, before: State) -> None:
        """The pulses that became due with this step."""
        train = self.state.train
        if train is None or train.update_ns == (before.train.update_ns if before.train else -1):
            return
        period_us = self.settings.programme.period_us
        outputs = self.settings.muscles[train.muscle].outputs
        pairs = [(ua, o) for ua, o in zip(train.given_ua, outputs, strict=True) if ua]
        self.given = self.given.plus(
            Dose(
                len(pairs),
                sum(ua * o.pulse_width_us for ua, o in pairs),
                period_us * 1000 * bool(pairs),
            )
        )

    def hop(
        self, ahead_ns: int, envelopes_nv: tuple[int, int], flags: int, *, attempt: bool
    ) -> None:
        t_ns = self.state.t_ns + ahead_ns
        muscles = self.settings.muscles
        if self.state.mode is Mode.REST:  # an account of its own of how long it was relaxed
            tense = any(envelopes_nv[m.emg] >= m.off_nv for m in muscles)
            if flags or tense or ahead_ns <= 0:
                self.relaxed_since_ns = None if flags or tense else self.relaxed_since_ns
            elif self.relaxed_since_ns is None:
                self.relaxed_since_ns = t_ns
        attempts = tuple(attempt and nv >= OFF_NV for nv in envelopes_nv)
        self.last = Hop(t_ns, envelopes_nv, attempts, flags)
        self.apply(self.last)

    @rule(
        count=st.integers(1, 400),
        envelopes_nv=st.sampled_from(
            [(0, 0), (OFF_NV - 1, 0), (OFF_NV, 0), (ON_NV, 0), (ON_NV, VETO_NV), (0, ON_NV)]
        ),
        attempt=st.booleans(),
    )
    def hops(self, count: int, envelopes_nv: tuple[int, int], attempt: bool) -> None:
        for _ in range(count):
            self.hop(NS_PER_MS, envelopes_nv, 0, attempt=attempt)
            self.nothing_flows_but_in_a_train()

    @rule(
        ahead_ns=st.sampled_from([-NS_PER_MS, -1, 0, 1, NS_PER_MS, 500 * NS_PER_MS]),
        envelope_nv=st.integers(0, 40_000),
        attempt=st.booleans(),
        flags=st.sampled_from([0, 0, SETTLING, MOVEMENT, NON_FINITE, RAILED, FLAT, LEAD_OFF]),
    )
    def odd_hop(self, ahead_ns: int, envelope_nv: int, attempt: bool, flags: int) -> None:
        before = self.state
        self.hop(ahead_ns, (envelope_nv, 0), flags, attempt=attempt)
        if (
            ahead_ns <= 0 or ahead_ns > 2 * NS_PER_MS
        ):  # standing still, going back, jumping: starts nothing
            assert before.mode is self.state.mode or not armed(self.state)

    @rule(inhibits=st.sampled_from([0, 0, 0, INHIBITS]))
    def arm(self, inhibits: int) -> None:
        if self.state.mode is Mode.DISARMED and not inhibits:
            self.armed_by_operator = True
            self.given = self.told = Dose()
        self.apply(Arm(self.state.t_ns, 1, inhibits))

    @precondition(lambda self: self.state.mode in (Mode.DISARMED, Mode.TRIPPED))
    @rule()
    def arm_properly_and_train(self) -> None:
        self.apply(Reset(self.state.t_ns, 1))
        self.arm(0)
        for _ in range(260):
            self.hop(NS_PER_MS, (0, 0), 0, attempt=False)
        kind, schedule = self.settings.programme.kind, self.settings.programme.schedule
        if kind is Kind.STEPS:
            self.apply(Give(self.state.t_ns, 1, 0, 1000))
        if kind in (Kind.TRIGGERED, Kind.HOLD) and self.state.mode is Mode.READY:
            self.hop(NS_PER_MS, (ON_NV, 0), 0, attempt=True)
            assert schedule or any(self.output_ua.values())

    @rule(act=st.sampled_from([Pause, Resume, Release]), back_ns=st.sampled_from([0, 0, 0, 1]))
    def act(self, act: type[Pause | Resume | Release], back_ns: int) -> None:
        self.apply(act(self.state.t_ns - back_ns, 1))
        if act is Pause and armed(self.state):
            assert self.state.mode is Mode.PAUSED
            assert not any(self.output_ua.values())

    @rule(muscle=st.sampled_from([0, 0, 0, 1, -1]), amplitude_ua=st.integers(-1, 9000))
    def give(self, muscle: int, amplitude_ua: int) -> None:
        highest = self.state.highest_ua
        self.apply(Give(self.state.t_ns, 1, muscle, amplitude_ua))
        if self.state.highest_ua != highest:
            assert amplitude_ua <= highest[0] + self.settings.programme.step_ua

    @rule(on_nv=st.integers(OFF_NV, 40_000), off_nv=st.sampled_from([OFF_NV, 500]))
    def tune(self, on_nv: int, off_nv: int) -> None:
        act = Tune(self.state.t_ns, 1, 0, on_nv, off_nv, OFF_NV, 40_000, VETO_NV)
        self.settings, before = tuned(self.settings, act), self.state
        self.apply(act)
        self.relaxed_since_ns = None
        assert self.state.mode is not Mode.READY  # an open trial goes back to the gate
        assert self.state.train == before.train

    @rule(rest_ms=st.sampled_from([0, 150, 300]), pause_ms=st.sampled_from([0, 100]))
    def pace(self, rest_ms: int, pause_ms: int) -> None:
        act = Pace(self.state.t_ns, 1, rest_ms * NS_PER_MS, pause_ms * NS_PER_MS)
        self.settings = tuned(self.settings, act)
        assert self.apply(act) == ()
        if self.state.mode is Mode.REST:
            self.rested_from_ns = self.state.t_ns

    @rule(back_ns=st.sampled_from([0, 0, 1]))
    def reset(self, back_ns: int) -> None:
        self.apply(Reset(self.state.t_ns - back_ns, 1))

    @rule(back_ns=st.sampled_from([0, 0, 1]))
    def disarm(self, back_ns: int) -> None:
        before = self.state.mode
        self.apply(Disarm(self.state.t_ns - back_ns, 1))
        assert not any(self.output_ua.values())
        assert self.state.mode is (Mode.DISARMED if before in ARMED_MODES else before)

    @rule(reason=st.sampled_from(Reason), back_ns=st.sampled_from([0, 0, 1]))
    def trip(self, reason: Reason, back_ns: int) -> None:
        first = self.state.trip
        self.apply(Trip(self.state.t_ns - back_ns, reason, 1, 2))
        assert not any(self.output_ua.values())
        assert self.state.mode is Mode.TRIPPED
        assert self.state.trip is not None
        assert first in (None, self.state.trip)

    @invariant()
    def nothing_flows_but_in_a_train(self) -> None:
        train = self.state.train
        flowing = {channel: ua for channel, ua in self.output_ua.items() if ua}
        assert (self.state.mode is Mode.STIMULATING) == (train is not None)
        given = {}
        if train is not None:
            outputs = self.settings.muscles[train.muscle].outputs
            given = {o.channel: ua for o, ua in zip(outputs, train.given_ua, strict=True) if ua}
            if self.settings.programme.kind is not Kind.STEPS:
                assert all(
                    u <= o.amplitude_ua for u, o in zip(train.given_ua, outputs, strict=True)
                )
        assert flowing == given
        if armed(self.state):
            assert self.armed_by_operator
        assert (self.state.trip is not None) == (self.state.mode is Mode.TRIPPED)

    @invariant()
    def the_dose_is_the_pulses(self) -> None:
        assert self.state.dose == self.given
        assert self.state.dose == self.told.plus(self.state.trial_dose)

    @invariant()
    def thresholds_stay_within_their_bounds(self) -> None:
        for on_nv, muscle in zip(self.state.on_nv, self.settings.muscles, strict=False):
            assert muscle.floor_nv <= on_nv <= muscle.ceiling_nv


AnyPath.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestAnyPath = AnyPath.TestCase


def test_a_step_is_pure() -> None:
    order = list(product(SITUATIONS.values(), EVENTS.values()))
    first = [step(state, event, S) for state, event in order]
    shuffled = list(range(len(order)))
    random.Random(1).shuffle(shuffled)
    assert all(step(*order[i], S) == first[i] for i in shuffled)


def test_the_acts_are_all_tried() -> None:
    tried = {Arm, Disarm, Pause, Resume, Release, Give, Tune, Pace, Trip, Reset}
    assert tried == set(Act.__args__)
