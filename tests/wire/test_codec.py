"""Frames to bytes and back; every other string of bytes is refused, and only ever with LinkError."""

import importlib
import random
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.errors import LinkError
from nmesd.wire import (
    CHANNELS,
    MAX_FRAME,
    NOTE_ARGS,
    VERSION,
    ZERO,
    Arm,
    Beat,
    ChannelOutput,
    Disarm,
    Frame,
    Lease,
    Raw,
    Stop,
    codec,
    decode,
    encode,
    session_token,
)
from nmesd.wire.frames import FRAMES, KINDS

LAYOUTS = list(FRAMES.values())
KINDS_OF = [kind for kind, _ in LAYOUTS]
BODY = dict(LAYOUTS)
HEADER = struct.Struct("<HBBIq")  # as docs say: magic, version, kind, sequence, t_ns
RANGES = {
    "B": (0, 2**8 - 1),
    "b": (-(2**7), 2**7 - 1),
    "H": (0, 2**16 - 1),
    "I": (0, 2**32 - 1),
    "Q": (0, 2**64 - 1),
    "q": (-(2**63), 2**63 - 1),
}
U32, I64 = st.integers(*RANGES["I"]), st.integers(*RANGES["q"])


def integers(codes: str) -> list[st.SearchStrategy[int]]:
    return [st.integers(*RANGES[code]) for code in codes]


def frames_of(kind: type[Any]) -> st.SearchStrategy[Frame]:
    """Any frame of this kind: integers by BODY, and what its last field is by its name."""
    names = list(kind._fields)
    codes = BODY[kind]
    tail: list[st.SearchStrategy[Any]] = []
    match names[-1:]:
        case ["output"]:
            codes = codes.removesuffix("III" * CHANNELS)
            tail = [st.tuples(*[st.builds(ChannelOutput, *integers("III"))] * CHANNELS)]
        case ["args"]:
            codes = codes.removesuffix("q" * NOTE_ARGS)
            tail = [st.tuples(*[I64] * NOTE_ARGS)]
        case ["payload"]:
            tail = [st.binary(max_size=200)]
        case _:
            pass
    values = st.tuples(*integers(codes), *tail)
    return values.map(lambda v: kind(*v))


any_frame = st.one_of([frames_of(kind) for kind in KINDS_OF])
encoded = st.builds(encode, any_frame, U32, I64)


def sealed(kind: int, body: bytes, *, magic: int = 0x4D4E, version: int = VERSION) -> bytes:
    """Bytes with a right checksum, whatever is in them."""
    data = HEADER.pack(magic, version, kind, 1, 2) + body
    return data + struct.pack("<I", zlib.crc32(data))


def test_every_kind_has_its_own_number() -> None:
    numbers = list(FRAMES)
    assert len(numbers) >= 16
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 256 for number in numbers)


@pytest.mark.parametrize("kind", KINDS_OF)
def test_fields_and_body_agree(kind: type[Frame]) -> None:
    names = list(kind._fields)
    tail = {"output": 3 * CHANNELS, "args": NOTE_ARGS, "payload": 0}.get(
        names[-1] if names else "", 1
    )
    assert len(BODY[kind]) == (len(names) - 1 + tail if names else 0)


@pytest.mark.parametrize("kind", KINDS_OF)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), sequence=U32, t_ns=I64)
def test_round_trip(kind: type[Frame], data: st.DataObject, sequence: int, t_ns: int) -> None:
    frame = data.draw(frames_of(kind))
    received = decode(encode(frame, sequence, t_ns))
    assert received == (sequence, t_ns, frame)
    assert type(received.frame) is kind


def test_the_extremes_of_every_field_round_trip() -> None:
    for kind in KINDS_OF:
        for end in (0, 1):
            names = list(kind._fields)
            values: list[Any] = [RANGES[code][end] for code in BODY[kind]]
            if names[-1:] == ["payload"]:
                values.append(b"\xff")
            if names[-1:] == ["args"]:
                values[-NOTE_ARGS:] = [tuple(values[-NOTE_ARGS:])]
            if names[-1:] == ["output"]:
                flat = values[-3 * CHANNELS :]
                channels = [ChannelOutput(*flat[i : i + 3]) for i in range(0, len(flat), 3)]
                values[-3 * CHANNELS :] = [tuple(channels)]
            frame = kind(*values)
            assert decode(encode(frame, 2**32 - 1, -(2**63))).frame == frame


def test_the_header_is_as_documented() -> None:
    data = encode(Disarm(7), 5, -9)
    assert HEADER.unpack_from(data) == (0x4D4E, VERSION, KINDS[Disarm], 5, -9)
    assert data == sealed(KINDS[Disarm], struct.pack("<Q", 7))[:4] + data[4:]
    assert len(data) == HEADER.size + 8 + 4


def test_every_kind_is_packed_by_its_layout_without_padding() -> None:
    """Made anew here: at its import it is made before a mutation test can change it."""
    before = dict(vars(codec))
    try:
        importlib.reload(codec)
        made = dict(codec._CODECS)
    finally:
        vars(codec).update(before)
    assert list(made) == list(FRAMES)
    tails = {"output": "output", "args": "args", "payload": "payload"}
    for kind, (frame, layout) in FRAMES.items():
        one = made[kind]
        assert one.frame is frame
        assert one.body.format == "<" + layout
        assert one.whole.format == HEADER.format + layout
        assert one.tail == tails.get((*frame._fields, "none")[-2 if frame._fields else -1], "")


def test_a_lease_on_nothing_is_the_one_zero_there_is() -> None:
    """Thousands a minute: none of them needs eight channels made anew."""
    frame = decode(encode(Lease(1, 2, 3, 4, 5, 0, 0, ZERO), 1, 1)).frame
    assert isinstance(frame, Lease)
    assert frame.output is ZERO


