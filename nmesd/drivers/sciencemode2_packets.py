"""ScienceMode 2 (RehaStim 2): packets to bytes and back, and what the values are coded as. Pure.

    F0 | 81 crc8^55 | 81 length^55 | stuffed(number, command, data...) | 0F

Length and CRC-8 (polynomial 0x07, initial value 0) are of the stuffed body. 16-bit fields have their high byte
first, though the document says otherwise once: its tables and captured frames agree. Numbers wrap at 255.
Source: ScienceMode 2 protocol 1.24 (2012-12-12), tables 4 to 7 and chapter 4.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from nmesd.drivers.hasomed_bytes import (
    START,
    STOP,
    Packet,
    always_stuffed,
    odd,
    opened,
    stuffed,
)
from nmesd.errors import DeviceError, Reason
from nmesd.units import UA_PER_MA
from nmesd.wire import Capabilities

MOST_BYTES = 69  # of a whole packet
HEAD_BYTES = 4  # checksum and length
CHANNELS = 8
WIDTH_US = (
    20,
    500,
)  # below, the device raises it to 20: zero is coded as current 0, never as width 0
CURRENT_MA = (0, 130)
INTERVAL_US = (8_000, 1_025_000)  # main interval, current firmware; in steps of 500


CAPABILITIES = Capabilities(
    channels=CHANNELS,
    simulated=False,
    one_period=True,  # one main interval for the whole list
    amplitude_least_ua=2 * UA_PER_MA,
    amplitude_most_ua=CURRENT_MA[1] * UA_PER_MA,
    amplitude_step_ua=2 * UA_PER_MA,  # ScienceMode2 README; the field has 1 mA
    width_least_us=WIDTH_US[0],
    width_most_us=WIDTH_US[1],
    period_least_us=INTERVAL_US[0],
    period_most_us=INTERVAL_US[1],
    period_step_us=500,
)


class Command(IntEnum):
    """What a packet says."""

    INIT = 1
    INIT_ACK = 2
    UNKNOWN_COMMAND = 3
    WATCHDOG = 4
    GET_MODE = 10
    GET_MODE_ACK = 11
    INIT_LIST = 30
    INIT_LIST_ACK = 31
    START_LIST = 32
    START_LIST_ACK = 33
    STOP_LIST = 34
    STOP_LIST_ACK = 35
    SINGLE_PULSE = 36
    SINGLE_PULSE_ACK = 37
    STIMULATION_ERROR = 38


class Result(IntEnum):
    """What an answer says, as a signed byte."""

    OK = 0
    TRANSFER_ERROR = -1
    PARAMETER_ERROR = -2
    WRONG_MODE = -3
    WRONG_VERSION = -5
    BUSY = -8


EMERGENCY, ELECTRODE = -1, -2  # STIMULATION_ERROR; -3 is the module itself


class Mode(IntEnum):
    """What the device is in (GET_MODE_ACK)."""

    START = 0
    INITIALISED = 1
    STARTED = 2


class ListPulse(NamedTuple):
    """One channel of a channel list: single pulses of this width (µs) and current (mA)."""

    pulse_width_us: int
    current_ma: int


def encode(packet: Packet) -> bytes:
    """The bytes of a packet."""
    body = stuffed(bytes((packet.number, packet.command)) + packet.data)
    return bytes((START,)) + always_stuffed(_seal(body)) + body + bytes((STOP,))


def decode(inner: bytes) -> Packet:
    """The packet between start and stop byte. Raises DeviceError on any other bytes than `encode` makes."""
    plain = opened(inner, HEAD_BYTES, _seal)
    return Packet(plain[0], plain[1], plain[2:])


def init_list(channels: int, main_interval_us: int) -> bytes:
    """Data of INIT_LIST: `channels` is a mask, bit 0 is channel 1. Raises ValueError out of range."""
    least_us, most_us = INTERVAL_US
    if not least_us <= main_interval_us <= most_us or not 0 < channels < 1 << CHANNELS:
        raise ValueError(f"channels {channels:#x} or interval {main_interval_us} µs out of range")
    coded = coded_interval(main_interval_us)
    # No low-frequency channels, shortest interval in groups (not used by single pulses), fixed slots.
    return bytes((0, channels, 0, 0, coded >> 8, coded & 0xFF, 0))


def start_list(pulses: list[ListPulse]) -> bytes:
    """Data of START_LIST, for the active channels in ascending order. Raises ValueError out of range."""
    return b"".join(bytes((0,)) + _pulse(one) for one in pulses)


def single_pulse(channel: int, pulse: ListPulse) -> bytes:
    """Data of SINGLE_PULSE; `channel` counts from 0. Raises ValueError out of range."""
    if not 0 <= channel < CHANNELS:
        raise ValueError(f"channel {channel + 1}: there are {CHANNELS}")
    return bytes((channel,)) + _pulse(pulse)


def coded_interval(main_interval_us: int) -> int:
    """The code of a main interval, rounded up to the next 0.5 ms: never faster than asked."""
    return -(-(main_interval_us - 1000) // 500)


def interval_us(coded: int) -> int:
    """What a coded main interval really is."""
    return 1000 + 500 * coded


def result(data: bytes) -> int:
    """The signed first byte of an answer. Raises DeviceError if there is none."""
    if not data:
        raise odd("an answer without a result")
    return int.from_bytes(data[:1], signed=True)


def failure(what: str, data: bytes) -> DeviceError:
    """What to raise about a result that is not OK; `data` begins with it."""
    said = int.from_bytes(data[:1], signed=True)
    names = {one.value: one.name.lower().replace("_", " ") for one in Result}
    return DeviceError(
        f"the stimulator {what}: {names.get(said, f'result {said}')}", Reason.DEVICE_ANSWER, said
    )


def stimulation_error(kind: int) -> DeviceError:
    """What to raise about a STIMULATION_ERROR. Which channel it is about it does not say."""
    if kind == EMERGENCY:
        return DeviceError(
            "the stimulator's emergency switch is pressed, or not connected", Reason.DEVICE_SWITCH
        )
    if kind == ELECTRODE:
        return DeviceError("electrode error", Reason.DEVICE_ELECTRODE)
    return DeviceError(f"the stimulator's stimulation module has failed ({kind})")


def _pulse(pulse: ListPulse) -> bytes:
    (narrow, wide), (least, most) = WIDTH_US, CURRENT_MA
    if not narrow <= pulse.pulse_width_us <= wide or not least <= pulse.current_ma <= most:
        raise ValueError(f"{pulse}: {narrow} to {wide} µs and {least} to {most} mA are possible")
    return pulse.pulse_width_us.to_bytes(2) + bytes((pulse.current_ma,))


def _seal(body: bytes) -> bytes:
    return bytes((_crc8(body), len(body) & 0xFF))


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
