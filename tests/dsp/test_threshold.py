"""Thresholds from rest: robust, bounded below, and in proportion to the signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.threshold import MIN_RISE_NV, RestThreshold, rest_threshold


def rest(
    hops: int, mean_nv: float = 8000.0, sd_nv: float = 1000.0
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    values = np.random.default_rng(7).normal(mean_nv, sd_nv, hops)
    return values.clip(0).astype(np.int64)


def test_on_gaussian_rest_the_scale_is_the_standard_deviation() -> None:
    found = rest_threshold(rest(100_000))
    assert found.baseline_nv == pytest.approx(8000, rel=0.01)
    assert found.scale_nv == pytest.approx(1000, rel=0.02)
    assert found.on_nv == found.baseline_nv + 9 * found.scale_nv
    assert found.off_nv == found.baseline_nv + (9 * found.scale_nv * 65) // 100


def test_by_hand() -> None:
    # 0, 10, ... 990: median 500, 90th percentile 900, scale 400 / 1.2816 = 312.1.
    assert rest_threshold(list(range(0, 1000, 10))) == RestThreshold(
        on_nv=500 + 9 * 312, off_nv=500 + 1825, baseline_nv=500, scale_nv=312
    )


def test_a_few_bursts_of_any_strength_change_little() -> None:
    quiet = rest(20_000)
    burst = quiet.copy()
    burst[3000:4000] = 10**12  # 5 % of the span
    assert rest_threshold(burst).on_nv <= 1.3 * rest_threshold(quiet).on_nv


def test_silence_does_not_get_a_threshold_that_silence_meets() -> None:
    assert rest_threshold([0] * 100) == RestThreshold(MIN_RISE_NV, 162, 0, 0)


@given(st.lists(st.integers(0, 2**53), min_size=100, max_size=150), st.integers(1, 1000))
def test_in_order_and_in_proportion(envelope_nv: list[int], factor: int) -> None:
    small = rest_threshold(envelope_nv)
    assert 0 < small.off_nv < small.on_nv
    assert small.baseline_nv < small.off_nv
    if small.scale_nv > 1000 and max(envelope_nv) < 2**40:
        large = rest_threshold([factor * value for value in envelope_nv])
        assert large.on_nv == pytest.approx(factor * small.on_nv, rel=0.01)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([5] * 99, r"shape \(99,\), needs a row of at least 100"),
        ([[5] * 100], r"shape \(1, 100\)"),
        ([5.0] * 100, "rest is float64 from 5.0, must be integer nV"),
        ([True] * 100, "rest is bool"),
        ([5] * 99 + [-1], "from -1, must be integer nV, 0 or more"),
    ],
)
def test_what_is_not_rest_is_refused(wrong: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rest_threshold(wrong)
