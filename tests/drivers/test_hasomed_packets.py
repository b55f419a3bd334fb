"""ScienceMode 2 and 4: the vectors both ways; what is damaged is refused, and costs one packet."""

import random
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.drivers import sciencemode2_packets as sm2
from nmesd.drivers import sciencemode4_packets as sm4
from nmesd.drivers.hasomed_bytes import (
    KEY,
    START,
    STOP,
    STUFFING,
    Packet,
    Splitter,
    stuffed,
    unstuffed,
)
from nmesd.errors import DeviceError, Reason
from tests.drivers.hasomed_vectors import VECTORS_2, VECTORS_4, Vector

BOTH = [(sm2, vector) for vector in VECTORS_2] + [(sm4, vector) for vector in VECTORS_4]
NAMES = [f"{module.__name__[-9]} {vector[0]}" for module, vector in BOTH]


def inner(data: bytes, module: ModuleType) -> list[bytes]:
    return Splitter(module.MOST_BYTES, module.HEAD_BYTES).feed(data)


@pytest.mark.parametrize(("module", "vector"), BOTH, ids=NAMES)
def test_every_vector_both_ways(module: ModuleType, vector: Vector) -> None:
    _, text, number, command, data = vector
    packet = module.Packet(number, command, bytes.fromhex(data))
    assert module.encode(packet) == bytes.fromhex(text)
    (found,) = inner(bytes.fromhex(text), module)
    assert module.decode(found) == packet


@pytest.mark.parametrize(("module", "vector"), BOTH, ids=NAMES)
def test_any_changed_byte_is_refused_or_no_packet(module: ModuleType, vector: Vector) -> None:
    right = bytes.fromhex(vector[1])
    for place in range(len(right)):
        for change in (0x01, 0x80, 0xFF):
            wrong = bytearray(right)
            wrong[place] ^= change
            for found in inner(bytes(wrong), module):
                with pytest.raises(DeviceError) as caught:
                    module.decode(found)
                assert caught.value.reason is Reason.DEVICE_ANSWER


@pytest.mark.parametrize("module", [sm2, sm4])
@settings(max_examples=300, deadline=None)
@given(
    garbage=st.binary(max_size=100) | st.lists(st.sampled_from([START, STOP, STUFFING])).map(bytes),
    data=st.binary(max_size=20),
    cut=st.integers(1, 40),
)
def test_after_any_garbage_the_next_packet_but_one_is_found(
    module: ModuleType, garbage: bytes, data: bytes, cut: int
) -> None:
    packet = module.Packet(5, 32, data)
    stream = garbage + module.encode(packet) * 2
    splitter = Splitter(module.MOST_BYTES, module.HEAD_BYTES)
    found = []
    for begin in range(0, len(stream), cut):  # short reads
        found += splitter.feed(stream[begin : begin + cut])
    assert module.decode(found[-1]) == packet
    if START not in garbage:  # then none of it was taken for a packet
        assert [module.decode(one) for one in found] == [packet, packet]
        assert splitter.dropped == len(garbage)


@pytest.mark.parametrize("module", [sm2, sm4])
def test_no_bytes_raise_anything_but_a_device_error(module: ModuleType) -> None:
    rng = random.Random(1)
    splitter = Splitter(module.MOST_BYTES, module.HEAD_BYTES)
    for _ in range(20_000):
        noise = bytes(rng.choices((START, STOP, STUFFING, KEY, rng.randrange(256)), k=12))
        for found in splitter.feed(noise):
            with pytest.raises(DeviceError):
                module.decode(found)


@given(st.binary(max_size=60))
def test_stuffing_hides_what_is_special_and_is_undone(data: bytes) -> None:
    assert not {START, STOP} & set(stuffed(data))
    assert unstuffed(stuffed(data)) == data
    assert len(stuffed(data)) == len(data) + sum(byte in (START, STOP, STUFFING) for byte in data)


@given(st.binary(max_size=30), st.sampled_from([0xA5, 0x5A, 0xD4]))
def test_a_checksum_that_looks_like_start_or_stop_ends_nothing(data: bytes, looks: int) -> None:
    packet = Packet(1, 32, data)
    while (coded := sm2.encode(packet))[2] != looks ^ KEY:
        packet = packet._replace(data=bytes(random.Random(str(packet)).randbytes(5)))
    (found,) = inner(coded, sm2)
    assert sm2.decode(found) == packet


