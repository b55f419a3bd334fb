"""Every limit reached exactly and passed by one code, on every channel, through `step`.

A case narrows one limit of an otherwise roomy set, leads a guard up to it or one code over it, and says what the
trip must then read.
"""

from collections.abc import Callable
from itertools import product

import pytest

from nmesd.drivers.base import Given
from nmesd.errors import Reason
from nmesd.guard.limits import RULES, Fault, Limits
from nmesd.guard.tally import MINUTE_NS
from nmesd.units import NS_PER_S
from nmesd.wire import CHANNELS, ZERO, ChannelOutput
from tests.guard.scene import NOW, A, Course, on, on_all

ROOMY = Limits(
    amplitude_ua=10**6,
    pulse_width_us=10**5,
    rate_mhz=10**9,
    charge_pc=10**12,
    density_ua_cm2=10**9,
    power_uw_cm2=10**12,
    total_rms_ua=10**9,
    channels_at_once=8,
    rise_ua_s=10**9,
    train_ns=10**15,
    rest_ns=0,
    duty_ns=10**15,
    trains_per_min=10**9,
    dose_pc=10**15,
    session_ns=10**15,
    net_charge_pc=0,
    channels=tuple(range(CHANNELS)),
    area_mm2=100,
)
# 2 x 250 µs in 32 ms: the mean square is 1/64 of the square, so the r.m.s. of 16 mA is 2 mA, without a remainder.
EIGHTH = ChannelOutput(16_000, 250, 32_000)
PULSE_PC = 16_000 * 250

Case = Callable[
    [int, int], tuple[Course, Fault]
]  # channel, codes over -> the guard there, the trip
CASES: dict[str, Case] = {}


def case(key: str) -> Callable[[Case], Case]:
    return lambda made: CASES.setdefault(key, made)


def narrowed(**narrow: int) -> Limits:
    """Roomy but for these."""
    return Limits(**{**ROOMY._asdict(), **narrow})


def armed(**narrow: int) -> Course:
    course = Course(narrowed(**narrow))
    course.arm()
    return course


