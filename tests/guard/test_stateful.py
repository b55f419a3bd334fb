"""Output not zero means armed, fresh, and within every limit: anything at any time, 10^5 steps of it.

Each rule is one turn of the guard's loop: frames, then a tick before the device is let give anything.
"""

import random
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nmesd.drivers.base import Given
from nmesd.errors import Reason
from nmesd.guard.interlock import MAX_LEASE_NS, State, connected
from nmesd.guard.limits import Fault
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    ANY,
    ZERO,
    Arm,
    ChannelOutput,
    Disarm,
    Frame,
    Hello,
    Lease,
    Output,
    Report,
    Reset,
    Stop,
    coded,
    encode,
    is_zero,
)
from tests.guard.oracle import Witness
from tests.guard.scene import (
    FRAMES_IN,
    GIVING,
    LIMITS,
    LIMITS_HASH,
    NOW,
    SETTINGS_HASH,
    A,
    D,
    T,
    do,
    on,
    on_all,
)

# Narrow, so that every one of them is met in a short run.
NARROW = LIMITS._replace(
    charge_pc=10_000_000,
    density_ua_cm2=150,
    total_rms_ua=1900,
    channels_at_once=2,
    rise_ua_s=80_000,
    train_ns=2 * NS_PER_S,
    rest_ns=NS_PER_S // 4,
    duty_ns=3 * NS_PER_S,
    trains_per_min=5,
    dose_pc=150_000_000,
    session_ns=90 * NS_PER_S,
    channels=(0, 3, 5),
    area_mm2=1000,
    device=ANY._replace(amplitude_least_ua=500, amplitude_step_ua=500, period_step_us=500),
)
I64 = st.integers(-(2**63), 2**63 - 1)
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
near = st.builds(
    ChannelOutput,
    st.sampled_from([0, 0, 1, 5_000, 10_000, 15_000, 30_000, 30_001]) | U32,
    st.sampled_from([1, 250, 400, 401]) | U32,
    st.sampled_from([0, 19_999, 20_000, 25_000]) | U32,
)
silent = st.just(ChannelOutput())
outputs = st.tuples(near, *[silent | near] * 3, *[silent] * 4) | st.sampled_from(
    [ZERO, on(0), on(3), on_all(0, 3)]
)
GOOD = [
    ZERO,
    *(on(c, ChannelOutput(a, 250, 25_000)) for c in (0, 3) for a in (3_000, 6_000, 9_000)),
    on(0, ChannelOutput(9_000, 400, 25_000)),
    on_all(0, 3, one=ChannelOutput(6_000, 250, 25_000)),
]
OVER = [on_all(0, 3, 5), on(0, ChannelOutput(26_000, 400, 25_000))]
some_frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Lease, U64, I64, I64, I64, I64, st.integers(0, 1), st.integers(0, 1), outputs),
    st.builds(Arm, U64, U64, U64, U64),
    st.builds(Stop, st.integers(0, 2**16 - 1), I64, I64),
    st.sampled_from(FRAMES_IN),
)


