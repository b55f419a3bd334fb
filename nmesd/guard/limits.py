"""The limits as data, and the check of a wanted output against those that need no clock (the others: `tally.py`).

`guard.toml` may only stay between floor and ceiling. T: manuals of the two Hasomed devices, L: literature,
F: FDA 1999 guidance on powered muscle stimulators, I: IEC 60601-2-10 as quoted in the project's notes on
stimulators; C: chosen here, for want of a source.
"""

from math import isqrt
from typing import NamedTuple

from nmesd.errors import Reason
from nmesd.wire import ANY, Capabilities, Output

BODY_OHM = 500  # the load of IEC 60601-2-10, for power out of current


class Rule(NamedTuple):
    """One line of [limits] in guard.toml; the numbers are in its units."""

    key: str  # with the unit in its name
    field: str  # of `Limits`
    scale: int  # file unit -> integer unit of the field
    floor: float
    ceiling: float
    default: float
    source: str


RULES = (
    Rule("amplitude_ma", "amplitude_ua", 1000, 0.001, 130, 30, "T: 130 mA at 1 kOhm, P24 and RehaStim 2"),
    Rule("pulse_width_us", "pulse_width_us", 1, 1, 500, 400, "T: 500 µs a phase, RehaStim 2; L: 200 to 400"),
    Rule("rate_hz", "rate_mhz", 1000, 1, 100, 50, "L: 20 to 100 Hz in FES, Shalaby/RehaMovePro PMC5128970"),
    Rule("charge_uc", "charge_pc", 1_000_000, 0.001, 65, 12, "T: 130 mA x 500 µs; default C: 30 mA x 400 µs"),
    Rule("density_ma_cm2", "density_ua_cm2", 1000, 0.001, 2, 2, "I, T: r.m.s. over 2 mA/cm² needs attention"),
    Rule("power_mw_cm2", "power_uw_cm2", 1000, 0.001, 250, 100, "F: under 0.25 W/cm²; T: at most 0.1 W/cm²"),
    Rule("total_rms_ma", "total_rms_ua", 1000, 0.001, 50, 20, "I: 50 mA r.m.s. up to 400 Hz, to be verified"),
    Rule("channels_at_once", "channels_at_once", 1, 1, 8, 1, "T: 8 channels; default C"),
    Rule("rise_ma_s", "rise_ua_s", 1000, 0.001, 260, 60, "L: ramps of 0.5 s and more, PMC8167342"),
    Rule("train_s", "train_ns", 10**9, 0.001, 1800, 15, "L: 5 to 15 s on, PMC8167342; pain relief is continuous"),
    Rule("rest_s", "rest_ns", 10**9, 0.25, 600, 1, "F: at least 1 s between trains; floor C: the hold-off"),
    Rule("duty_percent", "duty_ns", 600_000_000, 1, 100, 50, "L: 1:2 to 1:3, EGZOTech; of any minute"),
    Rule("trains_per_min", "trains_per_min", 1, 1, 60, 12, "L: 5 s on, 10 s off and slower, PMC8167342"),
    Rule("dose_mc", "dose_pc", 10**9, 0.001, 11_700, 300, "C: 65 µC, 100 Hz, 30 min; 12 µC, 40 Hz, 10 min"),
    Rule("session_min", "session_ns", 60 * 10**9, 0.01, 120, 30, "L: sessions of 20 to 40 min, twice a day"),
    Rule("net_charge_pc", "net_charge_pc", 1, 0, 0, 0, "T: P24 lets unbalanced pulses pass, up to 40 mA of d.c."),
)  # fmt: skip


class Limits(NamedTuple):
    """The limits in force, as integers, in the order of RULES; then what has no ceiling."""

    amplitude_ua: int
    pulse_width_us: int
    rate_mhz: int
    charge_pc: int
    density_ua_cm2: int
    power_uw_cm2: int
    total_rms_ua: int
    channels_at_once: int
    rise_ua_s: int
    train_ns: int
    rest_ns: int  # the only one that must not be fallen short of
    duty_ns: int  # in any minute
    trains_per_min: int
    dose_pc: int
    session_ns: int
    net_charge_pc: int
    channels: tuple[int, ...]  # 0-based, those that may be used at all
    area_mm2: int  # of the smallest electrode
    device: Capabilities = ANY  # what the stimulator can be told


class Fault(NamedTuple):
    """Why it trips: a limit passed, or what the loop found. `channel` is 0-based, -1 for none or all together."""

    reason: Reason
    value: int = 0
    limit: int = 0
    channel: int = -1


def violation(output: Output, limits: Limits) -> Fault | None:
    """The first limit that `output` is over, None if it is within all. Zero is within all."""
    channels_on = squares_ua2 = 0
    for channel, (amplitude_ua, pulse_width_us, period_us) in enumerate(output):
        if amplitude_ua == 0:
            continue
        if channel not in limits.channels:
            return Fault(Reason.LIMIT_CHANNEL, channel + 1, 0, channel)
        period_us = period_us or 1  # noqa: PLW2901 - none is a rate over any limit
        # Both phases equal: mean square = 2 x amplitude² x width / period. Values are rounded up, so that one is
        # over its limit exactly if the true one is.
        energy = 2 * amplitude_ua * amplitude_ua * pulse_width_us
        area_mm2 = limits.area_mm2
        for reason, value, limit in (
            (Reason.LIMIT_AMPLITUDE, amplitude_ua, limits.amplitude_ua),
            (Reason.LIMIT_PULSE_WIDTH, pulse_width_us, limits.pulse_width_us),
            (Reason.LIMIT_RATE, -(-(10**9) // period_us), limits.rate_mhz),
            (Reason.LIMIT_CHARGE, amplitude_ua * pulse_width_us, limits.charge_pc),
            (Reason.LIMIT_DENSITY, _root(energy * 10_000, period_us * area_mm2**2), limits.density_ua_cm2),
            (Reason.LIMIT_POWER, -(-energy * BODY_OHM // (10_000 * period_us * area_mm2)), limits.power_uw_cm2),
        ):  # fmt: skip
            if value > limit:
                return Fault(reason, value, limit, channel)
        channels_on += 1
        squares_ua2 += -(-energy // period_us)
    if channels_on > limits.channels_at_once:
        return Fault(Reason.LIMIT_CHANNELS_AT_ONCE, channels_on, limits.channels_at_once)
    total_ua = _root(squares_ua2, 1)
    if total_ua > limits.total_rms_ua:
        return Fault(Reason.LIMIT_TOTAL_RMS, total_ua, limits.total_rms_ua)
    return None


def _root(numerator: int, denominator: int) -> int:
    """The square root of a fraction, rounded up."""
    whole = -(-numerator // denominator)
    return isqrt(whole - 1) + 1 if whole else 0
