"""The limits as data, and the check of a wanted output against them.

`guard.toml` may lower a limit, never raise it over the ceiling compiled in here. Sources: device data sheets and
IEC 60601-2-10 as quoted in the project's notes on stimulators; ranges of use from Lyons et al. and the reviews
named there (20 to 50 Hz, 200 to 400 µs).
"""

from __future__ import annotations

from typing import NamedTuple

from nmesd.errors import Reason
from nmesd.units import US_PER_S
from nmesd.wire import CHANNELS, Output


class Rule(NamedTuple):
    """One line of [limits] in guard.toml."""

    key: str
    unit: str
    scale: int  # file unit -> integer unit of `Limits`
    ceiling: float  # in file units: compiled in, guard.toml can only go below
    default: float
    source: str


RULES = (
    Rule(
        "amplitude_ma",
        "mA",
        1000,
        130,
        30,
        "ceiling: P24 and RehaStim 2 data sheets, 130 mA at 1 kOhm",
    ),
    Rule(
        "pulse_width_us",
        "µs",
        1,
        500,
        400,
        "ceiling: RehaStim 2, ScienceMode 2 protocol 4.2, 500 µs",
    ),
    Rule(
        "rate_hz", "Hz", 1, 100, 50, "ceiling: 20 to 100 Hz in FES, Shalaby/RehaMovePro PMC5128970"
    ),
)


class Limits(NamedTuple):
    """The limits in force, as integers."""

    amplitude_ua: int
    pulse_width_us: int
    rate_hz: int
    channels: frozenset[int]  # 0-based, those that may be used at all


class Violation(NamedTuple):
    """A limit that a wanted output is over."""

    reason: Reason
    value: int
    limit: int
    channel: int  # 0-based


def violation(output: Output, limits: Limits) -> Violation | None:
    """The first limit that `output` is over, None if it is within all. Zero is within all."""
    for channel in range(CHANNELS):
        amplitude_ua, pulse_width_us, period_us = output[channel]
        if amplitude_ua == 0:
            continue
        if channel not in limits.channels:
            return Violation(Reason.LIMIT_CHANNEL, channel + 1, 0, channel)
        if amplitude_ua > limits.amplitude_ua:
            return Violation(Reason.LIMIT_AMPLITUDE, amplitude_ua, limits.amplitude_ua, channel)
        if pulse_width_us > limits.pulse_width_us:
            return Violation(
                Reason.LIMIT_PULSE_WIDTH, pulse_width_us, limits.pulse_width_us, channel
            )
        if period_us * limits.rate_hz < US_PER_S:
            return Violation(Reason.LIMIT_RATE, period_us, -(-US_PER_S // limits.rate_hz), channel)
    return None
