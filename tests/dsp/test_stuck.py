"""An amplifier that stopped measuring is flagged, in time and whatever the chunks; a sound one never is."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.blocks import Array
from dsp.chain import Chain, HopValues
from dsp.coefficients import ChainCoefficients
from dsp.design import ChainSpec, design
from dsp.hops import HopCutter
from dsp.quality import CLIPPED, FLAT, NON_FINITE, POP, RAILED, SETTLING
from dsp.stuck import RAIL_HOPS, RAIL_SHARE

RAIL_UV = 187_500.0
ON_NV, OFF_NV = 20_000, 12_000


def chain(rate_hz: float = 1000, channels: int = 1, **more: Any) -> tuple[Chain, ChainCoefficients]:
    spec: dict[str, Any] = {"rail_uv": RAIL_UV, "mains_hz": 50, **more}
    coefficients = design(ChainSpec(rate_mhz=round(rate_hz * 1000), **spec))
    return Chain(coefficients, channels), coefficients


def run(chain: Chain, coefficients: ChainCoefficients, *chunks: Array) -> list[HopValues]:
    channels = chunks[0].shape[1]
    cutter = HopCutter(coefficients.hop_samples, channels)
    on_nv, off_nv = [ON_NV] * channels, [OFF_NV] * channels
    return [chain.run(hop, on_nv, off_nv) for chunk in chunks for hop in cutter.cut(chunk)]


def noise(samples: int, channels: int = 1, seed: int = 5) -> Array:
    return 77_000 + np.random.default_rng(seed).normal(scale=20.0, size=(samples, channels))


def flagged(values: list[HopValues], flag: int) -> list[int]:
    return [index for index, value in enumerate(values) if value.flags & flag]


@pytest.mark.parametrize("rate_hz", [200, 1000, 2148.148, 4000, 20_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_three_hops_at_the_rail_are_railed(rate_hz: float, sign: int) -> None:
    one, coefficients = chain(rate_hz)
    n = coefficients.hop_samples
    x = noise(600 * n)
    x[400 * n : 450 * n] = sign * RAIL_UV
    values = run(one, coefficients, x)
    assert flagged(values, RAILED) == list(range(400 + RAIL_HOPS - 1, 450))


def test_the_third_is_heard_at_most_5_ms_after_the_first_with_chunks_of_4_ms() -> None:
    for first in range(400, 404):
        one, coefficients = chain(1000)
        x = noise(500)
        x[first:] = RAIL_UV
        (flag, *_) = flagged(run(one, coefficients, x), RAILED)
        arrival = flag // 4 * 4 + 3  # with the last sample of its chunk
        assert arrival - first <= 5


@pytest.mark.parametrize(
    ("share", "railed"), [(RAIL_SHARE - 1e-9, False), (RAIL_SHARE, True), (1.0, True), (1.5, True)]
)
@pytest.mark.parametrize("rail_uv", [187_500.0, 3000.0, 1e7])
def test_the_rail_begins_at_98_in_100(share: float, railed: bool, rail_uv: float) -> None:
    one, coefficients = chain(4000, rail_uv=rail_uv)
    x = np.full((40, 1), share * rail_uv)
    x[1::2] *= -1  # from rail to rail is railed too
    assert bool(flagged(run(one, coefficients, x), RAILED)) == railed


def test_one_sample_off_the_rail_begins_the_count_anew() -> None:
    one, coefficients = chain(2000)
    x = noise(1000)
    x[800:] = RAIL_UV
    x[805] = 0.9 * RAIL_UV  # hop 402
    assert flagged(run(one, coefficients, x), RAILED)[0] == 405


def test_clipped_peaks_are_not_railed() -> None:
    """A pulse that clips for 2 ms, 35 times a second."""
    one, coefficients = chain(1000)
    x = noise(2000)
    x[::28] = RAIL_UV
    x[1::28] = -RAIL_UV
    assert flagged(run(one, coefficients, x), RAILED | FLAT) == []


def test_with_no_rail_given_none_is_watched() -> None:
    one, coefficients = chain(1000, rail_uv=0.0)
    x = 1e6 * np.random.default_rng(2).normal(size=(500, 1))
    assert flagged(run(one, coefficients, x), RAILED) == []


@pytest.mark.parametrize("rate_hz", [200, 1000, 2148.148, 20_000])
@pytest.mark.parametrize("value_uv", [0.0, 77_071.25, -3.0])
def test_100_ms_of_one_value_are_flat(rate_hz: float, value_uv: float) -> None:
    one, coefficients = chain(rate_hz)
    n = coefficients.hop_samples
    hop_ms = 1000 * n / rate_hz
    x = noise(1000 * n)
    x[500 * n :] = value_uv
    values = run(one, coefficients, x)
    first = flagged(values, FLAT)[0]
    flat_ms = (first - 500 + 1) * hop_ms
    assert 100 <= flat_ms <= 100 + 2 * hop_ms
    assert flagged(values, FLAT) == list(range(first, 1000))


def test_one_other_sample_within_a_hop_begins_the_count_anew() -> None:
    one, coefficients = chain(4000)
    x = np.full((4 * 150, 1), 5.0)
    x[4 * 90 + 1] = 5.0000001  # neither end of its hop
    assert flagged(run(one, coefficients, x), FLAT) == []


@pytest.mark.slow
def test_a_coarse_converter_is_not_flat() -> None:
    """Its step as large as the noise, at the slowest rate taken: 10 minutes."""
    one, coefficients = chain(200)
    x = np.round(np.random.default_rng(8).normal(size=(200 * 600, 1)))
    assert flagged(run(one, coefficients, x), FLAT) == []


def test_one_channel_of_many_is_enough() -> None:
    for channel, (value_uv, flag) in itertools.product(range(3), ((RAIL_UV, RAILED), (1.0, FLAT))):
        one, coefficients = chain(2000, channels=3)
        x = noise(2 * 700, 3)
        x[2 * 500 :, channel] = value_uv
        assert flagged(run(one, coefficients, x), flag)


def test_each_channel_counts_for_itself() -> None:
    """Flat by turns, and the one is not the other's."""
    one, coefficients = chain(1000, channels=2)
    x = noise(400, 2)
    x[100:180, 0] = x[180:260, 1] = 5.0
    x[300:302, 0] = x[302:304, 1] = RAIL_UV
    assert flagged(run(one, coefficients, x), FLAT | RAILED) == []