def test_a_packet_that_never_ends_is_dropped_at_the_longest_there_is() -> None:
    splitter = Splitter(sm2.MOST_BYTES, sm2.HEAD_BYTES)
    assert splitter.feed(bytes((START,)) + bytes(500) + bytes((STOP,))) == []
    assert splitter.dropped == 502
    packet = Packet(1, sm2.Command.WATCHDOG)
    assert [sm2.decode(one) for one in splitter.feed(sm2.encode(packet))] == [packet]


# ---- what the values are coded as --------------------------------------------------------------------------


def test_sm2_lists_are_coded_as_in_the_vectors() -> None:
    assert sm2.init_list(0b11, 20_000).hex(" ") == "00 03 00 00 00 26 00"
    assert sm2.start_list([sm2.ListPulse(300, 15)]).hex(" ") == "00 01 2c 0f"
    assert sm2.single_pulse(0, sm2.ListPulse(300, 15)).hex(" ") == "00 01 2c 0f"


@given(st.integers(*sm2.INTERVAL_US))
def test_an_sm2_interval_is_never_shorter_than_asked_and_half_a_millisecond_longer_at_most(
    asked_us: int,
) -> None:
    real_us = sm2.interval_us(sm2.coded_interval(asked_us))
    assert asked_us <= real_us < asked_us + 500


@pytest.mark.parametrize(
    ("width", "current"), [(19, 10), (501, 10), (0, 10), (200, 131), (200, -1)]
)
def test_sm2_refuses_what_the_device_would_change_or_refuse(width: int, current: int) -> None:
    with pytest.raises(ValueError, match="20 to 500"):
        sm2.start_list([sm2.ListPulse(width, current)])


@pytest.mark.parametrize(
    ("channels", "interval"), [(0, 20_000), (256, 20_000), (1, 7_999), (1, 1_025_001)]
)
def test_sm2_refuses_lists_out_of_range(channels: int, interval: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        sm2.init_list(channels, interval)


@pytest.mark.parametrize("channel", [-1, 8])
def test_a_channel_that_is_not_there_is_refused(channel: int) -> None:
    with pytest.raises(ValueError, match="there are 8"):
        sm2.single_pulse(channel, sm2.ListPulse(200, 10))
    with pytest.raises(ValueError, match="there are 8"):
        sm4.ll_channel(channel, sm4.biphasic(200, 20, 100))


def test_sm2_results_are_signed_and_none_is_an_error() -> None:
    assert [sm2.result(bytes((byte,))) for byte in (0, 0xFD, 0xF8)] == [0, -3, -8]
    with pytest.raises(DeviceError, match="without a result"):
        sm2.result(b"")


def test_sm4_channels_are_coded_as_in_the_vectors() -> None:
    pulse = sm4.biphasic(200, 40, 100)
    assert sm4.ll_channel(0, pulse).hex() == "82" + "0c855000" + "0644b000" + "0c841000"
    assert sm4.ml_channel(pulse, 20_000, 3).hex()[:6] == "230050"
    assert [sm4.ll_channel(c, pulse)[0] for c in (3, 4, 7)] == [0xE2, 0x92, 0xF2]


@given(st.integers(10, sm4.MOST_US), st.integers(0, sm4.MOST_MA_2), st.integers(0, 500))
def test_a_biphasic_pulse_leaves_nothing_behind(width: int, current: int, gap: int) -> None:
    pulse = sm4.biphasic(width, current, gap)
    assert sm4.net_charge_pc(pulse) == 0
    assert sm4.net_charge_pc(pulse[:2]) == 500 * width * current


@pytest.mark.parametrize("point", [(4096, 20), (-1, 20), (200, 261), (200, -261)])
def test_sm4_refuses_what_the_device_cannot(point: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at most 4095"):
        sm4.ll_channel(0, (sm4.Point(*point),))


@given(st.integers(500, 16_383_000))
def test_an_sm4_period_is_never_shorter_than_asked(asked_us: int) -> None:
    coded = int.from_bytes(sm4.ml_channel(sm4.biphasic(200, 20, 100), asked_us)[1:3])
    assert coded & 1 == 0
    assert asked_us <= (coded >> 1) * 500 < asked_us + 500
