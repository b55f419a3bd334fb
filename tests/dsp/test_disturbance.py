"""Each disturbance is told by its name, in time, no longer than it lasts and settles; EMG is none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.blocks import Array
from dsp.chain import Chain
from dsp.design import WATCH_MS, ChainSpec, design
from dsp.hops import HopCutter
from dsp.quality import CLIPPED, HEART, LEAD_OFF, MAINS, MOVEMENT, NON_FINITE, POP, SETTLING

RATES_HZ = (250, 1000, 4000)
SECONDS, FROM_S, TO_S = 9.0, 3.0, 6.0
ON_UV = 12.0
RAIL_UV = 187_500.0
Flags = NDArray[np.int64]


def rest(rate_hz: int, uv: float = 4.0) -> Array:
    return np.random.default_rng(1).normal(0, uv, round(SECONDS * rate_hz)) + 20_000.0


def during(rate_hz: int) -> slice:
    return slice(round(FROM_S * rate_hz), round(TO_S * rate_hz))


def flags(emg_uv: Array, rate_hz: int, **more: Any) -> Flags:
    spec = ChainSpec(**{"rate_mhz": rate_hz * 1000, "mains_hz": 50, "rail_uv": RAIL_UV, **more})
    coefficients = design(spec)
    chain, cutter = Chain(coefficients, 1), HopCutter(coefficients.hop_samples, 1)
    on_nv, off_nv = (round(1000 * ON_UV),), (round(700 * ON_UV),)
    values = [chain.run(hop, on_nv, off_nv) for hop in cutter.cut(emg_uv[:, None])]
    assert not any(value.attempt[0] or value.active[0] for value in values if value.flags)
    return np.array([value.flags for value in values], dtype=np.int64)


def seconds(told: Flags) -> Array:
    return np.asarray(np.flatnonzero(told) * SECONDS / len(told))


def hum(rate_hz: int, uv: float) -> Array:
    t = np.arange(round(SECONDS * rate_hz))[during(rate_hz)] / rate_hz
    return np.asarray(uv * np.sqrt(2) * np.sin(2 * np.pi * 50.1 * t))


def sway(rate_hz: int, uv: float) -> Array:
    t = np.arange(round(SECONDS * rate_hz))[during(rate_hz)] / rate_hz
    return np.asarray(uv * np.sqrt(2) * np.sin(2 * np.pi * 1.5 * t))


DISTURBANCES: dict[int, Callable[[int, float], Array]] = {MAINS: hum, MOVEMENT: sway}


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize(("flag", "uv", "soon_s"), [(MAINS, 200.0, 0.3), (MOVEMENT, 2000.0, 0.5)])
def test_it_is_told_while_it_lasts_and_a_settle_time_longer(
    flag: int, uv: float, soon_s: float, rate_hz: int
) -> None:
    emg_uv = rest(rate_hz)
    emg_uv[during(rate_hz)] += DISTURBANCES[flag](rate_hz, uv)
    told = seconds(flags(emg_uv, rate_hz) & flag)
    assert FROM_S < told[0] < FROM_S + soon_s
    assert TO_S + WATCH_MS / 1000 - 0.1 < told[-1] < TO_S + WATCH_MS / 1000 + 2.0
    assert np.diff(told).max() < 0.01


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize(("flag", "uv"), [(MAINS, 9.0), (MOVEMENT, 300.0)])
def test_a_little_of_it_is_nobody_s_business(flag: int, uv: float, rate_hz: int) -> None:
    emg_uv = rest(rate_hz)
    emg_uv[during(rate_hz)] += DISTURBANCES[flag](rate_hz, uv)
    assert not (flags(emg_uv, rate_hz) & flag).any()


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("uv", [15.0, 100.0, 2000.0])
@pytest.mark.parametrize("rise_s", [0.01, 0.1])
def test_an_attempt_is_no_disturbance(rise_s: float, uv: float, rate_hz: int) -> None:
    t = np.arange(round(SECONDS * rate_hz)) / rate_hz
    strength = np.clip((t - FROM_S) / rise_s, 0, 1) * (t < TO_S)
    emg_uv = rest(rate_hz) + strength * np.random.default_rng(2).normal(0, uv, len(t))
    assert set(flags(emg_uv, rate_hz).tolist()) == {0, SETTLING}


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_lead_that_comes_off_is_told_at_once(rate_hz: int) -> None:
    emg_uv = rest(rate_hz)
    emg_uv[round(FROM_S * rate_hz) :] -= 180_000.0
    told = seconds(flags(emg_uv, rate_hz) & LEAD_OFF)
    assert FROM_S < told[0] < FROM_S + 0.1
    emg_uv = rest(rate_hz)
    emg_uv[round(FROM_S * rate_hz) :] -= 90_000.0  # electrodes may differ by that much
    assert not (flags(emg_uv, rate_hz) & LEAD_OFF).any()


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_pop_out_of_quiet_starts_nothing(rate_hz: int) -> None:
    emg_uv = rest(rate_hz)
    emg_uv[round(FROM_S * rate_hz)] += 20_000.0
    told = flags(emg_uv, rate_hz) & POP
    assert FROM_S <= seconds(told)[0] <= FROM_S + 0.01
    assert seconds(told)[-1] == pytest.approx(FROM_S + WATCH_MS / 1000, abs=0.02)


def beats(rate_hz: int, gaps_s: list[float]) -> Array:
    emg_uv = rest(rate_hz)
    wave = 150.0 * np.sin(2 * np.pi * 60 * np.arange(round(0.05 * rate_hz)) / rate_hz)
    for at_s in FROM_S + np.cumsum(gaps_s):
        first = round(at_s * rate_hz)
        emg_uv[first : first + len(wave)] += wave
    return emg_uv


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_heart_is_told_after_five_beats_and_attempts_are_none(rate_hz: int) -> None:
    told = seconds(flags(beats(rate_hz, [0.0, 0.8, 0.85, 0.78, 0.82, 0.8]), rate_hz) & HEART)
    fifth_s = FROM_S + 0.8 + 0.85 + 0.78 + 0.82
    assert fifth_s < told[0] < fifth_s + 0.3
    for gaps_s in (
        [0.0, 0.8, 0.85, 0.78],
        [0.0, 0.8, 1.4, 0.6, 0.9, 1.3],
        [0.0, 1.6, 1.6, 1.6],
    ):
        assert not (flags(beats(rate_hz, gaps_s), rate_hz) & HEART).any()


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_attempts_as_regular_as_a_heart_are_none(rate_hz: int) -> None:
    """They last."""
    emg_uv = rest(rate_hz)
    wave = 100.0 * np.random.default_rng(3).standard_normal(round(0.5 * rate_hz))
    for at_s in np.arange(1.5, 8.3, 1.2):
        emg_uv[round(at_s * rate_hz) :][: len(wave)] += wave
    assert not (flags(emg_uv, rate_hz) & HEART).any()


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_hum_that_the_threshold_knows_of_is_nobody_s_business(rate_hz: int) -> None:
    """Strong as it is: what the notch leaves of it lies well below the threshold."""
    t = np.arange(round(SECONDS * rate_hz)) / rate_hz
    emg_uv = rest(rate_hz, 1.0) + 60.0 * np.sqrt(2) * np.sin(2 * np.pi * 50.1 * t)
    assert not (flags(emg_uv, rate_hz) & MAINS).any()


def test_the_share_of_hum_is_known() -> None:
    chain = Chain(design(ChainSpec(rate_mhz=1_000_000, mains_hz=0)), 1)
    t = np.arange(3000) / 1000
    noise = np.random.default_rng(4).normal(0, 4, len(t))
    for uv, low, high in ((0.0, 0.0, 0.1), (4.0, 0.3, 0.7), (40.0, 0.9, 1.1)):
        chain.restart()
        for sample in noise + uv * np.sqrt(2) * np.sin(2 * np.pi * 50 * t):
            chain.run(np.array([[sample]]), (2**53,), (2**53,))
        assert low <= chain.hum_share <= high
    assert Chain(replace(design(ChainSpec(rate_mhz=1_000_000)), watch_hops=0), 1).hum_share == 0.0


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_clipping_is_three_touches_in_a_tenth_of_a_second(rate_hz: int) -> None:
    def touched(at_s: list[float]) -> Array:
        emg_uv = rest(rate_hz)
        for s in at_s:
            emg_uv[round((FROM_S + s) * rate_hz)] = RAIL_UV
        return seconds(flags(emg_uv, rate_hz) & CLIPPED)

    told = touched([0.0, 0.04, 0.08])
    assert told[0] == pytest.approx(FROM_S + 0.08, abs=0.01)
    assert told[-1] == pytest.approx(FROM_S + 0.08 + WATCH_MS / 1000, abs=0.02)
    assert not len(touched([0.0, 0.04]))
    assert not len(touched([0.0, 0.06, 0.12]))


def test_a_restart_forgets_the_averages() -> None:
    emg_uv = rest(1000)
    emg_uv[during(1000)] += hum(1000, 200.0)
    coefficients = design(ChainSpec(rate_mhz=1_000_000, mains_hz=50))
    chain = Chain(coefficients, 1)
    on_nv, off_nv = (12_000,), (8000,)
    before = [chain.run(np.array([[s]]), on_nv, off_nv).flags for s in emg_uv[: round(TO_S * 1000)]]
    assert before[-1] == MAINS
    chain.restart()
    told = [chain.run(np.array([[s]]), on_nv, off_nv).flags for s in emg_uv[round(TO_S * 1000) :]]
    assert not any(f & MAINS for f in told[round(WATCH_MS) + 1 :])


def test_each_channel_is_watched_and_one_is_enough() -> None:
    emg_uv = np.column_stack([rest(1000), rest(1000) + 3.0, rest(1000)])
    emg_uv[during(1000), 1] += hum(1000, 200.0)
    chain, cutter = Chain(design(ChainSpec(rate_mhz=1_000_000, mains_hz=50)), 3), HopCutter(1, 3)
    told = [chain.run(hop, (12_000,) * 3, (8000,) * 3).flags for hop in cutter.cut(emg_uv)]
    assert np.any(np.array(told) & MAINS)


def test_a_record_from_before_is_watched_for_nothing() -> None:
    chain = Chain(replace(design(ChainSpec(rate_mhz=1_000_000)), watch_hops=0), 1)
    assert chain.run(np.array([[np.nan]]), (12_000,), (8000,)).flags == NON_FINITE
    assert chain.run(np.array([[1.0]]), (12_000,), (8000,)).flags == SETTLING