def test_a_refused_hop_gives_nothing_and_the_chain_settles_after_it() -> None:
    one, coefficients = chain(1000)
    x = noise(2000)
    x[1000:1200] = RAIL_UV
    values = run(one, coefficients, x)
    for value in values[1002:1200]:
        assert value.flags & RAILED
        assert value[:3] == ((0,), (False,), (False,))
    told = CLIPPED | POP  # of the restart, and of noise that is far over this test's threshold
    after = [value._replace(flags=value.flags & ~told) for value in values[1200:]]
    assert {value.flags for value in after[: coefficients.settle_hops]} == {SETTLING}
    fresh, _ = chain(1000)
    assert after == run(fresh, coefficients, x[1200:])


def test_a_restart_does_not_make_an_amplifier_move() -> None:
    one, coefficients = chain(1000)
    flat = np.full((80, 1), 5.0)
    assert flagged(run(one, coefficients, flat), FLAT) == []
    one.restart()
    assert flagged(run(one, coefficients, flat), FLAT)
    x = np.full((2, 1), RAIL_UV)
    run(one, coefficients, x)
    one.restart()
    assert flagged(run(one, coefficients, x), RAILED) == [0, 1]


def test_what_is_not_a_number_is_neither_and_begins_the_count_anew() -> None:
    one, coefficients = chain(1000)
    x = np.full((150, 1), 5.0)
    x[75] = np.nan
    values = run(one, coefficients, x)
    assert flagged(values, FLAT) == []
    assert flagged(values, NON_FINITE) == [75]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_chunks_do_not_matter(data: st.DataObject) -> None:
    rate_hz = data.draw(st.sampled_from([250, 1000, 4000]), label="rate")
    x = noise(2 * rate_hz, 2)
    for _ in range(4):
        start = data.draw(st.integers(0, len(x) - 1), label="start")
        length = data.draw(st.integers(1, rate_hz // 3), label="length")
        channel = data.draw(st.integers(0, 1), label="channel")
        value_uv = data.draw(st.sampled_from([RAIL_UV, -RAIL_UV, 7.0, np.nan]), label="value")
        x[start : start + length, channel] = value_uv
    cuts = data.draw(st.lists(st.integers(0, len(x)), max_size=40).map(sorted), label="cuts")
    one, coefficients = chain(rate_hz, 2)
    other, _ = chain(rate_hz, 2)
    assert run(one, coefficients, x) == run(other, coefficients, *np.split(x, cuts))
