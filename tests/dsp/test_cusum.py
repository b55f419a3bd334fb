"""The CUSUM against its formula, its limits, and what it promises about a steady strength."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.coefficients import ChainCoefficients
from dsp.cusum import FULL, Cusum

ONE = ((1.0, 20.0, 80.0),)
FLOOR = 1 - 20.0 / 80.0  # of ONE: no evidence
TWO = ((1.0, 40.0, 160.0), (1.25, 10.0, 50.0))


def coefficients(speeds: tuple[tuple[float, ...], ...], hop_samples: int = 1) -> ChainCoefficients:
    fields: dict[str, Any] = {
        "rate_mhz": 1_000_000 * hop_samples,
        "hop_samples": hop_samples,
        "filter_sos": (),
        "envelope_sos": ((1.0, 0.0, 0.0, 1.0, 0.0, 0.0),),
        "rms_hops": 0,
        "min_hops": 1,
        "settle_hops": 1,
        "cusum": speeds,
    }
    return ChainCoefficients(**fields)


def run(
    speeds: tuple[tuple[float, ...], ...],
    energy_uv2: list[float],
    on_uv: float = 1.0,
    hop_samples: int = 1,
) -> list[float]:
    detector = Cusum(coefficients(speeds, hop_samples), 1)
    on_nv = (round(1000 * on_uv),)
    return [float(detector.run(np.array([uv2]), on_nv)[0]) for uv2 in energy_uv2]


def by_the_formula(
    speeds: tuple[tuple[float, ...], ...], energy_uv2: list[float], on_uv: float
) -> list[float]:
    """S = S (1 - 1/T) + x - (1 - H/T), between 0 and H; the largest (S + T - H) / T of all speeds."""
    sums, out = [0.0] * len(speeds), []
    for uv2 in energy_uv2:
        for n, (ratio, needed, memory) in enumerate(speeds):
            x = uv2 / (ratio * on_uv) ** 2
            sums[n] = min(max(sums[n] * (1 - 1 / memory) + x - (1 - needed / memory), 0.0), needed)
        out.append(
            max((s + t - needed) / t for s, (_, needed, t) in zip(sums, speeds, strict=True))
        )
    return out


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 50), min_size=1, max_size=200), st.sampled_from([0.25, 1.0, 7.5]))
def test_it_is_its_formula(energy_uv2: list[float], on_uv: float) -> None:
    scaled = [uv2 * on_uv**2 for uv2 in energy_uv2]
    assert run(TWO, scaled, on_uv) == pytest.approx(by_the_formula(TWO, scaled, on_uv), abs=1e-9)


@pytest.mark.parametrize(
    ("strength", "fires"), [(0.0, False), (0.5, False), (0.99, False), (1.01, True), (9.0, True)]
)
def test_what_stays_above_the_threshold_fires_in_the_end_and_nothing_below(
    strength: float, fires: bool
) -> None:
    evidence = run(ONE, [strength] * 3000)
    assert (max(evidence) >= FULL) is fires


@pytest.mark.parametrize("strength", [2.0, 5.0, 50.0])
def test_the_stronger_the_sooner(strength: float) -> None:
    _, needed, memory = ONE[0]
    evidence = run(ONE, [strength] * 1000)
    hops = next(n for n, value in enumerate(evidence, 1) if value >= FULL)
    # S after n hops is T (x - k) (1 - (1 - 1/T)^n)
    k = 1 - needed / memory
    exact = math.log(1 - needed / (memory * (strength - k))) / math.log(1 - 1 / memory)
    assert hops == math.ceil(exact - 1e-9)


def test_the_faster_speed_fires_first_on_strong_and_the_slower_on_weak() -> None:
    slow, fast = (TWO[0],), (TWO[1],)

    def hops(speeds: tuple[tuple[float, ...], ...], strength: float) -> float:
        return next(
            (n for n, v in enumerate(run(speeds, [strength] * 4000), 1) if v >= FULL), math.inf
        )

    assert hops(fast, 9.0) < hops(slow, 9.0)
    assert hops(slow, 1.3) < hops(fast, 1.3) == math.inf
    assert hops(TWO, 9.0) == hops(fast, 9.0)
    assert hops(TWO, 1.3) == hops(slow, 1.3)


def test_evidence_does_not_outlive_the_attempt_by_more_than_its_amount() -> None:
    """Held at full however long the attempt was: it falls as soon as the muscle rests."""
    long, short = (run(ONE, [100.0] * n + [0.0] * 50)[-50:] for n in (5000, 1))
    assert long == short
    assert long[0] < FULL
    assert long[-1] == FLOOR


def test_old_evidence_fades() -> None:
    """A burst a second, each of a quarter of what is needed, never adds up."""
    burst = [6.0] + [0.5] * 999
    assert max(run(ONE, burst * 20)) < FLOOR + 0.35 * (FULL - FLOOR)


def test_a_hop_counts_by_its_mean_square() -> None:
    assert run(ONE, [3.0] * 50) == pytest.approx(run(ONE, [12.0] * 50, hop_samples=4))


def test_many_channels_are_as_one() -> None:
    """Python finds the largest of few numbers, numpy that of many."""
    channels = 65
    many, one = Cusum(coefficients(TWO), channels), Cusum(coefficients(TWO), 1)
    for energy in np.random.default_rng(4).exponential(1.5, 300).tolist():
        most = many.step(np.full(channels, energy), (1000,) * channels)
        assert most == one.step(np.array([energy]), (1000,))
        assert many.evidence().tolist() == [one.evidence()[0]] * channels


def test_channels_do_not_touch_each_other_and_thresholds_may_change() -> None:
    detector = Cusum(coefficients(TWO), 3)
    energies = np.random.default_rng(1).exponential(1.5, (300, 3))
    thresholds = [(900, 1000, 1700)] * 150 + [(2000, 1000, 700)] * 150
    together = np.array(
        [detector.run(e, on).copy() for e, on in zip(energies, thresholds, strict=True)]
    )
    for channel in range(3):
        alone = Cusum(coefficients(TWO), 1)
        for n, (energy, on) in enumerate(zip(energies, thresholds, strict=True)):
            assert (
                alone.run(energy[channel : channel + 1], on[channel : channel + 1])[0]
                == together[n, channel]
            )


def test_restart_forgets() -> None:
    detector = Cusum(coefficients(TWO), 1)
    energies = np.random.default_rng(2).exponential(1.5, (50, 1))
    first = [float(detector.run(e, (1000,))[0]) for e in energies]
    detector.restart()
    assert [float(detector.run(e, (1000,))[0]) for e in energies] == first


@given(st.integers(-6, 6))
def test_scale(power: int) -> None:
    energies = np.random.default_rng(3).exponential(1.5, 200).tolist()
    factor = 2.0**power
    plain = run(TWO, energies, 8.0)
    scaled = run(TWO, [uv2 * factor**2 for uv2 in energies], 8.0 * factor)
    assert scaled == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize(
    "speed",
    [
        (0.0, 1.0, 2.0),
        (1.0, 0.0, 2.0),
        (1.0, 2.0, 2.0),
        (1.0, 2.0),
        (math.inf, 1.0, 2.0),
        (1.0, 1.0, math.nan),
    ],
)
def test_a_speed_that_is_none_is_refused(speed: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be a ratio, evidence and a longer memory"):
        coefficients((speed,))


def test_a_threshold_as_high_as_can_be_is_never_reached() -> None:
    """Its square is beyond an integer of numpy."""
    assert Cusum(coefficients(ONE), 1).step(np.array([1e9]), (2**53,)) == FLOOR


def test_a_threshold_for_each_channel_and_no_more() -> None:
    with pytest.raises(ValueError, match="2 thresholds for 1 channels"):
        Cusum(coefficients(ONE), 1).step(np.zeros(1), (1000, 1000))


def test_each_channel_may_have_its_own_ratios() -> None:
    """As if each ran alone with its own speeds."""
    rng = np.random.default_rng(5)
    energy_uv2 = rng.chisquare(1, (300, 2)) * np.where(np.arange(300)[:, None] > 150, 3.0, 0.8)
    ratios = ((1.0, 1.25), (1.1, 2.0))
    together = Cusum(replace(coefficients(TWO), channel_ratios=ratios), 2)
    alone = [
        Cusum(coefficients(tuple((r, *s[1:]) for r, s in zip(one, TWO, strict=True))), 1)
        for one in ratios
    ]
    for hop in energy_uv2:
        evidence = together.run(hop, (1000, 1200))
        wanted = [
            one.run(hop[n : n + 1], (on_nv,))[0]
            for n, (one, on_nv) in enumerate(zip(alone, (1000, 1200), strict=True))
        ]
        assert evidence.tolist() == wanted


def test_ratios_of_other_channels_are_refused() -> None:
    three = replace(coefficients(TWO), channel_ratios=((1.0, 1.25),) * 3)
    with pytest.raises(ValueError, match="channel_ratios are of 3 channels, must be 2"):
        Cusum(three, 2)


@pytest.mark.parametrize("ratios", [(1.0,), (1.0, 0.0), (1.0, math.inf), (1.0, math.nan), ()])
def test_ratios_that_are_none_are_refused(ratios: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be 2 finite numbers above 0"):
        replace(coefficients(TWO), channel_ratios=(ratios,))


def test_ratios_of_channels_survive_json() -> None:
    made = replace(coefficients(TWO), channel_ratios=((1.0, 1.25), (1.1, 2.0)))
    assert ChainCoefficients.from_dict(json.loads(json.dumps(made.to_dict()))) == made
