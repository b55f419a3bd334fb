"""The rate of false triggers that a rest promises, against exponential tails whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.tail import BLOCK_S, LEAST_BLOCKS, Tail


def critical(blocks: int, scale: float, seed: int) -> list[float]:
    """Critical levels whose logarithms are exponential above 0: the model itself."""
    logs = np.random.default_rng(seed).exponential(scale, blocks)
    return [float(uv) for uv in np.exp(logs)]


def test_by_hand() -> None:
    """Twelve blocks: the upper four are 1, 2, 3 and 4 above the eighth, in logarithms; none is censored."""
    tail = Tail.of([math.exp(y) for y in [-3, -2.5, -2, -1.5, -1, -0.5, -0.2, 0, 1, 2, 3, 4]])
    assert (tail.blocks, tail.above, tail.seen) == (12, 4, 4)
    assert tail.from_log == pytest.approx(0)
    assert tail.total_log == pytest.approx(10)
    assert tail.false_per_min(1.0) == pytest.approx(40)
    assert tail.false_per_min(math.exp(10)) == pytest.approx(40 / 2**4)
    assert tail.level_uv(40 / 2**4) == pytest.approx(math.exp(10))
    assert tail.false_per_min(0.01) == 40  # below the tail there is nothing to say


def test_the_largest_in_twenty_count_only_as_above_the_others() -> None:
    calm = critical(60, 0.1, 1)
    bursts = [*sorted(calm)[:-3], 50.0, 500.0, 5000.0]
    assert Tail.of(bursts) == Tail.of([*sorted(calm)[:-3], 50.0, 51.0, 52.0])
    assert Tail.of(bursts).level_uv(1.0) < 1.1 * Tail.of(calm).level_uv(1.0)
    four = sorted(calm)[:-4] + [50.0] * 4
    assert Tail.of(four).level_uv(1.0) > 2 * Tail.of(calm).level_uv(1.0)


@pytest.mark.parametrize("blocks", [40, 120, 600])
@pytest.mark.parametrize("rate", [10.0, 1.0, 0.2])
def test_on_average_it_promises_what_comes(blocks: int, rate: float) -> None:
    """Averaged over rests, the true rate at the level chosen for a rate is that rate, or less."""
    true = [
        60
        / BLOCK_S
        * math.exp(-math.log(Tail.of(critical(blocks, 0.1, seed)).level_uv(rate)) / 0.1)
        for seed in range(400)
    ]
    assert 0.6 * rate < np.mean(true) < 1.25 * rate


@pytest.mark.parametrize("level", [1.5, 2.0])
def test_nine_intervals_in_ten_hold_the_true_rate(level: float) -> None:
    true = 60 / BLOCK_S * math.exp(-math.log(level) / 0.1)
    held = 0
    for seed in range(400):
        low, high = Tail.of(critical(300, 0.1, seed)).interval_per_min(level)
        held += low <= true <= high
    assert 0.78 < held / 400 < 0.97


def test_less_rest_asks_for_more() -> None:
    level = [
        np.mean([Tail.of(critical(n, 0.1, s)).level_uv(0.2) for s in range(100)])
        for n in (12, 60, 600)
    ]
    assert level[0] > level[1] > level[2]


@given(
    st.lists(st.floats(0.5, 50), min_size=LEAST_BLOCKS, max_size=200, unique=True),
    st.floats(0.02, 8),
    st.integers(-4, 4),
)
def test_level_and_rate_are_inverse_and_follow_the_scale(
    uv: list[float], rate: float, power: int
) -> None:
    tail = Tail.of(uv)
    level = tail.level_uv(rate)
    assert tail.false_per_min(level) == pytest.approx(rate, rel=1e-6)
    low, high = tail.interval_per_min(level)
    assert low <= high
    assert Tail.of([v * 2.0**power for v in uv]).level_uv(rate) == pytest.approx(
        level * 2.0**power, rel=1e-9
    )
    assert tail.false_per_min(level * 1.1) < rate


@pytest.mark.parametrize(
    ("uv", "says"),
    [
        ([1.0] * (LEAST_BLOCKS - 1), "must be at least 6 s"),
        ([0.0] * 40, "silent"),
        ([2.0] * 40, "the same"),
    ],
)
def test_what_is_no_rest_is_refused(uv: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Tail.of(uv)
