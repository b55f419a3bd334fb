"""What a ChainSpec may be, and that its design does what its words say."""

import json
import math
from typing import Any, Literal

import numpy as np
import pytest
from scipy import signal

from dsp.coefficients import ChainCoefficients
from dsp.design import ChainSpec, design


def gain_db(coefficients: ChainCoefficients, at_hz: float) -> float:
    _, h = signal.sosfreqz(
        np.array(coefficients.filter_sos), [at_hz], fs=coefficients.rate_mhz / 1000
    )
    return float(20 * np.log10(np.abs(h[0]) + 1e-300))


@pytest.mark.parametrize(
    ("rate_mhz", "hop_samples"),
    [(250_000, 1), (999_999, 1), (1_000_000, 1), (2_148_148, 2), (4_000_000, 4), (10_000_000, 10)],
)
def test_a_hop_is_a_millisecond_or_one_sample(rate_mhz: int, hop_samples: int) -> None:
    assert design(ChainSpec(rate_mhz=rate_mhz)).hop_samples == hop_samples


@pytest.mark.parametrize(
    ("rate_mhz", "min_duration_ms", "min_hops"),
    [
        (1_000_000, 30.0, 30),
        (1_000_000, 30.1, 31),
        (1_000_000, 0.0, 1),
        (250_000, 30.0, 8),  # a hop is 4 ms
        (2_148_148, 30.0, 33),  # a hop is 0.931 ms
    ],
)
def test_durations_round_up_to_hops(rate_mhz: int, min_duration_ms: float, min_hops: int) -> None:
    spec = ChainSpec(rate_mhz=rate_mhz, min_duration_ms=min_duration_ms)
    assert design(spec).min_hops == min_hops


def test_the_band_has_its_edges_and_its_slopes() -> None:
    coefficients = design(ChainSpec(rate_mhz=4_000_000, band_low_hz=20.0))
    assert gain_db(coefficients, 20.0) == pytest.approx(-3.01, abs=0.01)
    assert gain_db(coefficients, 450.0) == pytest.approx(-3.01, abs=0.01)
    assert gain_db(coefficients, 100.0) == pytest.approx(0.0, abs=0.01)
    assert gain_db(coefficients, 5.0) == pytest.approx(-48.0, abs=0.5)  # two octaves at 24 dB
    assert gain_db(coefficients, 0.0) < -1000.0


@pytest.mark.parametrize("rate_mhz", [250_000, 500_000, 1_000_000])
def test_an_upper_edge_at_the_cap_leaves_a_high_pass(rate_mhz: int) -> None:
    coefficients = design(ChainSpec(rate_mhz=rate_mhz))
    assert len(coefficients.filter_sos) == 2
    assert gain_db(coefficients, 0.49 * rate_mhz / 1000) == pytest.approx(0.0, abs=0.01)


def test_an_upper_edge_below_the_cap_is_kept() -> None:
    below = ChainSpec(rate_mhz=1_000_000, band_high_hz=449.9)
    assert len(design(below).filter_sos) == 4


@pytest.mark.parametrize(
    ("rate_mhz", "mains_hz", "harmonics", "notches"),
    [
        (4_000_000, 0, 3, []),
        (4_000_000, 50, 3, [50, 100, 150]),
        (4_000_000, 60, 1, [60]),
        (250_000, 50, 3, [50, 100]),  # 150 Hz lies above the cap of 112.5 Hz
        (250_000, 60, 3, [60]),
    ],
)
def test_notches(rate_mhz: int, mains_hz: int, harmonics: int, notches: list[int]) -> None:
    spec = ChainSpec(rate_mhz=rate_mhz, mains_hz=mains_hz, notch_harmonics=harmonics)
    coefficients, plain = design(spec), design(ChainSpec(rate_mhz=rate_mhz))
    assert len(coefficients.filter_sos) == len(plain.filter_sos) + len(notches)
    assert all(gain_db(coefficients, float(notch)) < -150.0 for notch in notches)


def test_a_notch_has_its_width() -> None:
    coefficients = design(ChainSpec(rate_mhz=4_000_000, mains_hz=50, notch_harmonics=1))
    b, a = np.split(np.array(coefficients.filter_sos[-1]), 2)
    # -3 dB edges lie a width of 50 / 15 Hz apart, their geometric mean at 50 Hz.
    edge_hz = 50 * (math.sqrt(1 + 1 / 900) + 1 / 30)
    _, h = signal.freqz(b, a, [edge_hz], fs=4000)
    assert 20 * math.log10(abs(h[0])) == pytest.approx(-3.01, abs=0.02)


