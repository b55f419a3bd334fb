"""The interlock against its own table: every state x every input, each refusal to the last unit."""

from itertools import product

import pytest

from nmesd.errors import Reason
from nmesd.guard.interlock import MAX_LEASE_NS, NO_HELLO, State, connected
from nmesd.guard.limits import Fault
from nmesd.wire import (
    KINDS,
    ZERO,
    Beat,
    ChannelOutput,
    Disarm,
    Frame,
    GuardState,
    Hello,
    Lease,
    Reset,
    Stop,
)
from tests.guard.scene import (
    ARM,
    ARMED,
    DISARMED,
    FRAMES_IN,
    GIVING,
    INPUTS,
    LATCHED,
    LEASE_NS,
    NONCE,
    NOW,
    SENT,
    SESSION,
    SETTINGS_HASH,
    SILENT,
    STATES,
    TRIPPED,
    WIDEST,
    A,
    D,
    T,
    do,
    on,
)

UNEXPECTED, MISMATCH = Reason.FRAME_UNEXPECTED, Reason.SESSION_MISMATCH
# (state, input): (state, trip reason). A pair that is not here stays in its state.
TABLE: dict[tuple[GuardState, str], tuple[GuardState, Reason]] = {
    (D, "arm"): (A, Reason.NONE),
    **{
        (D, f"arm, {what}"): (T, MISMATCH)
        for what in ("wrong nonce", "other limits", "other settings", "by nobody")
    },
    (D, "lease"): (T, UNEXPECTED),
    **{(A, name): (D, Reason.NONE) for name in ("disarm", "disarm by nobody")},
    (T, "reset"): (D, Reason.NONE),
    **{(s, "stop"): (T, Reason.OPERATOR_STOP) for s in (D, A)},
    **{
        (s, name): (T, Reason.FRAME_BAD)
        for s in (D, A)
        for name in ("stop of no known reason", "stop of no reason")
    },
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
    if before is not T and reason is UNEXPECTED:
        frame = INPUTS[name]
        assert isinstance(frame, Frame)
        assert after.trip == Fault(UNEXPECTED, KINDS[type(frame)], 0)
    left = before is not state and before is D
    assert (after.nonce != NONCE) == (before is not state and not (left and state is A))
    if before is A and state is A:
        same = on(0) if name in ("tick", "pulses given") else getattr(INPUTS[name], "output", None)
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
    fresh = ARM._replace(nonce=after.nonce)
    assert do(after, fresh, sequence=after.sequence + 1).state is A


def test_a_new_client_must_say_hello_before_it_arms() -> None:
    state = connected(DISARMED, NOW)
    assert do(state, ARM._replace(settings_hash=0), sequence=1).trip == Fault(MISMATCH)
    assert do(state, ARM, sequence=1).trip == Fault(MISMATCH)
    greeted = do(state, Hello(SETTINGS_HASH, 1), sequence=1)
    assert do(greeted, ARM, sequence=2).state is A


def test_a_new_client_has_said_nothing_yet() -> None:
    after = connected(DISARMED, NOW + 5)
    assert (after.sequence, after.settings_hash, after.now_ns) == (0, NO_HELLO, NOW + 5)
    assert NO_HELLO < 0  # which no Arm can say


def test_a_nonce_is_the_next_number_each_time_the_guard_ends_an_arming_or_a_trip() -> None:
    for before, cause in ((ARMED, Disarm(7)), (ARMED, Stop(30, 0, 0)), (TRIPPED, Reset(7))):
        assert do(before, cause).nonce == NONCE + 1
        assert do(before._replace(nonce=2**64 - 1), cause).nonce == 0


def test_a_new_client_finds_latched_what_was_latched() -> None:
    after = connected(TRIPPED, NOW)
    assert (after.state, after.trip, after.sequence) == (T, LATCHED, 0)


@pytest.mark.parametrize("frame", FRAMES_IN)
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
    lease = GIVING._replace(output=on(3), expiry_ns=NOW + LEASE_NS)
    after = do(ARMED, lease)
    assert (after.output, after.expiry_ns, after.lease) == (on(3), NOW + LEASE_NS, lease)
    assert do(after, None, now_ns=NOW + LEASE_NS - 1).output == on(3)
    for late_ns in (0, 1, 10**9):
        expired = do(after, None, now_ns=NOW + LEASE_NS + late_ns)
        assert (expired.state, expired.output) == (T, ZERO)
        assert expired.trip == Fault(Reason.LEASE_EXPIRED, late_ns, 0)


def test_a_lease_that_comes_after_the_last_one_expired_does_not_save_it() -> None:
    late_ns = ARMED.expiry_ns
    after = do(ARMED, GIVING._replace(expiry_ns=late_ns + LEASE_NS), now_ns=late_ns)
    assert after.trip == Fault(Reason.LEASE_EXPIRED, 0, 0)


def test_a_lease_of_zero_must_be_renewed_too() -> None:
    after = do(ARMED, SILENT)
    assert (after.state, after.output) == (A, ZERO)
    assert do(after, None, now_ns=SILENT.expiry_ns).trip == Fault(Reason.LEASE_EXPIRED, 0, 0)


def test_the_longest_lease_is_taken() -> None:
    after = do(ARMED, GIVING._replace(expiry_ns=NOW + MAX_LEASE_NS))
    assert (after.output, after.expiry_ns) == (on(0), NOW + MAX_LEASE_NS)


def test_a_shorter_lease_is_shorter() -> None:
    after = do(ARMED, GIVING._replace(expiry_ns=NOW + 1))
    assert after.expiry_ns == NOW + 1


REFUSALS: dict[str, tuple[Lease, Fault]] = {
    "another session": (GIVING._replace(session=SESSION ^ 1), Fault(MISMATCH)),
    "expired on arrival": (GIVING._replace(expiry_ns=NOW), Fault(Reason.FRAME_OLD, 0, 0)),
    "long expired": (GIVING._replace(expiry_ns=NOW - 9), Fault(Reason.FRAME_OLD, 9, 0)),
    "1 ns too long": (
        GIVING._replace(expiry_ns=NOW + MAX_LEASE_NS + 1),
        Fault(Reason.LEASE_TOO_LONG, MAX_LEASE_NS + 1, MAX_LEASE_NS),
    ),
    "for ever": (
        GIVING._replace(expiry_ns=2**63 - 1),
        Fault(Reason.LEASE_TOO_LONG, 2**63 - 1 - NOW, MAX_LEASE_NS),
    ),
    "believes disarmed": (GIVING._replace(believes_armed=0), Fault(Reason.BELIEF_MISMATCH)),
    "gives, believes silent": (GIVING._replace(believes_output=0), Fault(Reason.BELIEF_MISMATCH)),
    "silent, believes giving": (SILENT._replace(believes_output=1), Fault(Reason.BELIEF_MISMATCH)),
    "channel": (GIVING._replace(output=on(1)), Fault(Reason.LIMIT_CHANNEL, 2, 0, 1)),
    "least on a channel": (
        GIVING._replace(output=on(7, ChannelOutput(1, 1, 10**6))),
        Fault(Reason.LIMIT_CHANNEL, 8, 0, 7),
    ),
    "amplitude": (
        GIVING._replace(output=on(3, WIDEST._replace(amplitude_ua=30_001))),
        Fault(Reason.LIMIT_AMPLITUDE, 30_001, 30_000, 3),
    ),
    "pulse width": (
        GIVING._replace(output=on(0, WIDEST._replace(pulse_width_us=401))),
        Fault(Reason.LIMIT_PULSE_WIDTH, 401, 400, 0),
    ),
    "rate": (
        GIVING._replace(output=on(0, WIDEST._replace(period_us=19_999))),
        Fault(Reason.LIMIT_RATE, 50_003, 50_000, 0),
    ),
    "no period": (
        GIVING._replace(output=on(0, WIDEST._replace(period_us=0))),
        Fault(Reason.LIMIT_RATE, 10**9, 50_000, 0),
    ),
    "one channel good, one not": (
        GIVING._replace(output=(WIDEST, *on(3, WIDEST._replace(amplitude_ua=30_001))[1:])),
        Fault(Reason.LIMIT_AMPLITUDE, 30_001, 30_000, 3),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_whole_zero_and_latched(name: str) -> None:
    lease, trip = REFUSALS[name]
    after = do(ARMED, lease)
    assert (after.state, after.output, after.lease, after.expiry_ns) == (T, ZERO, None, 0)
    assert after.trip == trip
    good = GIVING._replace(session=SESSION)
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
