"""BlockFilter is scipy's `sosfilt`, whatever the rate, the hop and the standing voltage."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from dsp.blocks import Array, BlockFilter
from dsp.design import ChainSpec, design

DC_UV = 77_000.0
RATES_HZ = (250, 500, 1000, 2148, 4000, 10_000, 20_000)


def run(block: BlockFilter, x: Array, hop_samples: int) -> Array:
    out = np.empty_like(x)
    for start in range(0, len(x), hop_samples):
        hop = slice(start, start + hop_samples)
        out[hop] = block.run(x[hop])
    return out


def reference(sos: NDArray[np.float64], x: Array, first: Array) -> Array:
    """Scipy's `sosfilt` from the steady state for `first`, in extended precision.

    With `sosfilt_zi` in float64 the reference itself would be off by more than 1e-9 of the signal:
    at 10 kHz, 77 mV multiply the rounding of its initial state to some 10 nV.
    """
    wide: Any = sos.astype(np.longdouble)  # scipy takes it, its stubs do not say so
    v = first.astype(np.longdouble)
    zi: Any = np.empty((len(sos), 2, len(first)), dtype=np.longdouble)
    for section, (b0, b1, b2, a0, a1, a2) in zip(zi, wide, strict=True):
        y = v * (b0 + b1 + b2) / (a0 + a1 + a2)
        section[1] = b2 * v - a2 * y
        section[0] = b1 * v - a1 * y + section[1]
        v = y
    y, _ = signal.sosfilt(wide, x.astype(np.longdouble), axis=0, zi=zi)
    return np.asarray(y, dtype=np.float64)


def assert_close(ours: Array, theirs: Array) -> None:
    assert np.max(np.abs(ours - theirs)) <= 1e-9 * np.max(np.abs(theirs))


def microvolts(samples: int, channels: int, *, step: bool) -> Array:
    rng = np.random.default_rng(samples + channels)
    x = rng.normal(scale=5.0, size=(samples, channels))
    if step:
        x += np.where(np.arange(samples) >= samples // 2, 40.0, 0.0)[:, None]
    return x


@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_agrees_with_sosfilt_under_a_standing_voltage(
    rate_hz: int, channels: int, step: bool
) -> None:
    coefficients = design(ChainSpec(rate_mhz=rate_hz * 1000, mains_hz=50))
    hop_samples = coefficients.hop_samples
    x = DC_UV + microvolts(hop_samples * 4000, channels, step=step)
    block = BlockFilter(coefficients.filter_sos, hop_samples, channels)
    block.prime(x[0])
    sos = np.array(coefficients.filter_sos)
    assert_close(run(block, x, hop_samples), reference(sos, x, x[0]))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_lowpass_passes_the_voltage_it_was_primed_with(rate_hz: int) -> None:
    coefficients = design(ChainSpec(rate_mhz=rate_hz * 1000))
    hop_samples = coefficients.hop_samples
    x = DC_UV + microvolts(hop_samples * 2000, 2, step=True)
    block = BlockFilter(coefficients.envelope_sos, hop_samples, 2)
    block.prime(x[0])
    sos = np.array(coefficients.envelope_sos)
    assert_close(run(block, x, hop_samples), reference(sos, x, x[0]))


def test_unprimed_it_starts_from_zero_as_sosfilt_does() -> None:
    coefficients = design(ChainSpec(rate_mhz=4_000_000, mains_hz=60))
    x = microvolts(4 * 2000, 2, step=True)
    ours = run(BlockFilter(coefficients.filter_sos, 4, 2), x, 4)
    assert_close(ours, reference(np.array(coefficients.filter_sos), x, np.zeros(2)))


def test_a_constant_input_does_not_ring_after_priming() -> None:
    coefficients = design(ChainSpec(rate_mhz=4_000_000, mains_hz=50))
    block = BlockFilter(coefficients.filter_sos, 4, 1)
    x = np.full((4000, 1), DC_UV)
    assert np.max(np.abs(run(block, x, 4))) > 1000.0  # what it does unprimed
    block.prime(x[0])
    assert not run(block, x, 4).any()


def test_priming_forgets_what_came_before() -> None:
    coefficients = design(ChainSpec(rate_mhz=1_000_000))
    used, fresh = (BlockFilter(coefficients.filter_sos, 1, 2) for _ in range(2))
    run(used, 1e6 * microvolts(50, 2, step=True), 1)
    x = microvolts(100, 2, step=True)
    used.prime(x[0])
    fresh.prime(x[0])
    assert np.array_equal(run(used, x, 1), run(fresh, x, 1))


def test_no_sections_pass_everything() -> None:
    x = microvolts(8, 2, step=True)
    assert np.array_equal(run(BlockFilter((), 4, 2), x, 4), x)


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_bits_do_not_depend_on_memory_layout(channels: int) -> None:
    coefficients = design(ChainSpec(rate_mhz=4_000_000, mains_hz=50))
    x = microvolts(400, channels, step=True)
    spread = np.zeros((800, 2 * channels))[::2, ::2]
    spread[:] = x
    unaligned = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.float64)
    layouts = (x, np.asfortranarray(x), spread, unaligned.reshape(x.shape))
    results = [run(BlockFilter(coefficients.filter_sos, 4, channels), y, 4) for y in layouts]
    for result in results[1:]:
        assert np.array_equal(result, results[0])


@pytest.mark.parametrize("band_low_hz", [30.0, None])
def test_what_it_gives_may_be_overwritten(band_low_hz: float | None) -> None:
    coefficients = design(ChainSpec(rate_mhz=4_000_000))
    # The low-pass alone passes a standing voltage: what is added for it is none of the filter's state.
    sos = coefficients.filter_sos if band_low_hz else coefficients.envelope_sos
    x = DC_UV + microvolts(400, 2, step=True)
    kept, overwritten = (BlockFilter(sos, 4, 2) for _ in range(2))
    for block in (kept, overwritten):
        block.prime(x[0])
    for start in range(0, len(x), 4):
        expected, ours = kept.run(x[start : start + 4]), overwritten.run(x[start : start + 4])
        assert np.array_equal(ours, expected)
        ours.fill(np.nan)


def test_a_gain_multiplies_what_comes_out_and_nothing_within() -> None:
    coefficients = design(ChainSpec(rate_mhz=1_000_000))
    x = DC_UV + microvolts(400, 2, step=True)
    plain, louder = (BlockFilter(coefficients.envelope_sos, 4, 2, gain) for gain in (1.0, 1024.0))
    for block in (plain, louder):
        block.prime(x[0])
    assert np.array_equal(run(louder, x, 4), 1024.0 * run(plain, x, 4))