class Anything(RuleBasedStateMachine):
    """Right and wrong frames, pulses, ticks and faults; a witness beside it."""

    steps = 0
    tripped: ClassVar[Counter[Reason]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.state = State(now_ns=NOW, nonce=2**64 - 3)
        self.now_ns = NOW
        self.arms: set[Arm] = set()
        self.witness = Witness(NARROW, NOW)

    def give(
        self, cause: Frame | Fault | Given | None, *, skip: int = 0, t_ns: int | None = None
    ) -> None:
        Anything.steps += 1
        before = self.state
        sequence = (before.sequence + 1 + skip) & 0xFFFFFFFF
        t_ns = self.now_ns if t_ns is None else t_ns
        after = self.state = do(
            before, cause, now_ns=self.now_ns, sequence=sequence, t_ns=t_ns, limits=NARROW
        )
        if before.state is not A and after.state is A:
            assert isinstance(cause, Arm)
            assert before.state is D
            assert cause not in self.arms  # an Arm works once
            self.arms.add(cause)
            assert after.output == ZERO
            if self.witness.session_since_ns is None:
                self.witness.session_since_ns = self.now_ns
        if before.state is T and after.state is not T:
            assert isinstance(cause, Reset)
            assert after.state is D
        if after.output not in (before.output, ZERO):
            assert isinstance(cause, Lease)
            assert not skip
        if isinstance(cause, Stop | Fault):
            assert after.state is T
        if after.trip is not None and before.trip is None:
            Anything.tripped[after.trip.reason] += 1
        if isinstance(cause, Disarm) and cause.operator and after.now_ns == self.now_ns:
            self.witness.dose_pc, self.witness.session_since_ns = 0, None
        if after.output != self.witness.output:
            self.witness.sees(after.output, after.now_ns)

    def renew(self, output: Output, ahead_ns: int = MAX_LEASE_NS) -> None:
        believes = not is_zero(output)
        self.give(
            GIVING._replace(
                session=self.state.session,
                expiry_ns=self.now_ns + ahead_ns,
                believes_output=believes,
                output=output,
            )
        )

    @rule(output=outputs, ahead_ns=I64 | st.integers(0, 2 * MAX_LEASE_NS))
    def any_lease(self, output: Output, ahead_ns: int) -> None:
        ahead_ns = max(-(2**63) - self.now_ns, min(ahead_ns, 2**63 - 1 - self.now_ns))
        self.renew(output, max(ahead_ns, -(2**63) + self.now_ns))
        self.give(None)

    @precondition(lambda self: self.state.state is A)
    @rule(output=st.sampled_from(GOOD), later_ms=st.integers(0, 99))
    def good_lease(self, output: Output, later_ms: int) -> None:
        self.now_ns += later_ms * NS_PER_MS
        self.renew(output)
        self.give(None)

    @precondition(lambda self: self.state.state is A)
    @rule(turns=st.integers(1, 25))
    def it_goes_on(self, turns: int) -> None:
        for _ in range(turns):
            self.now_ns += 90 * NS_PER_MS
            self.renew(self.state.output)
            self.give(None)
            self.within_every_limit()

    @rule(rng=st.randoms(use_true_random=False), turns=st.integers(40, 120))
    def an_engine_works(self, rng: random.Random, turns: int) -> None:
        """Trains and rests as an engine may want them, too long or too soon at times."""
        wanted, left = ZERO, 0
        choice = random.Random(rng.getrandbits(32))
        for _ in range(turns):
            if self.state.state is not A:
                if choice.random() < 0.3:
                    break
                self.arm_properly(choice.choice([0, 300, 300, 20_000]))
            if left == 0:
                wanted, left = (
                    choice.choice([*GOOD * 2, *[ZERO] * len(GOOD), *OVER]),
                    choice.choice([1, 3, 10, 25]),
                )
            left -= 1
            self.good_lease(wanted, choice.choice([1, 20, 90, 99]))
            self.within_every_limit()
            if choice.random() < 0.5:
                self.pulses_are_given(choice.choice([0, 1, 4, 12]))

    @precondition(lambda self: self.state.state is A)
    @rule(pulses=st.integers(0, 30))
    def pulses_are_given(self, pulses: int) -> None:
        if (
            self.state.state is A and self.now_ns < self.state.expiry_ns
        ):  # the loop lets the device give under no other lease
            charge_pc = pulses * sum(o.amplitude_ua * o.pulse_width_us for o in self.state.output)
            self.witness.dose_pc += charge_pc
            self.give(Given(pulses, charge_pc, 0, self.now_ns))

    @precondition(lambda self: self.state.state is not A)
    @rule(wait_ms=st.sampled_from([0, 0, 300, 30_000]))
    def arm_properly(self, wait_ms: int) -> None:
        self.now_ns += wait_ms * NS_PER_MS
        if self.state.state is T:
            self.give(Reset(1))
        self.give(Hello(SETTINGS_HASH, 1))
        self.give(Arm(self.state.nonce, 7, LIMITS_HASH, SETTINGS_HASH))
        assert self.state.state is A
        self.give(None)

    @rule(
        frame=some_frames,
        skip=st.sampled_from([0, 0, 1, -1, 2**31]),
        ahead_ns=st.sampled_from([0, 0, -5, 5]),
    )
    def any_frame(self, frame: Frame, skip: int, ahead_ns: int) -> None:
        self.give(frame, skip=skip, t_ns=self.now_ns + ahead_ns)
        self.give(None)

    @rule(fault=st.sampled_from([Fault(Reason.GUARD_LATE, 1, 2), Fault(Reason.FRAME_BAD)]))
    def fault(self, fault: Fault) -> None:
        self.give(fault)

    @rule(later_ns=st.integers(0, 30 * NS_PER_MS) | st.integers(-1, 1) | st.just(10**12))
    def tick(self, later_ns: int) -> None:
        self.now_ns += later_ns
        self.give(None)
        self.now_ns = max(self.now_ns, self.state.now_ns)

    @rule()
    def client_comes(self) -> None:
        if self.state.state is not A:
            self.state = connected(self.state, self.now_ns)

    @invariant()
    def within_every_limit(self) -> None:
        state = self.state
        assert (state.trip is not None) == (state.state is T)
        assert self.witness.output == state.output
        self.witness.judges(state.now_ns)
        if state.output != ZERO:
            assert state.state is A
            assert state.now_ns < state.expiry_ns <= state.now_ns + MAX_LEASE_NS
            assert state.lease is not None
            assert state.output == coded(state.lease.output, NARROW.device)

    @invariant()
    def what_it_is_fits_a_report(self) -> None:
        s = self.state
        trip = s.trip or Fault(Reason.NONE)
        zeros = [0] * 10
        encode(Report(s.state, s.nonce, LIMITS_HASH, s.session, *trip, s.sequence, *zeros), 1, 1)


# Those that such a walk comes to; the others have their boundary in test_boundaries.py.
MET = {Reason(n) for n in range(80, 97)} - {Reason.LIMIT_BALANCE, Reason.LIMIT_POWER}


def walk(examples: int, rules: int, number: int = 0) -> int:
    """Steps of the interlock that were taken. Each number is another walk, the same one everywhere.

    Without a number of its own, hypothesis repeats one walk for ever where it sees a CI.
    """
    Anything.steps = 0
    run_state_machine_as_test(
        seed(number)(Anything),
        settings=settings(
            max_examples=examples,
            stateful_step_count=rules,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Anything.steps


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_output_only_while_armed_fresh_and_within_every_limit_over_10_to_the_5_steps() -> None:
    Anything.tripped.clear()
    steps = number = 0
    while steps < 100_000 or (not set(Anything.tripped) >= MET and steps < 500_000):
        number += 1
        steps += walk(100, 40, number)
    assert set(Anything.tripped) >= MET


def test_output_only_while_armed_fresh_and_within_every_limit_on_a_short_walk() -> None:
    assert walk(40, 30) > 1000
    assert Anything.tripped
