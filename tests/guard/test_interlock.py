"""The interlock against its own table: every state x every input, each refusal to the last unit."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nmesd.errors import Reason
from nmesd.guard.interlock import MAX_LEASE_NS, Fault, State, connected, step
from nmesd.guard.limits import Limits, violation
from nmesd.units import NS_PER_MS
from nmesd.wire import (
    ZERO,
    Act,
    Arm,
    Beat,
    ChannelOutput,
    Disarm,
    Found,
    Frame,
    GuardState,
    Hello,
    Lease,
    Output,
    Received,
    Report,
    Reset,
    Settings,
    Stop,
    encode,
    is_zero,
    session_token,
)

LIMITS = Limits(amplitude_ua=30_000, pulse_width_us=400, rate_hz=50, channels=frozenset({0, 3}))
LIMITS_HASH, SETTINGS_HASH, NONCE = 111, 222, 333
NOW = 1_000_000 * NS_PER_MS
SENT = NOW - 1000
LEASE_NS = 20 * NS_PER_MS
ARM = Arm(NONCE, 7, LIMITS_HASH, SETTINGS_HASH)
SESSION = session_token(ARM)
ONE = ChannelOutput(10_000, 250, 25_000)


def on(channel: int, one: ChannelOutput = ONE) -> Output:
    return tuple(one if c == channel else ChannelOutput() for c in range(len(ZERO)))


GIVING = Lease(SESSION, NOW + LEASE_NS, SENT, SENT, SENT, 1, 1, on(0))
SILENT = replace(GIVING, believes_output=0, output=ZERO)
LATCHED = Fault(Reason.LEASE_EXPIRED, 1, 2)

DISARMED = State(
    GuardState.DISARMED, nonce=NONCE, settings_hash=SETTINGS_HASH, sequence=4, now_ns=NOW
)
ARMED = DISARMED._replace(
    state=GuardState.ARMED,
    output=on(0),
    expiry_ns=NOW + 5 * NS_PER_MS,
    session=SESSION,
    lease=GIVING,
)
TRIPPED = DISARMED._replace(state=GuardState.TRIPPED, trip=LATCHED)
STATES = {state.state: state for state in (DISARMED, ARMED, TRIPPED)}


def do(
    state: State,
    cause: Frame | Fault | None,
    *,
    now_ns: int = NOW,
    sequence: int = 5,
    t_ns: int = SENT,
) -> State:
    if isinstance(cause, Frame):
        return step(state, now_ns, Received(sequence, t_ns, cause), LIMITS, LIMITS_HASH)
    return step(state, now_ns, cause, LIMITS, LIMITS_HASH)


REPORT = Report(*[0] * 19)
INPUTS: dict[str, Frame | Fault | None] = {
    "tick": None,
    "hello": Hello(999, 1),
    "arm": ARM,
    "arm, wrong nonce": replace(ARM, nonce=NONCE + 1),
    "arm, other limits": replace(ARM, limits_hash=LIMITS_HASH + 1),
    "arm, other settings": replace(ARM, settings_hash=SETTINGS_HASH + 1),
    "lease": GIVING,
    "lease of zero": SILENT,
    "disarm": Disarm(7),
    "stop": Stop(Reason.OPERATOR_STOP, 8, 9),
    "stop of no known reason": Stop(9999, 8, 9),
    "reset": Reset(7),
    "fault": Fault(Reason.DEVICE_FAILED, 8, 9),
    "a report": REPORT,
    "an act": Act(1, 1, 7),
    "a beat": Beat(),
    "settings": Settings(b"{}"),
    "found": Found(0, b""),
}
D, A, T = GuardState.DISARMED, GuardState.ARMED, GuardState.TRIPPED
UNEXPECTED, MISMATCH = Reason.FRAME_UNEXPECTED, Reason.SESSION_MISMATCH
# (state, input): (state, trip reason). A pair that is not here stays in its state.
TABLE: dict[tuple[GuardState, str], tuple[GuardState, Reason]] = {
    (D, "arm"): (A, Reason.NONE),
    **{
        (D, f"arm, {what}"): (T, MISMATCH)
        for what in ("wrong nonce", "other limits", "other settings")
    },
    (D, "lease"): (T, UNEXPECTED),
    (A, "disarm"): (D, Reason.NONE),
    (T, "reset"): (D, Reason.NONE),
    **{(s, "stop"): (T, Reason.OPERATOR_STOP) for s in (D, A)},
    **{(s, "stop of no known reason"): (T, Reason.FRAME_BAD) for s in (D, A)},
    **{(s, "fault"): (T, Reason.DEVICE_FAILED) for s in (D, A)},
    **{
        (s, name): (T, UNEXPECTED)
        for s in (D, A)
        for name in ("a report", "an act", "a beat", "settings", "found")
    },
    **{(A, name): (T, UNEXPECTED) for name in INPUTS if name.startswith("arm")},
    (A, "hello"): (T, UNEXPECTED),
    (A, "reset"): (T, UNEXPECTED),
}


@pytest.mark.parametrize(("before", "name"), list(product(GuardState, INPUTS)))
def test_every_state_and_every_input(before: GuardState, name: str) -> None:
    state, reason = TABLE.get((before, name), (before, Reason.NONE))
    after = do(STATES[before], INPUTS[name])
    assert after.state is state
    if state is not A or before is not A:
        assert after.output == ZERO
        assert after.lease is None
    if before is not T:
        assert (after.trip.reason if after.trip else Reason.NONE) is reason
    elif state is T:
        assert after.trip == LATCHED
    left = before is not state and before is D
    assert (after.nonce != NONCE) == (before is not state and not (left and state is A))
    if before is A and state is A:
        same = on(0) if name == "tick" else getattr(INPUTS[name], "output", None)
        assert after.output == same


def test_it_is_silent_at_birth() -> None:
    assert (State().state, State().output) == (D, ZERO)
    assert do(State(), None).output == ZERO


@pytest.mark.parametrize("before", GuardState)
def test_stop_and_fault_are_heard_whatever_else_is_wrong_with_them(before: GuardState) -> None:
    for sequence, t_ns, now_ns in ((77, SENT, NOW), (5, NOW + 1, NOW), (5, SENT, NOW + LEASE_NS)):
        after = do(STATES[before], Stop(30, 0, 0), sequence=sequence, t_ns=t_ns, now_ns=now_ns)
        assert (after.state, after.output) == (T, ZERO)


def test_a_disarm_is_heard_whatever_else_is_wrong_with_it() -> None:
    for sequence, t_ns in ((77, SENT), (4, SENT), (5, NOW + 1)):
        after = do(ARMED, Disarm(7), sequence=sequence, t_ns=t_ns)
        assert (after.state, after.output, after.trip) == (D, ZERO, None)


# ---- arming -----------------------------------------------------------------------------------


def test_an_arm_opens_its_session_at_zero_for_the_longest_lease() -> None:
    after = do(DISARMED, ARM)
    assert (after.state, after.output, after.session) == (A, ZERO, SESSION)
    assert after.expiry_ns == NOW + MAX_LEASE_NS
    assert do(after, None, now_ns=after.expiry_ns - 1).state is A
    expired = do(after, None, now_ns=after.expiry_ns)
    assert expired.trip == Fault(Reason.LEASE_EXPIRED, 0, 0)


@pytest.mark.parametrize("end", [Disarm(7), Stop(30, 0, 0)])
def test_an_arm_works_once(end: Frame) -> None:
    after = do(do(DISARMED, ARM), end, sequence=6)
    if after.state is T:
        after = do(after, Reset(7), sequence=7)
    assert after.state is D
    again = do(after, ARM, sequence=after.sequence + 1)
    assert again.trip == Fault(MISMATCH)
    fresh = replace(ARM, nonce=after.nonce)
    assert do(after, fresh, sequence=after.sequence + 1).state is A


def test_a_new_client_must_say_hello_before_it_arms() -> None:
    state = connected(DISARMED, NOW)
    assert do(state, replace(ARM, settings_hash=0), sequence=1).trip == Fault(MISMATCH)
    assert do(state, ARM, sequence=1).trip == Fault(MISMATCH)
    greeted = do(state, Hello(SETTINGS_HASH, 1), sequence=1)
    assert do(greeted, ARM, sequence=2).state is A


def test_a_new_client_finds_latched_what_was_latched() -> None:
    after = connected(TRIPPED, NOW)
    assert (after.state, after.trip, after.sequence) == (T, LATCHED, 0)


@pytest.mark.parametrize("frame", [frame for frame in INPUTS.values() if isinstance(frame, Frame)])
def test_only_a_reset_ends_a_trip(frame: Frame) -> None:
    after = do(TRIPPED, frame)
    assert after.output == ZERO
    assert after.state is (D if isinstance(frame, Reset) else T)
    assert after.trip == (None if isinstance(frame, Reset) else LATCHED)


def test_the_first_reason_is_kept() -> None:
    state = do(ARMED, Fault(Reason.GUARD_LATE, 5, 4))
    first = state.trip
    for cause in (Stop(30, 1, 1), Fault(Reason.DEVICE_FAILED), GIVING, None, Beat()):
        state = do(state, cause, sequence=state.sequence + 1)
    assert state.trip == first == Fault(Reason.GUARD_LATE, 5, 4)
    assert do(state, None, now_ns=NOW - 1).trip == first


# ---- leases -----------------------------------------------------------------------------------


def test_a_good_lease_is_obeyed_to_its_last_nanosecond() -> None:
    lease = replace(GIVING, output=on(3), expiry_ns=NOW + LEASE_NS)
    after = do(ARMED, lease)
    assert (after.output, after.expiry_ns, after.lease) == (on(3), NOW + LEASE_NS, lease)
    assert do(after, None, now_ns=NOW + LEASE_NS - 1).output == on(3)
    for late_ns in (0, 1, 10**9):
        expired = do(after, None, now_ns=NOW + LEASE_NS + late_ns)
        assert (expired.state, expired.output) == (T, ZERO)
        assert expired.trip == Fault(Reason.LEASE_EXPIRED, late_ns, 0)


def test_a_lease_that_comes_after_the_last_one_expired_does_not_save_it() -> None:
    late_ns = ARMED.expiry_ns
    after = do(ARMED, replace(GIVING, expiry_ns=late_ns + LEASE_NS), now_ns=late_ns)
    assert after.trip == Fault(Reason.LEASE_EXPIRED, 0, 0)


def test_a_lease_of_zero_must_be_renewed_too() -> None:
    after = do(ARMED, SILENT)
    assert (after.state, after.output) == (A, ZERO)
    assert do(after, None, now_ns=SILENT.expiry_ns).trip == Fault(Reason.LEASE_EXPIRED, 0, 0)


def test_the_longest_lease_is_taken() -> None:
    after = do(ARMED, replace(GIVING, expiry_ns=NOW + MAX_LEASE_NS))
    assert (after.output, after.expiry_ns) == (on(0), NOW + MAX_LEASE_NS)


def test_a_shorter_lease_is_shorter() -> None:
    after = do(ARMED, replace(GIVING, expiry_ns=NOW + 1))
    assert after.expiry_ns == NOW + 1


WIDEST = ChannelOutput(30_000, 400, 20_000)
REFUSALS: dict[str, tuple[Lease, Fault]] = {
    "another session": (replace(GIVING, session=SESSION ^ 1), Fault(MISMATCH)),
    "expired on arrival": (replace(GIVING, expiry_ns=NOW), Fault(Reason.FRAME_OLD, 0, 0)),
    "long expired": (replace(GIVING, expiry_ns=NOW - 9), Fault(Reason.FRAME_OLD, 9, 0)),
    "1 ns too long": (
        replace(GIVING, expiry_ns=NOW + MAX_LEASE_NS + 1),
        Fault(Reason.LEASE_TOO_LONG, MAX_LEASE_NS + 1, MAX_LEASE_NS),
    ),
    "for ever": (
        replace(GIVING, expiry_ns=2**63 - 1),
        Fault(Reason.LEASE_TOO_LONG, 2**63 - 1 - NOW, MAX_LEASE_NS),
    ),
    "believes disarmed": (replace(GIVING, believes_armed=0), Fault(Reason.BELIEF_MISMATCH)),
    "gives, believes silent": (replace(GIVING, believes_output=0), Fault(Reason.BELIEF_MISMATCH)),
    "silent, believes giving": (replace(SILENT, believes_output=1), Fault(Reason.BELIEF_MISMATCH)),
    "channel": (replace(GIVING, output=on(1)), Fault(Reason.LIMIT_CHANNEL, 2, 0, 1)),
    "least on a channel": (
        replace(GIVING, output=on(7, ChannelOutput(1, 1, 10**6))),
        Fault(Reason.LIMIT_CHANNEL, 8, 0, 7),
    ),
    "amplitude": (
        replace(GIVING, output=on(3, WIDEST._replace(amplitude_ua=30_001))),
        Fault(Reason.LIMIT_AMPLITUDE, 30_001, 30_000, 3),
    ),
    "pulse width": (
        replace(GIVING, output=on(0, WIDEST._replace(pulse_width_us=401))),
        Fault(Reason.LIMIT_PULSE_WIDTH, 401, 400, 0),
    ),
    "rate": (
        replace(GIVING, output=on(0, WIDEST._replace(period_us=19_999))),
        Fault(Reason.LIMIT_RATE, 19_999, 20_000, 0),
    ),
    "no period": (
        replace(GIVING, output=on(0, WIDEST._replace(period_us=0))),
        Fault(Reason.LIMIT_RATE, 0, 20_000, 0),
    ),
    "one channel good, one not": (
        replace(GIVING, output=(WIDEST, *on(3, WIDEST._replace(amplitude_ua=30_001))[1:])),
        Fault(Reason.LIMIT_AMPLITUDE, 30_001, 30_000, 3),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_whole_zero_and_latched(name: str) -> None:
    lease, trip = REFUSALS[name]
    after = do(ARMED, lease)
    assert (after.state, after.output, after.lease, after.expiry_ns) == (T, ZERO, None, 0)
    assert after.trip == trip
    good = replace(GIVING, session=SESSION)
    assert do(after, good, sequence=6).output == ZERO  # and nothing resumes by itself


@pytest.mark.parametrize("sequence", [4, 3, 6, 7, 0, 2**32 - 1])
def test_a_number_that_is_not_the_next_one_trips(sequence: int) -> None:
    for frame in (GIVING, SILENT):
        after = do(ARMED, frame, sequence=sequence)
        assert (after.state, after.output) == (T, ZERO)
        assert after.trip == Fault(Reason.FRAME_SEQUENCE, sequence, 5)


def test_numbers_wrap_at_32_bits() -> None:
    after = do(ARMED._replace(sequence=2**32 - 1), GIVING, sequence=0)
    assert (after.state, after.sequence) == (A, 0)


def test_a_frame_from_the_future_trips() -> None:
    assert do(ARMED, GIVING, t_ns=NOW).state is A
    assert do(ARMED, GIVING, t_ns=NOW + 1).trip == Fault(Reason.FRAME_FUTURE, 1, 0)


@pytest.mark.parametrize("before", [D, A])
def test_a_clock_that_goes_backwards_trips(before: GuardState) -> None:
    for cause in (None, GIVING, Disarm(7)):
        after = do(STATES[before], cause, now_ns=NOW - 1)
        assert (after.state, after.output) == (T, ZERO)
        assert after.trip == Fault(Reason.GUARD_CLOCK_BACKWARDS, NOW - 1, NOW)
    assert do(STATES[before], None, now_ns=NOW).state is before


# ---- limits -----------------------------------------------------------------------------------


def test_every_limit_may_be_reached_and_not_passed_on_every_channel() -> None:
    for channel in range(len(ZERO)):
        allowed = channel in LIMITS.channels
        over = violation(on(channel, WIDEST), LIMITS)
        assert (over is None) == allowed
        assert do(ARMED, replace(GIVING, output=on(channel, WIDEST))).state is (A if allowed else T)
    both = tuple(WIDEST if c in LIMITS.channels else ChannelOutput() for c in range(len(ZERO)))
    assert do(ARMED, replace(GIVING, output=both)).output == both


@given(st.integers(1, 100), st.integers(0, 10**6))
def test_no_period_is_let_through_that_is_faster_than_the_rate(
    rate_hz: int, period_us: int
) -> None:
    over = violation(on(0, ONE._replace(period_us=period_us)), LIMITS._replace(rate_hz=rate_hz))
    assert (over is None) == (period_us * rate_hz >= 1_000_000)
    if over is not None:  # the limit it names is the shortest period that is let through
        named = on(0, ONE._replace(period_us=over.limit))
        assert violation(named, LIMITS._replace(rate_hz=rate_hz)) is None


def test_zero_is_within_all_limits_whatever_stands_beside_it() -> None:
    odd = (ChannelOutput(0, 2**32 - 1, 0),) * len(ZERO)
    assert violation(odd, LIMITS._replace(channels=frozenset())) is None
    assert do(ARMED, replace(SILENT, output=odd)).state is A


# ---- whatever comes ---------------------------------------------------------------------------

I64 = st.integers(-(2**63), 2**63 - 1)
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
near_channels = st.builds(
    ChannelOutput,
    st.sampled_from([0, 0, 1, 10_000, 30_000, 30_001]) | U32,
    st.sampled_from([0, 250, 400, 401]) | U32,
    st.sampled_from([0, 19_999, 20_000, 25_000]) | U32,
)
silent_channel = st.just(ChannelOutput())
outputs = st.tuples(
    near_channels, *[silent_channel | near_channels] * 3, *[silent_channel] * 4
) | st.sampled_from([ZERO, on(0), on(3)])
some_frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Lease, U64, I64, I64, I64, I64, st.integers(0, 1), st.integers(0, 1), outputs),
    st.builds(Arm, U64, U64, U64, U64),
    st.builds(Stop, st.integers(0, 2**16 - 1), I64, I64),
    st.sampled_from([f for f in INPUTS.values() if isinstance(f, Frame)]),
)


class Anything(RuleBasedStateMachine):
    """Right and wrong frames, ticks and faults at any time: output only while leased and in limits."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State(now_ns=NOW, nonce=2**64 - 3)
        self.now_ns = NOW
        self.arms: set[tuple[int, int, int, int]] = set()

    def give(self, cause: Frame | Fault | None, *, skip: int = 0, t_ns: int | None = None) -> None:
        before = self.state
        sequence = (before.sequence + 1 + skip) & 0xFFFFFFFF
        t_ns = self.now_ns if t_ns is None else t_ns
        after = self.state = do(before, cause, now_ns=self.now_ns, sequence=sequence, t_ns=t_ns)
        if before.state is not A and after.state is A:
            assert isinstance(cause, Arm)
            assert before.state is D
            key = (cause.nonce, cause.operator, cause.limits_hash, cause.settings_hash)
            assert key not in self.arms
            self.arms.add(key)
            assert after.output == ZERO
        if before.state is T and after.state is not T:
            assert isinstance(cause, Reset)
            assert after.state is D
        if after.output not in (before.output, ZERO):
            assert isinstance(cause, Lease)
            assert not skip
        if isinstance(cause, Stop | Fault):
            assert after.state is T

    @rule(
        lease=st.builds(replace, st.just(GIVING), output=outputs),
        ahead_ns=I64 | st.integers(0, 2 * MAX_LEASE_NS),
    )
    def lease(self, lease: Lease, ahead_ns: int) -> None:
        expiry_ns = max(-(2**63), min(self.now_ns + ahead_ns, 2**63 - 1))
        session, on_now = self.state.session, not is_zero(lease.output)
        self.give(replace(lease, session=session, expiry_ns=expiry_ns, believes_output=on_now))

    @precondition(lambda self: self.state.state is A)
    @rule(
        output=st.sampled_from([ZERO, on(0), on(3), on(0, WIDEST)]),
        ahead_ns=st.integers(1, MAX_LEASE_NS),
        later_ns=st.integers(0, 5 * NS_PER_MS),
    )
    def good_lease(self, output: Output, ahead_ns: int, later_ns: int) -> None:
        self.now_ns += later_ns
        in_time = self.now_ns < self.state.expiry_ns
        on_now = not is_zero(output)
        self.give(
            replace(
                GIVING,
                session=self.state.session,
                expiry_ns=self.now_ns + ahead_ns,
                believes_output=on_now,
                output=output,
            )
        )
        assert self.state.output == (output if in_time else ZERO)

    @precondition(lambda self: self.state.state is not A)
    @rule()
    def arm_properly(self) -> None:
        if self.state.state is T:
            self.give(Reset(1))
        self.give(Hello(SETTINGS_HASH, 1))
        self.give(Arm(self.state.nonce, 7, LIMITS_HASH, SETTINGS_HASH))
        assert self.state.state is A

    @rule(
        frame=some_frames,
        skip=st.sampled_from([0, 0, 1, -1, 2**31]),
        ahead_ns=st.sampled_from([0, 0, -5, 5]),
    )
    def any_frame(self, frame: Frame, skip: int, ahead_ns: int) -> None:
        self.give(frame, skip=skip, t_ns=self.now_ns + ahead_ns)

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
    def output_only_under_a_lease_in_force(self) -> None:
        state = self.state
        if state.output != ZERO:
            assert state.state is A
            assert state.now_ns < state.expiry_ns <= state.now_ns + MAX_LEASE_NS
            assert state.lease is not None
            assert state.output == state.lease.output
            for channel, one in enumerate(state.output):
                if one.amplitude_ua:
                    assert channel in LIMITS.channels
                    assert one.amplitude_ua <= LIMITS.amplitude_ua
                    assert one.pulse_width_us <= LIMITS.pulse_width_us
                    assert one.period_us * LIMITS.rate_hz >= 10**6
        assert (state.trip is not None) == (state.state is T)

    @invariant()
    def what_it_is_fits_a_report(self) -> None:
        s = self.state
        trip = s.trip or Fault(Reason.NONE)
        report = Report(
            s.state,
            s.nonce,
            LIMITS_HASH,
            s.session,
            *trip,
            s.sequence,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        )
        encode(report, 1, 1)


Anything.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAnything = Anything.TestCase
