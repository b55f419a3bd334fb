"""The interlock: what the guard lets through. Pure; this file is its specification.

Rules
  1. Silent at birth: the guard starts DISARMED, with zero output.
  2. One door out: an Arm frame of a named operator that echoes the guard's current nonce, its limits' hash and the
     settings' hash of this engine's Hello. The nonce changes when the guard leaves DISARMED: an Arm works once.
  3. Output needs ARMED and a Lease that has not expired, of this session, next in sequence, not from the past or
     the future, reaching at most MAX_LEASE_NS ahead, within every limit as the device codes it, whose beliefs
     are true.
  4. While ARMED, leases must flow even at zero output: one that expires is a trip.
  5. Refuse, do not clip: anything else while ARMED is refused whole, gives zero and latches. The first
     reason is kept, with its numbers.
  6. Zero is always accepted. TRIPPED ends only with Reset, and Reset leads only to DISARMED.
  7. Time and what was given use up limits too (`tally.py`); only an operator's Disarm ends a session's account.

Table (state, input -> state)
  DISARMED  Arm, as in rule 2               -> ARMED     zero, lease of MAX_LEASE_NS to begin with
  DISARMED  Arm otherwise, Lease with output-> TRIPPED
  ARMED     Lease, as in rule 3             -> ARMED     output of the lease
  ARMED     Disarm                          -> DISARMED  zero
  ARMED     any other frame, expiry, limit  -> TRIPPED   zero
  any       Stop, Fault                     -> TRIPPED   zero
  TRIPPED   Reset                           -> DISARMED  zero
"""

from typing import NamedTuple

from nmesd import wire
from nmesd.drivers.base import Given
from nmesd.errors import Reason
from nmesd.guard.limits import Fault, Limits, violation
from nmesd.guard.tally import Tally, admit, overrun, silence
from nmesd.units import NS_PER_MS
from nmesd.wire import KINDS, ZERO, GuardState, Lease, Output, Received, is_zero

MAX_LEASE_NS = 100 * NS_PER_MS  # rule 1 of the design: never over 100 ms
NO_HELLO = -1  # no Arm can echo it
MOST_NS = 2**63 - 1  # what a Report can carry
_REASONS = frozenset(Reason) - {Reason.NONE}


class State(NamedTuple):
    """Everything the interlock remembers."""

    state: GuardState = GuardState.DISARMED
    output: Output = ZERO
    expiry_ns: int = 0
    session: int = 0
    nonce: int = 0
    settings_hash: int = NO_HELLO
    sequence: int = 0  # of the last frame of this connection
    now_ns: int = 0
    trip: Fault | None = None
    lease: Lease | None = None  # the one in force
    tally: Tally = Tally()


Cause = Received | Given | Fault | None  # a frame, what the device gave, something wrong, or a tick


def step(state: State, now_ns: int, cause: Cause, limits: Limits, limits_hash: int) -> State:
    """What is let through from now on."""
    if now_ns < state.now_ns:
        return _trip(state, Fault(Reason.GUARD_CLOCK_BACKWARDS, now_ns, state.now_ns))
    state = state._replace(now_ns=now_ns)
    if isinstance(cause, Fault):
        return _trip(state, cause)
    if isinstance(cause, Given):
        state = _gave(state, cause, limits)
    if state.state is GuardState.ARMED and now_ns >= state.expiry_ns:
        return _trip(state, Fault(Reason.LEASE_EXPIRED, now_ns - state.expiry_ns, 0))
    if state.state is GuardState.ARMED:
        used_up = overrun(state.tally, now_ns, limits)
        if used_up is not None:
            return _trip(state, used_up)
    return _frame(state, cause, limits, limits_hash) if isinstance(cause, Received) else state


def connected(state: State, now_ns: int) -> State:
    """A new client: its frames are numbered from 1. Whatever was latched stays latched."""
    return state._replace(sequence=0, settings_hash=NO_HELLO, now_ns=now_ns)


