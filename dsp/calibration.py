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
from typing import Any, Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dsp.blocks import Array
from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.cusum import FULL, Cusum
from dsp.hops import HopCutter
from dsp.tail import BLOCK_S, LEAST_BLOCKS, Tail

Unit = Literal["uv", "scales", "percent_mvc", "false_per_min"]

LEAST_UV: Final = 0.25
"""No threshold lies lower: the least the NeuroMove NM900 detects in its most sensitive mode (manual
p. 23). Without it a dead channel would get a threshold that silence meets."""

EFFORT_S: Final = 0.5
"""An effort counts as strong as the strongest half second of it."""

_GAUSSIAN_90: Final = 1.2816  # the 90th percentile of the standard normal distribution
_LEVELS: Final = np.geomspace(0.5, 32.0, 170)  # of the rest's r.m.s.: 2.5 % apart
_RELAXED_SHARE: Final = 0.95  # of the half seconds of rest are wholly below the off threshold


class Measured(NamedTuple):
    """A channel of a recording after the chain, one value a hop."""

    energy_uv2: Array
    """Sum of squares of the filtered samples; NaN where the hop was refused or the chain settled."""
    envelope_nv: NDArray[np.int64]
    flags: NDArray[np.int64]
    hop_s: float
    hop_samples: int

    def rms_uv(self, first: int, last: int) -> float:
        """Over hops, those that are no measurement left out."""
        return float(np.sqrt(np.nanmean(self.energy_uv2[first:last]) / self.hop_samples))


def measure(emg_uv: Array, coefficients: ChainCoefficients) -> Measured:
    """Run one channel, (samples,) microvolts, through the chain that runs live."""
    chain = Chain(coefficients, 1)
    never = (2**53,)
    energy, envelope, flags = [], [], []
    for hop in HopCutter(coefficients.hop_samples, 1).cut(emg_uv.reshape(-1, 1)):
        value = chain.run(hop, never, never)
        energy.append(float("nan") if value.flags else float(chain.energy_uv2[0]))
        envelope.append(value.envelope_nv[0])
        flags.append(value.flags)
    return Measured(
        np.array(energy),
        np.array(envelope, dtype=np.int64),
        np.array(flags, dtype=np.int64),
        coefficients.hop_samples * 1000 / coefficients.rate_mhz,
        coefficients.hop_samples,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of one muscle. `critical_uv` is its rest, a number for each half second."""

    critical_uv: tuple[float, ...]
    relaxed_uv: float
    """Below this the envelope of rest stays for half a second in 95 of 100."""
    mvc_uv: float = 0.0
    """Strongest half second, microvolts r.m.s.; 0: no effort was recorded."""

    @property
    def tail(self) -> Tail:
        """How often rest fires. Raises ValueError as `Tail.of`."""
        return Tail.of(self.critical_uv)

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
        return cls(**{**fields, "critical_uv": tuple(map(float, fields["critical_uv"]))})


def calibrate(
    measured: Measured,
    rest: Sequence[tuple[int, int]],
    efforts: Sequence[tuple[int, int]],
    coefficients: ChainCoefficients,
) -> Calibration:
    """From spans of hops at rest and spans of best effort (none: no MVC).

    Raises:
        ValueError: too little rest, or rest that is no muscle's.
    """
    block = max(1, round(BLOCK_S / measured.hop_s))
    blocks = [
        (start, start + block)
        for first, last in rest
        for start in range(first, last - block + 1, block)
        if not np.isnan(measured.energy_uv2[start : start + block]).any()
    ]
    if len(blocks) < LEAST_BLOCKS:
        raise ValueError(
            f"{len(blocks) * BLOCK_S:g} s of clean rest, must be at least "
            f"{LEAST_BLOCKS * BLOCK_S:g} s: rest longer"
        )
    envelope_uv = [float(measured.envelope_nv[a:b].max()) / 1000 for a, b in blocks]
    critical_uv = (
        _critical(measured, blocks, coefficients)
        if coefficients.cusum
        else [_held(measured.envelope_nv[a:b], coefficients.min_hops) / 1000 for a, b in blocks]
    )
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
    )
    _ = calibration.tail  # says what is wrong with the rest, if anything is
    return calibration


def _held(envelope_nv: NDArray[np.int64], hops: int) -> float:
    """The highest level that the envelope keeps for so many hops."""
    windows = np.lib.stride_tricks.sliding_window_view(envelope_nv, min(hops, len(envelope_nv)))
    return float(windows.min(axis=1).max())


def _critical(
    measured: Measured, blocks: Sequence[tuple[int, int]], coefficients: ChainCoefficients
) -> list[float]:
    """The highest threshold at which each block begins to fire. The thresholds are channels of one detector."""
    middle_uv = float(np.median([measured.rms_uv(a, b) for a, b in blocks]))
    levels_nv = tuple(np.rint(1000 * middle_uv * _LEVELS).astype(np.int64).clip(1).tolist())
    detector = Cusum(coefficients, len(levels_nv))
    spread, critical, before_end = np.zeros(len(levels_nv)), [], -1
    fired = np.zeros(len(levels_nv), dtype=np.bool_)
    for a, b in blocks:
        if a != before_end:
            detector.restart()
            fired[:] = False
        began = np.zeros(len(levels_nv), dtype=np.bool_)
        for energy_uv2 in measured.energy_uv2[a:b]:
            spread.fill(energy_uv2)
            now = detector.run(spread, levels_nv) >= FULL
            began |= now & ~fired
            fired = now
        before_end = b
        index = int(np.flatnonzero(began).max(initial=0))
        critical.append(levels_nv[index] / 1000)
    return critical