# ---- what is refused --------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(encoded)
def test_any_flipped_bit_is_refused(data: bytes) -> None:
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(LinkError):
            decode(bytes(bad))


@settings(max_examples=40, deadline=None)
@given(encoded, st.binary(min_size=1, max_size=40))
def test_shorter_and_longer_is_refused(data: bytes, more: bytes) -> None:
    for size in range(len(data)):
        with pytest.raises(LinkError):
            decode(data[:size])
    for bad in (data + more, more + data, data + bytes(1), data + data):
        with pytest.raises(LinkError):
            decode(bad)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (kind, change)
        for kind in KINDS_OF
        for change in (-1, 1, 8)
        if (BODY[kind] if change < 0 else not hasattr(kind, "payload"))
    ],
)
def test_a_body_of_another_length_is_refused_though_its_checksum_is_right(
    kind: type[Frame], change: int
) -> None:
    size = struct.calcsize("<" + BODY[kind]) + change
    with pytest.raises(LinkError, match=rf"{kind.__name__}: {size} bytes, {size - change} expe"):
        decode(sealed(KINDS[kind], bytes(size)))


def test_random_bytes_raise_nothing_but_link_error() -> None:
    rng = random.Random(5)
    for _ in range(30_000):
        with pytest.raises(LinkError):
            decode(rng.randbytes(rng.randrange(150)))


def test_random_bodies_under_a_right_checksum_decode_or_raise_link_error() -> None:
    rng = random.Random(6)
    decoded = 0
    for _ in range(30_000):
        kind = rng.choice([rng.randrange(256), rng.choice(list(FRAMES))])
        right = [
            struct.calcsize("<" + body) for number, (_, body) in FRAMES.items() if kind == number
        ]
        size = rng.choice([rng.randrange(160), *right])
        data = sealed(kind, rng.randbytes(size))
        try:
            received = decode(data)
        except LinkError:
            continue
        decoded += 1
        assert encode(received.frame, received.sequence, received.t_ns) == data
    assert decoded > 5000


def test_another_version_says_what_to_do() -> None:
    for version in (0, VERSION + 1, 255):
        with pytest.raises(LinkError, match=rf"version {version}.* {VERSION}: install the same"):
            decode(sealed(KINDS[Beat], b"", version=version))


def test_a_wrong_checksum_is_told() -> None:
    data = bytearray(encode(Disarm(7), 1, 2))
    data[-1] ^= 1
    with pytest.raises(LinkError, match=r"^checksum wrong$"):
        decode(bytes(data))


def test_a_stranger_s_bytes_are_not_a_frame() -> None:
    with pytest.raises(LinkError, match=r"^not an nmesd frame$"):
        decode(sealed(KINDS[Beat], b"", magic=0x4D4F))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(LinkError, match="unknown kind 99"):
        decode(sealed(99, b""))


@pytest.mark.parametrize("kind", KINDS_OF)
def test_a_field_out_of_range_is_refused(kind: type[Any]) -> None:
    names = list(kind._fields)
    tails: dict[str, list[Any]] = {"output": [ZERO], "args": [(0,) * NOTE_ARGS], "payload": [b""]}
    tail = tails.get(names[-1] if names else "", [])
    plain = len(names) - len(tail)
    for field in range(plain):
        least, most = RANGES[BODY[kind][field]]
        for bad in (least - 1, most + 1, 0.5, None):
            values: list[Any] = [0] * plain
            values[field] = bad
            with pytest.raises(LinkError, match=kind.__name__):
                encode(kind(*values, *tail), 1, 1)


def test_an_output_out_of_range_or_of_another_length_is_refused() -> None:
    for output in (
        ZERO[:-1],
        (*ZERO, ChannelOutput()),
        (*ZERO[:-1], ChannelOutput(-1, 0, 0)),
        (*ZERO[:-1], ChannelOutput(0, 2**32, 0)),
    ):
        with pytest.raises(LinkError):
            encode(Lease(1, 1, 1, 1, 1, 1, 1, output), 1, 1)


@pytest.mark.parametrize(("sequence", "t_ns"), [(-1, 0), (2**32, 0), (0, 2**63), (0, -(2**63) - 1)])
def test_a_header_out_of_range_is_refused(sequence: int, t_ns: int) -> None:
    with pytest.raises(LinkError):
        encode(Beat(), sequence, t_ns)


def test_what_encode_makes_decode_takes_up_to_the_last_byte() -> None:
    empty = len(encode(Raw(0, 0, 0, 0, 0, b""), 1, 1))
    longest = Raw(0, 0, 0, 0, 0, b"x" * (MAX_FRAME - empty))
    assert decode(encode(longest, 1, 1)).frame == longest
    with pytest.raises(LinkError, match=rf"^Raw: over {MAX_FRAME} bytes$"):
        encode(Raw(0, 0, 0, 0, 0, b"x" * (MAX_FRAME - empty + 1)), 1, 1)


@given(frames_of(Arm), frames_of(Arm))
def test_a_session_s_name_depends_on_all_of_its_arm(one: Arm, other: Arm) -> None:
    assert session_token(one) == session_token(Arm(*one))
    assert (session_token(one) == session_token(other)) == (one == other)
    encode(Lease(session_token(one), 0, 0, 0, 0, 0, 0, ZERO), 1, 1)  # it fits


def test_bits_of_a_stop_are_kept() -> None:
    assert decode(encode(Stop(30, -1, 2**62), 1, 1)).frame == Stop(30, -1, 2**62)
