"""What commands of ScienceMode 4 that give current carry, as the device reads them: refused, or a shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nmesd.drivers.sciencemode4_packets import MOST_MA_2, UA_PER_STEP, Point, Result, net_charge_pc

_PERIOD_US = (500, 16_383_000)  # C library, smpt_ml_channel_config
_POINT_BYTES = 4


class RefusedError(Exception):
    """The device does not do it, and says why."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


class Wave(NamedTuple):
    """The shape of a pulse: its first phase, how long all of it takes, what it leaves behind."""

    amplitude_ua: int
    pulse_width_us: int
    span_us: int
    net_pc: int


class Single(NamedTuple):
    """One low-level pulse."""

    channel: int
    wave: Wave


class Repeated(NamedTuple):
    """One channel of a mid-level update."""

    channel: int
    ramp: int  # pulses
    period_us: int
    wave: Wave


def ll_channel(data: bytes, channels: int) -> Single:
    """The pulse of an Ll_channel_config. Raises RefusedError."""
    head, rest = data[:1], data[1:]
    if not head or not head[0] & 0x80:
        raise RefusedError(Result.PARAMETER_ERROR)
    channel = (head[0] >> 4 & 1) * 4 + (head[0] >> 5 & 3)
    if channel >= channels or len(rest) != ((head[0] & 15) + 1) * _POINT_BYTES:
        raise RefusedError(Result.PARAMETER_ERROR)
    return Single(channel, _wave(rest))


def ml_channels(data: bytes, channels: int) -> Iterator[Repeated]:
    """Each channel of an Ml_update. Raises RefusedError."""
    if not data or data[0] >> channels:
        raise RefusedError(Result.PARAMETER_ERROR)
    at = 1
    for channel in range(channels):
        if not data[0] >> channel & 1:
            continue
        head = data[at : at + 3]
        if len(head) < 3:  # noqa: PLR2004 - points and ramp, period
            raise RefusedError(Result.PARAMETER_ERROR)
        coded = int.from_bytes(head[1:])
        period_us = (coded >> 1) * (250 if coded & 1 else 500)
        points = data[at + 3 : at + 3 + ((head[0] >> 4) + 1) * _POINT_BYTES]
        at += 3 + ((head[0] >> 4) + 1) * _POINT_BYTES
        if at > len(data) or not _PERIOD_US[0] <= period_us <= _PERIOD_US[1]:
            raise RefusedError(Result.PARAMETER_ERROR)
        yield Repeated(channel, head[0] & 15, period_us, _wave(points))
    if at != len(data):
        raise RefusedError(Result.PARAMETER_ERROR)


def _wave(data: bytes) -> Wave:
    """The shape its coded points make; the first phase is what comes before the current turns or ends."""
    points = tuple(_points(data))
    amplitude, width = 0, 0
    for time_us, current_ma_2 in points:
        if amplitude * current_ma_2 < 0 or (amplitude and not current_ma_2):
            break
        if current_ma_2:
            amplitude = max(amplitude, current_ma_2, key=abs)
            width += time_us
    span_us = sum(point.time_us for point in points)
    return Wave(UA_PER_STEP * abs(amplitude), width, span_us, net_charge_pc(points))


def _points(data: bytes) -> Iterator[Point]:
    for at in range(0, len(data), _POINT_BYTES):
        word = int.from_bytes(data[at : at + _POINT_BYTES])
        current_ma_2 = (word >> 10 & 0x3FF) - 300
        if abs(current_ma_2) > MOST_MA_2 or word & 0x3FF:
            raise RefusedError(Result.PARAMETER_ERROR)
        yield Point(word >> 20, current_ma_2)