@case("amplitude_ma")
def amplitude(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(amplitude_ua=16_000)
    course.lease(on(channel, EIGHTH._replace(amplitude_ua=16_000 + over)))
    return course, Fault(Reason.LIMIT_AMPLITUDE, 16_001, 16_000, channel)


@case("pulse_width_us")
def pulse_width(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(pulse_width_us=250)
    course.lease(on(channel, EIGHTH._replace(pulse_width_us=250 + over)))
    return course, Fault(Reason.LIMIT_PULSE_WIDTH, 251, 250, channel)


@case("rate_hz")
def rate(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(rate_mhz=50_000)
    course.lease(on(channel, EIGHTH._replace(period_us=20_000 - over)))
    return course, Fault(Reason.LIMIT_RATE, 50_003, 50_000, channel)  # 10^9 / 19 999, rounded up


@case("charge_uc")
def charge(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(charge_pc=PULSE_PC - over)
    course.lease(on(channel, EIGHTH))
    return course, Fault(Reason.LIMIT_CHARGE, PULSE_PC, PULSE_PC - 1, channel)


@case("density_ma_cm2")
def density(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(density_ua_cm2=2000)
    course.lease(on(channel, EIGHTH._replace(amplitude_ua=16_000 + over)))
    return course, Fault(Reason.LIMIT_DENSITY, 2001, 2000, channel)


@case("power_mw_cm2")
def power(channel: int, over: int) -> tuple[Course, Fault]:
    # (2 mA)² x 500 Ohm on 1 cm² is 2 mW/cm²
    course = armed(power_uw_cm2=2000)
    course.lease(on(channel, EIGHTH._replace(amplitude_ua=16_000 + over)))
    return course, Fault(Reason.LIMIT_POWER, 2001, 2000, channel)


@case("total_rms_ma")
def total_rms(channel: int, over: int) -> tuple[Course, Fault]:
    # four channels of 2 mA are 4 mA together
    course = armed(total_rms_ua=4000)
    output = list(on_all(*((channel + n) % CHANNELS for n in range(4)), one=EIGHTH))
    output[channel] = EIGHTH._replace(amplitude_ua=16_000 + over)
    course.lease(tuple(output))
    return course, Fault(Reason.LIMIT_TOTAL_RMS, 4001, 4000)


@case("channels_at_once")
def channels_at_once(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(channels_at_once=2)
    course.lease(on_all(*((channel + n) % CHANNELS for n in range(2 + over)), one=EIGHTH))
    return course, Fault(Reason.LIMIT_CHANNELS_AT_ONCE, 3, 2)


@case("rise_ma_s")
def rise(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(rise_ua_s=60_000)
    course.lease(on(channel, EIGHTH._replace(amplitude_ua=6000 + over)))
    return course, Fault(Reason.LIMIT_RISE, 6001, 6000, channel)


@case("train_s")
def train(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(train_ns=15 * NS_PER_S)
    course.lease(on(channel, EIGHTH))
    course.hold(NOW + 15 * NS_PER_S + over)
    return course, Fault(Reason.LIMIT_TRAIN, 15 * NS_PER_S + 1, 15 * NS_PER_S, channel)


@case("rest_s")
def rest(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(rest_ns=NS_PER_S)
    course.lease(on(channel, EIGHTH))
    course.hold(NOW + NS_PER_S)
    course.lease(ZERO)
    course.hold(NOW + 2 * NS_PER_S - over)
    course.lease(on(channel, EIGHTH))
    return course, Fault(Reason.LIMIT_REST, NS_PER_S - 1, NS_PER_S, channel)


@case("duty_percent")
def duty(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(duty_ns=12 * NS_PER_S)
    for begin_s, end_s in ((0, 5), (10, 14), (20, 23)):
        course.hold(NOW + begin_s * NS_PER_S)
        course.lease(on(channel, EIGHTH))
        course.hold(NOW + end_s * NS_PER_S + over * (begin_s == 20))
        course.lease(ZERO)
    return course, Fault(Reason.LIMIT_DUTY, 12 * NS_PER_S + 1, 12 * NS_PER_S, channel)


@case("trains_per_min")
def trains(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(trains_per_min=3)
    for begin_ns in (0, 2 * NS_PER_S, 4 * NS_PER_S, MINUTE_NS - over):
        course.hold(NOW + begin_ns)
        course.lease(on(channel, EIGHTH))
        course.hold(NOW + begin_ns + NS_PER_S * (begin_ns < MINUTE_NS - over))
        if begin_ns < MINUTE_NS - over:
            course.lease(ZERO)
    return course, Fault(Reason.LIMIT_TRAINS, 4, 3, channel)


@case("dose_mc")
def dose(channel: int, over: int) -> tuple[Course, Fault]:
    # what was given, and the next pulse
    course = armed(dose_pc=10 * PULSE_PC)
    course.lease(on(channel, EIGHTH))
    course.give(Given(4, 4 * PULSE_PC, 0, NOW))
    course.give(Given(5, 5 * PULSE_PC + over, 0, NOW))
    return course, Fault(Reason.LIMIT_DOSE, 10 * PULSE_PC + 1, 10 * PULSE_PC)


@case("session_min")
def session(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed(session_ns=60 * NS_PER_S)
    course.lease(on(channel, EIGHTH))
    course.hold(NOW + 60 * NS_PER_S + over)
    return course, Fault(Reason.LIMIT_SESSION, 60 * NS_PER_S + 1, 60 * NS_PER_S)


@case("net_charge_pc")
def net_charge(channel: int, over: int) -> tuple[Course, Fault]:
    course = armed()
    course.lease(on(channel, EIGHTH))
    course.give(Given(1, PULSE_PC, -over, NOW))
    return course, Fault(Reason.LIMIT_BALANCE, -1, 0)


def test_every_rule_has_its_boundary() -> None:
    assert list(CASES) == [rule.key for rule in RULES]


@pytest.mark.parametrize(("key", "channel"), list(product(CASES, range(CHANNELS))))
def test_a_limit_may_be_reached(key: str, channel: int) -> None:
    course, _ = CASES[key](channel, 0)
    assert course.state.state is A, course.state.trip
    before = course.state.output
    assert course.give(None).output == before
    assert course.state.trip is None


@pytest.mark.parametrize(("key", "channel"), list(product(CASES, range(CHANNELS))))
def test_a_limit_may_not_be_passed_by_one_code(key: str, channel: int) -> None:
    course, fault = CASES[key](channel, 1)
    assert course.trip() == fault
    assert course.lease(on(channel, EIGHTH)).output == ZERO


def test_a_channel_that_is_not_listed_may_not_be_used_at_all() -> None:
    for channel in range(CHANNELS):
        course = Course(ROOMY._replace(channels=tuple(c for c in range(CHANNELS) if c != channel)))
        course.arm()
        others = on_all(*course.limits.channels, one=EIGHTH)
        assert course.lease(others).output == others
        course.lease((*others[:channel], ChannelOutput(1, 1, 10**6), *others[channel + 1 :]))
        assert course.trip() == Fault(Reason.LIMIT_CHANNEL, channel + 1, 0, channel)


def test_a_limit_of_net_charge_is_reported_with_the_value() -> None:
    for net_pc in (5, -5):
        course = armed(net_charge_pc=5)
        course.lease(on(0, EIGHTH))
        assert course.give(Given(1, PULSE_PC, net_pc, NOW)).state is A
        over = net_pc + (1 if net_pc > 0 else -1)
        course.give(Given(1, PULSE_PC, over, NOW))
        assert course.trip() == Fault(Reason.LIMIT_BALANCE, over, 5)


def test_net_charge_counts_whatever_its_sign() -> None:
    for net_pc in (1, -1, 10**9):
        course = armed()
        course.lease(on(0, EIGHTH))
        course.give(Given(1, PULSE_PC, net_pc, NOW))
        assert course.trip() == Fault(Reason.LIMIT_BALANCE, net_pc, 0)
