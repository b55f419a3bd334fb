"""From rest and efforts to thresholds in four units."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dsp.blocks import Array
from dsp.calibration import LEAST_UV, Calibration, calibrate
from dsp.coefficients import ChainCoefficients
from dsp.critical import EQUAL_PER_MIN, MOST_RATIO
from dsp.cusum import FULL, Cusum
from dsp.design import ChainSpec, design
from dsp.measured import measure
from dsp.tail import SHORT_BLOCK_S

RATE_HZ = 1000


def spec(**more: Any) -> ChainCoefficients:
    return design(ChainSpec(**{"rate_mhz": RATE_HZ * 1000, "mains_hz": 50, **more}))


def noise(seconds: float, uv: float = 4.0, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(0, uv, round(seconds * RATE_HZ))


def whole(emg_uv: Array, coefficients: ChainCoefficients) -> tuple[tuple[int, int], ...]:
    return ((coefficients.settle_hops, len(emg_uv)),)


def calibrated(emg_uv: Array, **more: Any) -> Calibration:
    coefficients = spec(**more)
    return calibrate(measure(emg_uv, coefficients), whole(emg_uv, coefficients), (), coefficients)


@pytest.mark.parametrize("detector", ["cusum", "envelope"])
def test_a_critical_level_is_the_highest_threshold_at_which_the_block_fires(detector: str) -> None:
    emg_uv, coefficients = noise(20), spec(detector=detector)
    measured = measure(emg_uv, coefficients)
    found = calibrate(measured, whole(emg_uv, coefficients), (), coefficients)
    first = coefficients.settle_hops
    for block in range(0, len(found.critical_uv), 5):
        hops = slice(first + 500 * block, first + 500 * (block + 1))
        for factor, fires in ((0.97, True), (1.03, False)):
            on_nv = round(1000 * factor * found.critical_uv[block])
            if coefficients.cusum:
                cusum, fired, before = Cusum(found.fit(coefficients), 1), [], False
                for energy in measured.energy_uv2[first : hops.stop]:
                    full = bool(cusum.run(np.array([energy]), (on_nv,))[0] >= FULL)
                    fired.append(full and not before)
                    before = full
                assert any(fired[-500:]) is fires
            else:
                assert bool((measured.envelope_nv[hops] >= on_nv).any()) is fires


def test_the_four_units_mean_what_they_say() -> None:
    found = Calibration(critical_uv=tuple(np.linspace(2.0, 4.0, 101)), relaxed_uv=3.0, mvc_uv=200.0)
    assert found.on_uv("uv", 7.0) == 7.0
    assert found.on_uv("percent_mvc", 10.0) == 20.0
    assert found.on_uv("scales", 3.0) == pytest.approx(3.0 + 3 * 0.8 / 1.2816)
    assert found.tail.false_per_min(found.on_uv("false_per_min", 0.5)) == pytest.approx(0.5)
    assert found.off_uv(7.0) == 3.0
    assert found.off_uv(2.5) == 2.5
    assert Calibration.from_dict(found.to_dict()) == found
    with_speeds = replace(found, ratios=(1.0, 1.3))
    assert Calibration.from_dict(with_speeds.to_dict()) == with_speeds


def test_no_threshold_is_one_that_silence_meets() -> None:
    found = Calibration(critical_uv=tuple(np.linspace(0.01, 0.02, 40)), relaxed_uv=0.001)
    assert found.on_uv("false_per_min", 1.0) == LEAST_UV
    assert found.off_uv(LEAST_UV) == LEAST_UV / 2


def test_percent_of_mvc_needs_an_effort() -> None:
    with pytest.raises(ValueError, match="needs an effort"):
        Calibration(critical_uv=tuple(np.linspace(2, 4, 40)), relaxed_uv=3.0).on_uv(
            "percent_mvc", 10
        )


def test_the_mvc_is_the_strongest_half_second() -> None:
    emg_uv = np.concatenate([noise(20), noise(1, 50.0), noise(1, 100.0), noise(1, 60.0)])
    coefficients = spec()
    found = calibrate(
        measure(emg_uv, coefficients),
        ((300, 20_000),),
        ((20_000, 23_000), (1000, 1200)),
        coefficients,
    )
    band = np.sqrt((450 - 20) / 500)  # of white noise
    assert found.mvc_uv == pytest.approx(100 * band, rel=0.1)


@pytest.mark.slow
def test_a_few_bursts_in_the_rest_do_not_run_away_with_the_threshold() -> None:
    calm = noise(60)
    bursts = calm.copy()
    bursts[9000:9200] *= 30
    level = [calibrated(emg_uv).on_uv("false_per_min", 0.2) for emg_uv in (calm, bursts)]
    assert 0.9 * level[0] < level[1] < 1.15 * level[0]


def test_thresholds_follow_the_scale() -> None:
    plain, scaled = (
        calibrated(factor * noise(20)).on_uv("false_per_min", 0.5) for factor in (1.0, 8.0)
    )
    assert scaled == pytest.approx(8 * plain, rel=1e-3)


def spikes(seconds: float, per_s: float = 4.0) -> Array:
    """A unit that fires by itself: single spikes of 12 s.d. of the noise around them."""
    rng = np.random.default_rng(3)
    out = noise(seconds)
    at = np.cumsum(rng.exponential(RATE_HZ / per_s, round(seconds * per_s))).astype(int)
    out[at[at < len(out)]] += 48.0
    return out


@pytest.mark.slow
def test_the_fast_speed_stands_aside_where_rest_has_spikes() -> None:
    """In Gaussian noise at what that asks, with spikes higher: else it alone would set the threshold."""
    (slow, gaussian), (first, spiky) = calibrated(noise(120)).ratios, calibrated(spikes(120)).ratios
    assert slow == first == 1.0
    assert 1.25 <= gaussian < 1.35
    assert gaussian + 0.1 < spiky <= MOST_RATIO
    assert calibrated(noise(30), detector="envelope").ratios == ()


@pytest.mark.slow
def test_both_speeds_are_then_equally_rare() -> None:
    """The unit of account is the pair: as its slow speed alone would have it, half as rare."""
    coefficients, emg_uv = spec(), spikes(120)
    measured, rest = measure(emg_uv, coefficients), whole(emg_uv, coefficients)
    pair = calibrate(measured, rest, (), coefficients)
    slow = replace(coefficients, cusum=coefficients.cusum[:1])
    alone = calibrate(measured, rest, (), slow).on_uv("false_per_min", EQUAL_PER_MIN)
    assert 0.97 * alone < pair.on_uv("false_per_min", EQUAL_PER_MIN) < 1.2 * alone


def test_a_rest_fits_only_a_chain_of_as_many_speeds() -> None:
    coefficients = spec()
    found = calibrated(noise(20))
    assert [speed[0] for speed in found.fit(coefficients).cusum] == list(found.ratios)
    assert [speed[1:] for speed in found.fit(coefficients).cusum] == [
        s[1:] for s in coefficients.cusum
    ]
    with pytest.raises(ValueError, match="2 ratios for 0 speeds of the CUSUM: calibrate again"):
        found.fit(spec(detector="envelope"))


@pytest.mark.parametrize(
    ("emg_uv", "says"),
    [(noise(5), "must be at least 6 s"), (np.zeros(20_000), "must be at least 6 s")],
    ids=["short", "flat"],
)
def test_what_is_no_rest_is_refused(emg_uv: Array, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        calibrated(emg_uv)


def test_blocks_with_a_hop_that_is_no_measurement_do_not_count() -> None:
    emg_uv = noise(20)
    emg_uv[10_000] = np.nan
    assert len(calibrated(emg_uv).critical_uv) < len(calibrated(noise(20)).critical_uv)


def test_short_blocks_let_half_as_much_rest_do() -> None:
    emg_uv, coefficients = noise(5), spec()
    measured, rest = measure(emg_uv, coefficients), whole(emg_uv, coefficients)
    found = calibrate(measured, rest, (), coefficients, SHORT_BLOCK_S)
    assert found.block_s == SHORT_BLOCK_S
    assert found.on_uv("false_per_min", 1.0) > calibrated(noise(60)).on_uv("false_per_min", 1.0)
    with pytest.raises(ValueError, match="must be at least 3 s"):
        calibrate(measured, ((300, 2000),), (), coefficients, SHORT_BLOCK_S)


def test_it_tells_how_far_it_is() -> None:
    told: list[int] = []
    measure(noise(9), spec(), told.append)
    assert told == [4096, 8192]
