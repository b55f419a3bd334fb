"""From rest, and from best efforts, to a threshold: in any of the four units a person may think in.

    microvolts                 as they are
    scales above rest          median + k x (90th percentile - median) / 1.2816
    percent of MVC             of the strongest half second of the best efforts
    false triggers a minute    what rest alone would give (`dsp.tail`)

The first three say nothing about false triggers, so the rate to be expected is given with every one.
What is counted is always the *critical level*: the highest threshold at which half a second of rest
would have fired, found by running the detector itself over it at a row of thresholds. So a threshold
means the same in all units and for either detector. Median and 90th percentile instead of mean and
standard deviation: rest is skewed, and its textbook multiples do not carry over from one person to the
next (3 gave 5 to 14 false detections a minute; 5, 10 and 20 were needed in three).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

import numpy as np

from dsp.coefficients import ChainCoefficients
from dsp.critical import critical_levels
from dsp.measured import Measured
from dsp.tail import BLOCK_S, LEAST_BLOCKS, Tail

Unit = Literal["uv", "scales", "percent_mvc", "false_per_min"]

LEAST_UV: Final = 0.25
"""No threshold lies lower: the least the NeuroMove NM900 detects in its most sensitive mode (manual
p. 23). Without it a dead channel would get a threshold that silence meets."""

EFFORT_S: Final = 0.5
"""An effort counts as strong as the strongest half second of it."""

_GAUSSIAN_90: Final = 1.2816  # the 90th percentile of the standard normal distribution
_RELAXED_SHARE: Final = 0.95  # of the half seconds of rest are wholly below the off threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of one muscle. `critical_uv` is its rest, a number for each block of half a second."""

    critical_uv: tuple[float, ...]
    relaxed_uv: float
    """Below this the envelope of rest stays for half a second in 95 of 100."""
    mvc_uv: float = 0.0
    """Strongest half second, microvolts r.m.s.; 0: no effort was recorded."""
    ratios: tuple[float, ...] = ()
    """Of each speed's threshold to the on threshold (`dsp.cusum`); empty: it was for the envelope."""
    block_s: float = BLOCK_S
    """What `critical_uv` are of, seconds."""

    @property
    def tail(self) -> Tail:
        """How often rest fires. Raises ValueError as `Tail.of`."""
        return Tail.of(self.critical_uv, self.block_s)

    def on_uv(self, unit: Unit, value: float) -> float:
        """The threshold in microvolts. Raises ValueError if it cannot be said in this unit."""
        if unit == "uv":
            on_uv = value
        elif unit == "false_per_min":
            on_uv = self.tail.level_uv(value)
        elif unit == "scales":
            median, upper = np.percentile(self.critical_uv, (50, 90))
            on_uv = float(median + value * (upper - median) / _GAUSSIAN_90)
        elif self.mvc_uv:
            on_uv = self.mvc_uv * value / 100
        else:
            raise ValueError("a threshold in % of MVC needs an effort: calibrate with efforts")
        return max(on_uv, LEAST_UV)

    def off_uv(self, on_uv: float) -> float:
        """Where the muscle counts as relaxed: never above the on threshold."""
        return min(max(self.relaxed_uv, LEAST_UV / 2), on_uv)

    def to_dict(self) -> dict[str, Any]:
        """Give the fields by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Invert `to_dict`. Raises TypeError or ValueError on anything else."""
        rows = {key: tuple(map(float, fields[key])) for key in ("critical_uv", "ratios")}
        return cls(**{**fields, **rows})

    def fit(self, coefficients: ChainCoefficients) -> ChainCoefficients:
        """The chain with the ratios of this rest. Raises ValueError if it has other speeds."""
        if len(self.ratios) != len(coefficients.cusum):
            raise ValueError(
                f"{len(self.ratios)} ratios for {len(coefficients.cusum)} speeds of the CUSUM: calibrate again"
            )
        return coefficients.with_ratios(self.ratios)


def calibrate(
    measured: Measured,
    rest: Sequence[tuple[int, int]],
    efforts: Sequence[tuple[int, int]],
    coefficients: ChainCoefficients,
    least_block_s: float = BLOCK_S,
) -> Calibration:
    """From spans of hops at rest and spans of best effort (none: no MVC).

    `least_block_s` of `SHORT_BLOCK_S` lets half as much rest do, with shorter blocks.

    Raises:
        ValueError: too little rest, or rest that is no muscle's.
    """
    block_s, blocks = BLOCK_S, _blocks(measured, rest, BLOCK_S)
    if len(blocks) < LEAST_BLOCKS and least_block_s < BLOCK_S:
        block_s, blocks = least_block_s, _blocks(measured, rest, least_block_s)
    if len(blocks) < LEAST_BLOCKS:
        raise ValueError(
            f"{len(blocks) * block_s:g} s of clean rest, must be at least "
            f"{LEAST_BLOCKS * block_s:g} s: rest longer"
        )
    envelope_uv = [float(measured.envelope_nv[a:b].max()) / 1000 for a, b in blocks]
    critical_uv, ratios = critical_levels(measured, blocks, coefficients, block_s)
    effort = max(1, round(EFFORT_S / measured.hop_s))
    strongest = [
        measured.rms_uv(start, start + effort)
        for first, last in efforts
        for start in range(first, last - effort + 1, max(1, effort // 10))
    ]
    calibration = Calibration(
        critical_uv=tuple(round(max(uv, 1e-6), 6) for uv in critical_uv),
        relaxed_uv=round(float(np.percentile(envelope_uv, 100 * _RELAXED_SHARE)), 6),
        mvc_uv=round(max(strongest, default=0.0), 6),
        ratios=ratios,
        block_s=block_s,
    )
    _ = calibration.tail  # says what is wrong with the rest, if anything is
    return calibration


def _blocks(
    measured: Measured, rest: Sequence[tuple[int, int]], block_s: float
) -> list[tuple[int, int]]:
    """Spans of hops, each wholly at rest and wholly measured."""
    block = max(1, round(block_s / measured.hop_s))
    return [
        (start, start + block)
        for first, last in rest
        for start in range(first, last - block + 1, block)
        if not np.isnan(measured.energy_uv2[start : start + block]).any()
    ]
