"""A million frames that nobody meant: none raises anything but LinkError, none leads to output.

Random bytes, random bodies under a right checksum, real frames with a byte changed, and real frames once more.
"""

import random
import struct
import zlib
from collections import Counter

import pytest

from nmesd.errors import LinkError, Reason
from nmesd.guard.interlock import State, step
from nmesd.guard.limits import Fault
from nmesd.units import NS_PER_MS
from nmesd.wire import ZERO, Arm, Disarm, Frame, Hello, Lease, Received, Reset, Stop, decode, encode
from nmesd.wire.frames import FRAMES
from tests.guard.oracle import Witness
from tests.guard.scene import (
    ARM,
    ARMED,
    DISARMED,
    GIVING,
    LIMITS,
    LIMITS_HASH,
    NONCE,
    NOW,
    SENT,
    SETTINGS_HASH,
    SILENT,
    STATES,
    TRIPPED,
    A,
    D,
)

HEADER = struct.Struct("<HBBIq")
SIZES = {kind: struct.calcsize("<" + body) for kind, (_, body) in FRAMES.items()}
STATES_IN_TURN = tuple(STATES.values())
REAL = [
    encode(frame, 5, SENT)
    for frame in (
        Hello(SETTINGS_HASH, 1),
        ARM,
        GIVING,
        SILENT,
        Disarm(7),
        Reset(7),
        Stop(Reason.OPERATOR_STOP, 1, 2),
    )
]


def sealed(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def met_by(state: State, received: Received) -> State:
    return step(state, NOW, received, LIMITS, LIMITS_HASH)


def rubbish(n: int, rng: random.Random) -> Counter[str]:
    seen = Counter[str]()
    for _ in range(n):
        data = rng.randbytes(rng.randrange(220))
        try:
            decode(data)
        except LinkError:
            seen["refused"] += 1
    assert seen["refused"] == n  # 2^-32 of those that have the rest right would not be
    return seen


def random_bodies(n: int, rng: random.Random) -> Counter[str]:
    """Header and checksum right, the next sequence number, any content, in every state."""
    seen = Counter[str]()
    kinds = list(SIZES)
    for i in range(n):
        kind = rng.choice(kinds) if i % 7 else rng.randrange(256)
        size = SIZES.get(kind, 20)
        if i % 11 == 0:
            size = rng.randrange(200)
        sequence, t_ns = (5, SENT) if i % 5 else (rng.getrandbits(32), rng.getrandbits(63))
        data = sealed(HEADER.pack(0x4D4E, 1, kind, sequence, t_ns) + rng.randbytes(size))
        try:
            received = decode(data)
        except LinkError:
            seen["refused"] += 1
            continue
        after = met_by(STATES_IN_TURN[i % 3], received)
        assert after.output == ZERO
        assert after.state is not A
        seen[type(received.frame).__name__] += 1
    return seen


def changed(n: int, rng: random.Random) -> Counter[str]:
    """A real frame with one to three bytes changed; half of them under a new checksum."""
    seen = Counter[str]()
    witness = Witness(LIMITS, NOW)
    for i in range(n):
        data = bytearray(REAL[i % len(REAL)])
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        if i % 2:
            data = bytearray(sealed(bytes(data[:-4])))
        try:
            received = decode(bytes(data))
        except LinkError:
            seen["refused"] += 1
            continue
        state = STATES_IN_TURN[rng.randrange(3)]
        after = met_by(state, received)
        seen[after.state.name] += 1
        if after.state is A and state.state is D:
            assert isinstance(received.frame, Arm)
            assert (received.frame.nonce, received.frame.limits_hash) == (NONCE, LIMITS_HASH)
            assert after.output == ZERO
        elif after.output != ZERO:  # what was changed does not matter to a lease in force
            assert state is ARMED
            assert isinstance(received.frame, Lease)
            assert NOW < after.expiry_ns <= NOW + 100 * NS_PER_MS
            for channel, one in enumerate(after.output):
                if one.amplitude_ua:
                    assert channel in LIMITS.channels
                    witness._judge(one)
    return seen


def once_more(n: int, rng: random.Random) -> Counter[str]:
    """The frames of a real session again: to the states after it, to a new session, to a new guard."""
    seen = Counter[str]()
    opening: list[Frame] = [Hello(222, 1), ARM, GIVING]
    session = [decode(encode(frame, s, SENT)) for s, frame in enumerate(opening, 1)]
    for s in range(4, 40):
        lease = GIVING._replace(expiry_ns=NOW + s * NS_PER_MS)
        session.append(decode(encode(lease, s, SENT)))
    later = (
        DISARMED._replace(nonce=NONCE + 1),
        TRIPPED._replace(nonce=NONCE + 1),
        ARMED._replace(nonce=NONCE + 1, session=ARMED.session ^ 1),
        State(now_ns=NOW, nonce=rng.getrandbits(64)),
        TRIPPED._replace(trip=Fault(Reason.ENGINE_GONE)),
    )
    for i in range(n):
        received = session[rng.randrange(len(session))]
        state = later[i % len(later)]
        if i % 3:  # and as if it had the right number
            received = received._replace(sequence=state.sequence + 1)
        elif received.sequence == state.sequence + 1:
            continue
        after = met_by(state, received)
        assert after.output == ZERO
        assert after.state is not A
        seen[after.state.name] += 1
    return seen


def all_kinds(n: int, seed: int) -> None:
    rng = random.Random(seed)
    rubbish(n, rng)
    bodies = random_bodies(n, rng)
    assert set(bodies) == {frame.__name__ for frame, _ in FRAMES.values()} | {"refused"}
    mutated = changed(n, rng)
    assert set(mutated) == {"refused", "ARMED", "DISARMED", "TRIPPED"}
    again = once_more(n, rng)
    assert again["TRIPPED"] > n // 3


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_none_of_10_to_the_6_frames_that_nobody_meant_raises_or_leads_to_output(seed: int) -> None:
    all_kinds(51_000, seed)


def test_none_of_some_frames_that_nobody_meant_raises_or_leads_to_output() -> None:
    all_kinds(1_000, 99)
