"""ScienceMode 4 (P24, RehaMove 3): packets to bytes and back, and what the values are coded as. Pure.

    F0 | 81 lenH^55 81 lenL^55 | 81 crcH^55 81 crcL^55 | stuffed(prefix, data...) | 0F

The length is of the whole packet, the CRC-16 (polynomial 0x1021, initial value 0) of the stuffed body. The prefix
is 6 bits of number and 10 of command. Everything has its high byte first.
Sources: P24 instructions for use 1.1 (2023-01-25), pp. 16 to 29; ScienceMode4_c_library @0cb1201, whose command
numbers 36 and 37 are right where table 19 of the former prints 37 and 38.
"""

from __future__ import annotations

import binascii
from enum import IntEnum
from typing import NamedTuple

from nmesd.drivers.hasomed_bytes import (
    START,
    STOP,
    Packet,
    always_stuffed,
    opened,
    stuffed,
)
from nmesd.errors import DeviceError, Reason
from nmesd.wire import Capabilities

MOST_BYTES = 1200  # of a whole packet
CHANNELS = 8  # P24; RehaMove 3 has 4
MOST_MA_2 = (
    2 * 130
)  # current in steps of half a milliampere; the field would take 150, the device does not
UA_PER_STEP = 500
MOST_US = 4095  # of a point
_ZERO_MA_2 = 300  # what 0 mA is coded as
HEAD_BYTES = 8  # length and checksum


CAPABILITIES = Capabilities(
    channels=CHANNELS,
    simulated=False,
    one_period=False,
    amplitude_least_ua=UA_PER_STEP,
    amplitude_most_ua=MOST_MA_2 * UA_PER_STEP,
    amplitude_step_ua=UA_PER_STEP,
    width_least_us=10,  # P24: 10 to 65520 µs; a point holds 4095
    width_most_us=MOST_US,
)


class Command(IntEnum):
    """What a packet says; its answer has the next number."""

    LL_INIT = 0
    LL_INIT_ACK = 1
    LL_CHANNEL = 2
    LL_CHANNEL_ACK = 3
    LL_STOP = 4
    LL_STOP_ACK = 5
    ML_INIT = 30
    ML_INIT_ACK = 31
    ML_UPDATE = 32
    ML_UPDATE_ACK = 33
    ML_STOP = 34
    ML_STOP_ACK = 35
    ML_GET_CURRENT_DATA = 36
    ML_GET_CURRENT_DATA_ACK = 37
    GET_DEVICE_ID = 52
    GET_DEVICE_ID_ACK = 53
    RESET = 58
    RESET_ACK = 59
    GET_STIM_STATUS = 62
    GET_STIM_STATUS_ACK = 63
    GENERAL_ERROR = 66
    UNKNOWN_COMMAND = 67
    GET_EXTENDED_VERSION = 68
    GET_EXTENDED_VERSION_ACK = 69


class Result(IntEnum):
    """First byte of an answer."""

    OK = 0
    TRANSFER_ERROR = 1
    PARAMETER_ERROR = 2
    PROTOCOL_ERROR = 3
    STIMULATION_TIMEOUT = 4
    NOT_INITIALISED = 7
    HIGH_VOLTAGE_ERROR = 8
    ELECTRODE_ERROR = 10
    INVALID_COMMAND = 11
    PULSE_TIMEOUT = 16
    BUSY = 21
    PULSE_LOW_CURRENT = 28


class Point(NamedTuple):
    """One step of a pulse's shape: this current (mA x 2, signed) for so long."""

    time_us: int
    current_ma_2: int


def encode(packet: Packet) -> bytes:
    """The bytes of a packet."""
    body = stuffed((packet.number << 10 | packet.command).to_bytes(2) + packet.data)
    return bytes((START,)) + always_stuffed(_seal(body)) + body + bytes((STOP,))


def decode(inner: bytes) -> Packet:
    """The packet between start and stop byte. Raises DeviceError on any other bytes than `encode` makes."""
    plain = opened(inner, HEAD_BYTES, _seal)
    prefix = int.from_bytes(plain[:2])
    return Packet(prefix >> 10, prefix & 0x3FF, plain[2:])


def biphasic(pulse_width_us: int, current_ma_2: int, gap_us: int) -> tuple[Point, ...]:
    """A charge-balanced pulse: positive, gap, negative. The device does not see to the balance."""
    return (
        Point(pulse_width_us, current_ma_2),
        Point(gap_us, 0),
        Point(pulse_width_us, -current_ma_2),
    )


def net_charge_pc(points: tuple[Point, ...]) -> int:
    """What a pulse leaves behind, by what it is coded as."""
    return sum(UA_PER_STEP * point.current_ma_2 * point.time_us for point in points)


def ll_channel(channel: int, points: tuple[Point, ...]) -> bytes:
    """Data of LL_CHANNEL: give this once, now; `channel` counts from 0. Raises ValueError out of range."""
    if not 0 <= channel < CHANNELS:
        raise ValueError(f"channel {channel + 1}: there are {CHANNELS}")
    connector, line = divmod(channel, 4)
    return bytes((0x80 | line << 5 | connector << 4 | len(points) - 1,)) + _points(points)


def ml_channel(points: tuple[Point, ...], period_us: int, ramp: int = 0) -> bytes:
    """One channel of ML_UPDATE, which begins with a mask of channels. The period is rounded up to 0.5 ms."""
    return (
        bytes((len(points) - 1 << 4 | ramp,))
        + (-(-period_us // 500) << 1).to_bytes(2)
        + _points(points)
    )


def failure(what: str, data: bytes) -> DeviceError:
    """What to raise about a result that is not OK; `data` begins with it."""
    names = {result.value: result.name.lower().replace("_", " ") for result in Result}
    said = names.get(data[0], f"result {data[0]}") if data else "no result"
    return DeviceError(
        f"the stimulator {what}: {said}", Reason.DEVICE_ANSWER, data[0] if data else 0
    )


def electrode_error(channel: int) -> DeviceError:
    """What to raise about an electrode; `channel` counts from 0."""
    return DeviceError(
        f"electrode error on channel {channel + 1}", Reason.DEVICE_ELECTRODE, channel + 1
    )


def _seal(body: bytes) -> bytes:
    length = 1 + HEAD_BYTES + len(body) + 1
    return length.to_bytes(2) + binascii.crc_hqx(body, 0).to_bytes(2)


def _points(points: tuple[Point, ...]) -> bytes:
    coded = b""
    for time_us, current_ma_2 in points:
        if not 0 <= time_us <= MOST_US or not -MOST_MA_2 <= current_ma_2 <= MOST_MA_2:
            raise ValueError(f"{time_us} µs, {current_ma_2 / 2:g} mA: at most {MOST_US} µs, 130 mA")
        coded += (time_us << 20 | current_ma_2 + _ZERO_MA_2 << 10).to_bytes(4)
    return coded