def test_the_envelope_is_one_or_the_other() -> None:
    lowpass = design(ChainSpec(rate_mhz=1_000_000))
    rms = design(ChainSpec(rate_mhz=1_000_000, envelope="rms", rms_window_ms=80.0))
    assert (len(lowpass.envelope_sos), lowpass.rms_hops) == (1, 0)
    assert (len(rms.envelope_sos), rms.rms_hops) == (0, 80)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate_mhz": 199_999}, "rate_mhz is 199999, must be 200000 to 20000000 mHz"),
        ({"rate_mhz": 20_000_001}, "rate_mhz is 20000001"),
        ({"detector": "glr"}, "detector is 'glr', must be 'cusum' or 'envelope'"),
        ({"band_low_hz": 4.9}, "band_low_hz is 4.9, must be 5.0 to 100.0 Hz"),
        ({"band_low_hz": math.nan}, "band_low_hz is nan"),
        ({"band_low_hz": 60.0, "band_high_hz": 60.0}, "band_low_hz is 60.0, must be below"),
        ({"rate_mhz": 200_000, "band_low_hz": 90.0}, "sampling rate, 90.0 Hz"),
        ({"band_order": 9}, "band_order is 9, must be 1 to 8 poles"),
        ({"mains_hz": 55}, "mains_hz is 55, must be 50 or 60 Hz"),
        ({"notch_q": 51.0}, "notch_q is 51.0, must be 5.0 to 50.0"),
        ({"envelope": "median"}, "envelope is 'median', must be 'lowpass' or 'rms'"),
        ({"envelope_hz": 50.1}, "envelope_hz is 50.1, must be 1.0 to 50.0 Hz"),
        ({"min_duration_ms": -1.0}, "min_duration_ms is -1.0, must be 0.0 to 1000.0 ms"),
        ({"rail_uv": -1.0}, "rail_uv is -1.0, must be 0.0 to 10000000.0 uV"),
        ({"rail_uv": math.nan}, "rail_uv is nan"),
        ({"settle_ms": 49.0}, "settle_ms is 49.0, must be 50.0 to 5000.0 ms"),
        (
            {"envelope": "rms", "rms_window_ms": 301.0},
            "settle_ms is 300.0, must be at least rms_window_ms, 301.0 ms",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_limit(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ChainSpec(**{"rate_mhz": 1_000_000, **wrong})


@pytest.mark.parametrize("envelope", ["lowpass", "rms"])
@pytest.mark.parametrize("rate_mhz", [200_000, 2_148_148, 20_000_000])
def test_coefficients_survive_json_bit_for_bit(
    rate_mhz: int, envelope: Literal["lowpass", "rms"]
) -> None:
    spec = ChainSpec(rate_mhz=rate_mhz, mains_hz=60, envelope=envelope, rail_uv=187_500.1)
    coefficients = design(spec)
    assert (coefficients.rail_uv, coefficients.flat_hops > 0) == (187_500.1, True)
    again = ChainCoefficients.from_dict(json.loads(json.dumps(coefficients.to_dict())))
    assert again == coefficients
    assert repr(again) == repr(coefficients)  # also tells -0.0 from 0.0 and 1 from 1.0


GOOD = design(ChainSpec(rate_mhz=1_000_000)).to_dict()
SECTION = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate_mhz": 0}, "rate_mhz is 0, must be at least 1"),
        ({"hop_samples": 0}, "hop_samples is 0"),
        ({"rms_hops": -1}, "rms_hops is -1, must be at least 0"),
        ({"min_hops": 0}, "min_hops is 0"),
        ({"settle_hops": 0}, "settle_hops is 0"),
        ({"flat_hops": -1}, "flat_hops is -1, must be at least 0"),
        ({"rail_uv": -1.0}, "rail_uv is -1.0, must be finite and at least 0"),
        ({"rail_uv": math.inf}, "rail_uv is inf"),
        ({"rail_uv": math.nan}, "rail_uv is nan"),
        ({"rms_hops": 5}, "give one of the two"),
        ({"envelope_sos": []}, "give one of the two"),
        ({"filter_sos": [SECTION[:5]]}, "must be finite: b0"),
        ({"filter_sos": [[1.0, 0.0, 0.0, 2.0, 0.0, 0.0]]}, "must be finite: b0"),
        ({"envelope_sos": [[math.nan, *SECTION[1:]]]}, "must be finite: b0"),
        ({"colour": 1}, "'colour'"),
    ],
)
def test_wrong_coefficients_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ChainCoefficients.from_dict({**GOOD, **wrong})


def test_a_missing_field_is_named() -> None:
    fields = {name: value for name, value in GOOD.items() if name != "min_hops"}
    with pytest.raises(ValueError, match="'min_hops'"):
        ChainCoefficients.from_dict(fields)


def test_a_record_from_before_rail_and_flat_watches_neither() -> None:
    fields = {name: GOOD[name] for name in GOOD.keys() - {"rail_uv", "flat_hops"}}
    old = ChainCoefficients.from_dict(fields)
    assert (old.rail_uv, old.flat_hops) == (0, 0)