def _frame(state: State, received: Received, limits: Limits, limits_hash: int) -> State:
    expected = state.sequence + 1 & 0xFFFFFFFF
    state = state._replace(sequence=received.sequence)
    match received.frame:  # zero is always accepted, whatever else is wrong with the frame
        case wire.Stop(reason, value, limit):
            known = Reason(reason) if reason in _REASONS else Reason.FRAME_BAD
            return _trip(state, Fault(known, value, limit))
        case wire.Disarm(operator):
            if operator:
                state = state._replace(tally=state.tally._replace(dose_pc=0, session_since_ns=None))
            return _disarmed(state) if state.state is GuardState.ARMED else state
        case _:
            pass
    if received.sequence != expected:
        return _trip(state, Fault(Reason.FRAME_SEQUENCE, received.sequence, expected))
    if received.t_ns > state.now_ns:
        return _trip(state, Fault(Reason.FRAME_FUTURE, received.t_ns - state.now_ns, 0))
    match received.frame:
        case Lease() as lease:
            return _lease(state, lease, limits)
        case wire.Hello(settings_hash, _) if state.state is not GuardState.ARMED:
            return state._replace(settings_hash=settings_hash)
        case wire.Arm() as arm if state.state is not GuardState.ARMED:
            return _arm(state, arm, limits_hash)
        case wire.Reset() if state.state is not GuardState.ARMED:
            return _disarmed(state) if state.state is GuardState.TRIPPED else state
        case _:
            return _trip(state, Fault(Reason.FRAME_UNEXPECTED, KINDS[type(received.frame)], 0))


def _arm(state: State, arm: wire.Arm, limits_hash: int) -> State:
    if state.state is GuardState.TRIPPED:
        return state
    said = (arm.nonce, arm.limits_hash, arm.settings_hash)
    if said != (state.nonce, limits_hash, state.settings_hash) or not arm.operator:
        return _trip(state, Fault(Reason.SESSION_MISMATCH))
    tally = state.tally
    if tally.session_since_ns is None:
        tally = tally._replace(session_since_ns=state.now_ns)
    return state._replace(
        state=GuardState.ARMED,
        expiry_ns=state.now_ns + MAX_LEASE_NS,
        session=wire.session_token(arm),
        tally=tally,
    )


def _lease(state: State, lease: Lease, limits: Limits) -> State:
    if state.state is GuardState.TRIPPED:
        return state  # the engine has not heard of the trip yet
    if state.state is GuardState.DISARMED:
        return (
            state
            if is_zero(lease.output)
            else _trip(state, Fault(Reason.FRAME_UNEXPECTED, KINDS[Lease], 0))
        )
    ahead_ns = lease.expiry_ns - state.now_ns
    if lease.session != state.session:
        return _trip(state, Fault(Reason.SESSION_MISMATCH))
    if ahead_ns <= 0:
        return _trip(state, Fault(Reason.FRAME_OLD, min(-ahead_ns, MOST_NS), 0))
    if ahead_ns > MAX_LEASE_NS:
        return _trip(state, Fault(Reason.LEASE_TOO_LONG, ahead_ns, MAX_LEASE_NS))
    if not lease.believes_armed or bool(lease.believes_output) is is_zero(lease.output):
        return _trip(state, Fault(Reason.BELIEF_MISMATCH))
    if state.lease is not None and lease.output == state.lease.output:
        # Within the limits when it was let through, and they have no clock; those that have: see `overrun`.
        return state._replace(expiry_ns=lease.expiry_ns, lease=lease)
    output = wire.coded(lease.output, limits.device)
    tally = violation(output, limits) or admit(state.tally, output, state.now_ns, limits)
    if isinstance(tally, Fault):
        return _trip(state, tally)
    return state._replace(output=output, expiry_ns=lease.expiry_ns, lease=lease, tally=tally)


def _gave(state: State, given: Given, limits: Limits) -> State:
    tally = state.tally._replace(dose_pc=state.tally.dose_pc + given.charge_pc)
    state = state._replace(tally=tally)
    if abs(given.net_pc) > limits.net_charge_pc:
        return _trip(state, Fault(Reason.LIMIT_BALANCE, given.net_pc, limits.net_charge_pc))
    return state


def _trip(state: State, fault: Fault) -> State:
    if state.state is GuardState.TRIPPED:
        return state
    return _silent(state, GuardState.TRIPPED)._replace(trip=fault)


def _disarmed(state: State) -> State:
    return _silent(state, GuardState.DISARMED)._replace(trip=None)


def _silent(state: State, to: GuardState) -> State:
    return state._replace(
        state=to,
        output=ZERO,
        expiry_ns=0,
        session=0,
        lease=None,
        tally=silence(state.tally, state.now_ns),
        nonce=state.nonce + 1 & 0xFFFFFFFFFFFFFFFF,
    )
