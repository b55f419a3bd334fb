"""From rest and efforts to thresholds in four units."""

from typing import Any

import numpy as np
import pytest

from dsp.blocks import Array
from dsp.calibration import LEAST_UV, Calibration, calibrate, measure
from dsp.coefficients import ChainCoefficients
from dsp.cusum import FULL, Cusum
from dsp.design import ChainSpec, design

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
                cusum, fired, before = Cusum(coefficients, 1), [], False
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


def test_a_few_bursts_in_the_rest_do_not_run_away_with_the_threshold() -> None:
    calm = noise(30)
    bursts = calm.copy()
    bursts[9000:9200] *= 30
    level = [calibrated(emg_uv).on_uv("false_per_min", 0.2) for emg_uv in (calm, bursts)]
    assert level[0] <= level[1] < 1.15 * level[0]


def test_thresholds_follow_the_scale() -> None:
    plain, scaled = (
        calibrated(factor * noise(20)).on_uv("false_per_min", 0.5) for factor in (1.0, 8.0)
    )
    assert scaled == pytest.approx(8 * plain, rel=1e-3)


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
