"""The limits of one output: what is computed from it, against formulas that are written another way."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.errors import Reason
from nmesd.guard.limits import Fault, Limits, violation
from nmesd.wire import ANY, CHANNELS, ZERO, ChannelOutput, Output
from tests.guard.scene import ARMED, GIVING, LIMITS, SILENT, WIDEST, A, T, do, on, on_all
from tests.guard.test_boundaries import EIGHTH, ROOMY, narrowed

# As the ceilings are: what can come this far.
amplitudes = st.integers(1, 130_000)
widths = st.integers(1, 500)
periods = st.integers(10_000, 1_000_000)
areas = st.integers(50, 40_000)


def rms_ma(one: ChannelOutput) -> float:
    """I x sqrt(2 x PW x f), as in the facts page; both phases equal."""
    seconds, hertz = one.pulse_width_us / 1e6, 1e6 / one.period_us
    return one.amplitude_ua / 1e3 * math.sqrt(2 * seconds * hertz)


def value(output: Output, limits: Limits) -> int:
    """What is computed, out of a refusal; 0 if it is."""
    fault = violation(output, limits)
    return fault.value if fault else 0


@given(amplitudes, widths, periods, areas)
def test_density_is_r_m_s_current_over_area(amp: int, width: int, period: int, area: int) -> None:
    one = ChannelOutput(amp, width, period)
    per_cm2 = rms_ma(one) * 1e3 / (area / 100)
    assert value(on(0, one), ROOMY._replace(density_ua_cm2=0, area_mm2=area)) == pytest.approx(
        per_cm2, rel=1e-9, abs=1
    )


@given(amplitudes, widths, periods, areas)
def test_power_is_r_m_s_current_squared_into_500_ohm_over_area(
    amp: int, width: int, period: int, area: int
) -> None:
    one = ChannelOutput(amp, width, period)
    per_cm2 = (rms_ma(one) / 1e3) ** 2 * 500 * 1e6 / (area / 100)
    assert value(on(0, one), ROOMY._replace(power_uw_cm2=0, area_mm2=area)) == pytest.approx(
        per_cm2, rel=1e-9, abs=1
    )


@given(st.lists(st.builds(ChannelOutput, amplitudes, widths, periods), min_size=1, max_size=8))
def test_total_rms_is_the_root_of_the_sum_of_squares(ones: list[ChannelOutput]) -> None:
    output = (*ones, *ZERO[len(ones) :])
    together = math.sqrt(sum(rms_ma(one) ** 2 for one in ones)) * 1e3
    # each channel's square is rounded up
    assert value(output, ROOMY._replace(total_rms_ua=0)) == pytest.approx(
        together, rel=1e-9, abs=1 + len(ones)
    )


@given(amplitudes, widths, periods, areas, st.integers(0, 3000), st.integers(0, 250_000))
def test_refused_exactly_if_the_true_value_is_over(
    amp: int, width: int, period: int, area: int, density: int, power: int
) -> None:
    square = Fraction(2 * amp * amp * width, period)  # µA², exactly
    per_cm2 = Fraction(100, area)
    limits = ROOMY._replace(area_mm2=area)
    output = on(0, ChannelOutput(amp, width, period))
    dense = violation(output, limits._replace(density_ua_cm2=density))
    assert (dense is not None) == (square * per_cm2**2 > density**2)
    hot = violation(output, limits._replace(power_uw_cm2=power))
    assert (hot is not None) == (square * 500 * per_cm2 / 10**6 > power)
    rms = violation(output, limits._replace(total_rms_ua=density))
    assert (rms is not None) == (square > density**2)


# The page of facts, C.1: I, PW, f, r.m.s. in mA, smallest area at 2 mA/cm² and at 0.1 W/cm², as rounded there.
PAGE = [
    (130, 500, 50, 29.1, 14.5, 4.2),
    (100, 400, 50, 20.0, 10.0, 2.0),
    (60, 300, 40, 9.3, 4.6, 0.4),
    (30, 250, 35, 4.0, 2.0, 0.1),
]


@pytest.mark.parametrize("row", PAGE)
def test_the_smallest_areas_are_those_of_the_facts_page(row: tuple[float, ...]) -> None:
    amplitude_ma, width_us, rate_hz, rms, for_density, for_power = row
    one = ChannelOutput(round(amplitude_ma * 1000), round(width_us), round(1e6 / rate_hz))
    assert rms_ma(one) == pytest.approx(rms, abs=0.1)

    def smallest_mm2(limits: Limits) -> int:
        fits = (a for a in range(1, 2000) if not violation(on(0, one), limits._replace(area_mm2=a)))
        return next(fits)

    assert smallest_mm2(ROOMY._replace(density_ua_cm2=2000)) / 100 == pytest.approx(
        for_density, abs=0.06
    )
    assert smallest_mm2(ROOMY._replace(power_uw_cm2=100_000)) / 100 == pytest.approx(
        for_power, abs=0.06
    )


@pytest.mark.parametrize(
    ("one", "area_mm2"),
    [
        (EIGHTH._replace(pulse_width_us=251), 100),
        (EIGHTH._replace(period_us=31_999), 100),
        (EIGHTH, 99),
    ],
    ids=["width", "period", "area"],
)
def test_one_code_of_width_period_or_area_is_over_too(one: ChannelOutput, area_mm2: int) -> None:
    for narrow in ({"density_ua_cm2": 2000}, {"power_uw_cm2": 2000}):
        limits = narrowed(**narrow)
        assert violation(on(0, EIGHTH), limits) is None
        assert violation(on(0, one), limits._replace(area_mm2=area_mm2)) is not None


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_no_period_is_let_through_that_is_faster_than_the_rate(mhz: int, period_us: int) -> None:
    limits = ROOMY._replace(rate_mhz=mhz)
    over = violation(on(0, ChannelOutput(1, 1, period_us)), limits)
    assert (over is None) == (period_us * mhz >= 10**9)
    if over is not None:
        assert over.reason is Reason.LIMIT_RATE
        assert over.value > over.limit == mhz


def test_no_period_at_all_is_a_rate_over_any_limit() -> None:
    most = 100_000  # the ceiling, in mHz
    over = violation(on(0, ChannelOutput(1, 1, 0)), ROOMY._replace(rate_mhz=most))
    assert over == Fault(Reason.LIMIT_RATE, 10**9, most, 0)


def test_every_channel_is_judged_by_itself() -> None:
    for good, bad in ((0, 3), (3, 0)):
        output = list(on_all(good, one=WIDEST))
        output[bad] = WIDEST._replace(amplitude_ua=30_001)
        trip = do(ARMED, GIVING._replace(output=tuple(output))).trip
        assert trip == Fault(Reason.LIMIT_AMPLITUDE, 30_001, 30_000, bad)


def test_all_limits_may_be_reached_together_on_every_channel_allowed() -> None:
    for channel in range(CHANNELS):
        allowed = channel in LIMITS.channels
        over = violation(on(channel, WIDEST), LIMITS)
        assert (over is None) == allowed
        assert do(ARMED, GIVING._replace(output=on(channel, WIDEST))).state is (A if allowed else T)
    both = on_all(*LIMITS.channels, one=WIDEST)
    assert do(ARMED, GIVING._replace(output=both)).output == both


def test_zero_is_within_all_limits_whatever_stands_beside_it() -> None:
    odd = (ChannelOutput(0, 2**32 - 1, 0),) * CHANNELS
    none = Limits(**dict.fromkeys(Limits._fields[:16], 0), channels=(), area_mm2=1, device=ANY)
    assert violation(odd, none) is None
    assert do(ARMED, SILENT._replace(output=odd)).state is A


def test_the_largest_codes_of_the_wire_are_refused_without_overflow() -> None:
    most = 2**32 - 1
    for one in (ChannelOutput(most, most, 1), ChannelOutput(most, 1, most)):
        over = violation(on(0, one), LIMITS)
        assert over == Fault(Reason.LIMIT_AMPLITUDE, most, 30_000, 0)
    wide = violation(on(0, ChannelOutput(1, most, most)), LIMITS)
    assert wide == Fault(Reason.LIMIT_PULSE_WIDTH, most, 400, 0)
