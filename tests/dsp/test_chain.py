"""The chain as a whole: same bits for any chunking, nothing from bad or settling hops."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from dsp.blocks import Array
from dsp.chain import MAX_ENVELOPE_NV, Chain, HopValues
from dsp.coefficients import ChainCoefficients
from dsp.design import ChainSpec, design
from dsp.hops import HopCutter
from dsp.quality import NON_FINITE, SETTLING

KINDS = ("lowpass", "rms")
DETECTORS = ("cusum", "envelope")
ON_NV, OFF_NV = 20_000, 12_000
PASS_ALL = ((1.0, 0.0, 0.0, 1.0, 0.0, 0.0),)


def chain_spec(rate_hz: int, envelope: str, **more: float | str) -> ChainCoefficients:
    fields: dict[str, Any] = {
        "rate_mhz": rate_hz * 1000,
        "envelope": envelope,
        "detector": "envelope",
        **more,
    }
    return design(ChainSpec(**fields))


def run(chain: Chain, chunks: list[Array], hop_samples: int, channels: int) -> list[HopValues]:
    cutter = HopCutter(hop_samples, channels)
    on_nv, off_nv = [ON_NV] * channels, [OFF_NV] * channels
    return [chain.run(hop, on_nv, off_nv) for chunk in chunks for hop in cutter.cut(chunk)]


def emg(rate_hz: int, seconds: float, channels: int, dc_uv: float = 77_000.0) -> Array:
    """Noise of 5 uV on a standing voltage, ten times as strong in the second half."""
    samples = int(rate_hz * seconds)
    noise = np.random.default_rng(3).normal(scale=5.0, size=(samples, channels))
    noise[samples // 2 :] *= 10.0
    return dc_uv + noise


@pytest.mark.parametrize(
    ("envelope", "detector"), [("lowpass", "envelope"), ("rms", "envelope"), ("lowpass", "cusum")]
)
@pytest.mark.parametrize(("rate_hz", "channels"), [(250, 1), (2148, 3), (4000, 8)])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_chunks_do_not_matter_to_the_bit(
    envelope: str, detector: str, rate_hz: int, channels: int, data: st.DataObject
) -> None:
    coefficients = chain_spec(rate_hz, envelope, mains_hz=50, detector=detector)
    x = emg(rate_hz, 0.8, channels)
    bad = data.draw(st.none() | st.integers(0, len(x) - 1), label="bad sample")
    if bad is not None:
        x[bad, 0] = math.nan
    cuts = data.draw(st.lists(st.integers(0, len(x)), max_size=40).map(sorted), label="cuts")
    hop_samples = coefficients.hop_samples
    whole = run(Chain(coefficients, channels), [x], hop_samples, channels)
    cut = run(Chain(coefficients, channels), np.split(x, cuts), hop_samples, channels)
    assert cut == whole


@pytest.mark.parametrize("rate_hz", [250, 1000, 4000, 10_000])
def test_the_lowpass_envelope_is_scipys(rate_hz: int) -> None:
    coefficients = chain_spec(rate_hz, "lowpass", mains_hz=50)
    x = emg(rate_hz, 1.5, 2)
    values = run(Chain(coefficients, 2), [x], coefficients.hop_samples, 2)
    filtered = signal.sosfilt(np.array(coefficients.filter_sos), x - x[0], axis=0)
    smooth = signal.sosfilt(np.array(coefficients.envelope_sos), np.abs(filtered), axis=0)
    step = coefficients.hop_samples
    expected = np.rint(1000 * smooth[step - 1 :: step]).clip(0).astype(np.int64)
    ours = np.array([value.envelope_nv for value in values])
    assert np.max(np.abs(ours - expected)) <= 1  # a last bit may round the other way


@pytest.mark.parametrize("rate_hz", [250, 1000, 4000])
def test_the_moving_rms_is_the_direct_one(rate_hz: int) -> None:
    coefficients = chain_spec(rate_hz, "rms", rms_window_ms=100.0)
    x = emg(rate_hz, 1.5, 2)
    values = run(Chain(coefficients, 2), [x], coefficients.hop_samples, 2)
    filtered = signal.sosfilt(np.array(coefficients.filter_sos), x - x[0], axis=0)
    window = coefficients.rms_hops * coefficients.hop_samples
    padded = np.vstack([np.zeros((window, 2)), filtered])
    for index, value in enumerate(values):
        end = (index + 1) * coefficients.hop_samples
        rms_nv = 1000 * np.sqrt(np.mean(padded[end : end + window] ** 2, axis=0))
        assert np.max(np.abs(rms_nv - value.envelope_nv)) <= 0.51


@pytest.mark.parametrize("envelope", KINDS)
def test_settling_is_flagged_and_closed_then_detection_opens(envelope: str) -> None:
    coefficients = chain_spec(1000, envelope, settle_ms=300.0, min_duration_ms=30.0)
    x = 20.0 * emg(1000, 0.6, 1)  # strong from the first sample on
    values = run(Chain(coefficients, 1), [x], 1, 1)
    assert [value.flags for value in values] == [SETTLING] * 300 + [0] * 300
    assert not any(value.active[0] or value.attempt[0] for value in values[:300])
    assert values[299].envelope_nv[0] > ON_NV
    assert all(value.active == (True,) for value in values[300:])
    assert [value.attempt[0] for value in values[300:]] == [False] * 29 + [True] * 271


def test_an_onset_becomes_active_and_an_attempt_on_its_channel_only() -> None:
    coefficients = chain_spec(1000, "lowpass", min_duration_ms=30.0)
    x = emg(1000, 2.0, 2)
    x[1000:, 1] = x[:1000, 1]
    values = run(Chain(coefficients, 2), [x], 1, 2)
    onset = next(index for index, value in enumerate(values) if value.active[0])
    attempt = next(index for index, value in enumerate(values) if value.attempt[0])
    assert 1000 < onset < 1100
    assert attempt - onset == coefficients.min_hops - 1
    assert not any(value.active[1] for value in values)


@pytest.mark.parametrize(
    ("envelope", "detector"), [("lowpass", "envelope"), ("rms", "envelope"), ("lowpass", "cusum")]
)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e12, -1e300])
def test_a_bad_sample_refuses_its_hop_and_leaves_no_trace(
    envelope: str, detector: str, bad: float
) -> None:
    coefficients = chain_spec(4000, envelope, detector=detector)
    before, after = emg(4000, 0.5, 2), emg(4000, 0.5, 2, dc_uv=-3000.0)
    hop = before[:4].copy()
    hop[2, 1] = bad
    values = run(Chain(coefficients, 2), [before, hop, hop, after], 4, 2)
    refused = HopValues((0, 0), (False, False), (False, False), NON_FINITE)
    assert values[500:502] == [refused, refused]
    assert values[502:] == run(Chain(coefficients, 2), [after], 4, 2)


@pytest.mark.parametrize("envelope", KINDS)
@pytest.mark.parametrize("detector", DETECTORS)
def test_restart_forgets_everything(envelope: str, detector: str) -> None:
    coefficients = chain_spec(1000, envelope, detector=detector)
    chain = Chain(coefficients, 1)
    x = emg(1000, 1.0, 1)
    first = run(chain, [x], 1, 1)
    assert first[-1].attempt == (True,)
    chain.restart()
    assert run(chain, [x], 1, 1) == first


@pytest.mark.parametrize("envelope", KINDS)
def test_a_standing_voltage_is_silence(envelope: str) -> None:
    coefficients = chain_spec(1000, envelope, mains_hz=50)
    values = run(Chain(coefficients, 1), [np.full((500, 1), 77_071.0)], 1, 1)
    assert all(value.envelope_nv == (0,) for value in values)


@pytest.mark.parametrize("envelope", KINDS)
@pytest.mark.parametrize("power", [-3, 1, 10])
def test_scale_equivariance(envelope: str, power: int) -> None:
    """A power of two is exact in floating point, so only the rounding to nanovolts remains."""
    coefficients = chain_spec(1000, envelope, mains_hz=50)
    x, factor = emg(1000, 0.6, 2), 2.0**power
    plain = np.array([v.envelope_nv for v in run(Chain(coefficients, 2), [x], 1, 2)])
    scaled = np.array([v.envelope_nv for v in run(Chain(coefficients, 2), [factor * x], 1, 2)])
    assert np.max(np.abs(scaled - factor * plain)) <= 0.5 + 0.5 * factor


def bare(**more: object) -> ChainCoefficients:
    fields: dict[str, Any] = {
        "rate_mhz": 1_000_000,
        "hop_samples": 1,
        "filter_sos": (),
        "envelope_sos": PASS_ALL,
        "rms_hops": 0,
        "min_hops": 1,
        "settle_hops": 1,
    }
    return ChainCoefficients(**{**fields, **more})


@pytest.mark.parametrize(
    ("uv", "nv"),
    [
        (0.0005, 0),
        (0.0015, 2),
        (0.0025, 2),
        (1.2344, 1234),
        (-1.2346, 1235),
    ],
)
def test_nanovolts_round_half_to_even(uv: float, nv: int) -> None:
    (value,) = run(Chain(bare(), 1), [np.array([[uv]])], 1, 1)
    assert value.envelope_nv == (nv,)


def test_an_envelope_is_clamped_to_what_floats_can_count() -> None:
    amplifying = ((1e6, 0.0, 0.0, 1.0, 0.0, 0.0),)
    (value,) = run(Chain(bare(envelope_sos=amplifying), 1), [np.array([[9e11]])], 1, 1)
    assert value.envelope_nv == (MAX_ENVELOPE_NV,)


def test_an_undershoot_is_clamped_to_zero() -> None:
    inverting = ((-1.0, 0.0, 0.0, 1.0, 0.0, 0.0),)
    (value,) = run(Chain(bare(envelope_sos=inverting), 1), [np.array([[5.0]])], 1, 1)
    assert value.envelope_nv == (0,)


@pytest.mark.parametrize("shape", [(1, 2), (4, 1), (4, 3), (8,)])
def test_a_hop_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    chain = Chain(chain_spec(4000, "lowpass"), 2)
    with pytest.raises(ValueError, match=r"hop has shape .*, must be \(4, 2\)"):
        chain.run(np.zeros(shape), [ON_NV] * 2, [OFF_NV] * 2)


@pytest.mark.parametrize(("on", "off"), [(1, 2), (2, 1), (3, 3)])
@pytest.mark.parametrize("cusum", [(), ((1.0, 20.0, 80.0),)])
def test_thresholds_are_one_a_channel(
    on: int, off: int, cusum: tuple[tuple[float, ...], ...]
) -> None:
    chain = Chain(bare(cusum=cusum), 2)
    for _ in range(2):
        chain.run(np.zeros((1, 2)), [ON_NV] * 2, [OFF_NV] * 2)
    with pytest.raises(ValueError, match=r"zip|broadcast|thresholds"):
        chain.run(np.zeros((1, 2)), [ON_NV] * on, [OFF_NV] * off)


def test_with_the_cusum_an_onset_is_an_attempt_before_the_envelope_says_so() -> None:
    sooner, later = (
        chain_spec(
            1000, "lowpass", detector=detector, min_duration_ms=30.0 * (detector == "envelope")
        )
        for detector in DETECTORS
    )
    x = emg(1000, 2.0, 1)
    on_nv, off_nv = (10_000,), (8000,)
    first = []
    for coefficients in (sooner, later):
        chain, cutter = Chain(coefficients, 1), HopCutter(1, 1)
        values = [chain.run(hop, on_nv, off_nv) for hop in cutter.cut(x)]
        first.append(next(n for n, value in enumerate(values) if value.attempt[0]))
        assert all(value.active[0] for value in values[first[-1] + 100 :])
    assert 1000 < first[0] < 1010
    assert first[0] + 20 < first[1] < 1100


def test_the_energy_of_a_hop_is_that_of_its_filtered_samples() -> None:
    coefficients = chain_spec(4000, "lowpass")
    x = emg(4000, 0.2, 2)
    chain, cutter = Chain(coefficients, 2), HopCutter(4, 2)
    energies = []
    for hop in cutter.cut(x):
        chain.run(hop, [ON_NV] * 2, [OFF_NV] * 2)
        energies.append(chain.energy_uv2.copy())
    filtered = signal.sosfilt(np.array(coefficients.filter_sos), x - x[0], axis=0)
    expected = (filtered**2).reshape(-1, 4, 2).sum(axis=1)
    assert np.allclose(energies, expected, rtol=1e-6, atol=1e-9)


def test_the_hop_is_not_changed() -> None:
    hop = emg(4000, 0.001, 2)
    before = hop.copy()
    Chain(chain_spec(4000, "lowpass"), 2).run(hop, [ON_NV] * 2, [OFF_NV] * 2)
    assert np.array_equal(hop, before)


def test_running_needs_no_scipy(repo_root: Path) -> None:
    code = (
        "import sys, dsp.chain, dsp.hops, dsp.calibration, dsp.rest;"
        "sys.exit(any(name.split('.')[0] == 'scipy' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repo_root)
