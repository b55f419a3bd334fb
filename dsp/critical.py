"""The critical level of a block of rest: the highest threshold at which it would have fired.

Found by running the detector itself over it at a row of thresholds, or, with the envelope, read off.

Rest also says how the speeds of the CUSUM stand to each other. In Gaussian noise the fast one needs a
threshold 1.25 times as high to be as rarely wrong as the slow one; where single spikes stand out of rest
it needs more, and with less it alone would set the threshold of both. So each gets its own critical
levels and its own ratio, at which both are expected to be wrong equally often.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dsp.blocks import Array
from dsp.coefficients import ChainCoefficients
from dsp.cusum import FULL, Cusum
from dsp.measured import Measured
from dsp.tail import Tail

EQUAL_PER_MIN: Final = 1.0
"""The rate at which the speeds are made equally rare."""

MOST_RATIO: Final = 4.0
"""Of a speed's threshold to the slowest one's: beyond, that speed has nothing to say."""

_AT_ONCE: Final = 32  # blocks: with more the arrays leave the cache
_LEVELS: Final = np.geomspace(
    0.5, 32.0, 420
)  # of the rest's r.m.s.: 1 % apart, a tail is some 4 % wide


def critical_levels(
    measured: Measured,
    blocks: Sequence[tuple[int, int]],
    coefficients: ChainCoefficients,
    block_s: float,
) -> tuple[list[float], tuple[float, ...]]:
    """Microvolts of each block, and the ratios of the CUSUM's speeds they hold for (none for the envelope).

    Raises:
        ValueError: the blocks are no muscle's (`Tail.of`).
    """
    if not coefficients.cusum:
        hops = coefficients.min_hops
        return [_held(measured.envelope_nv[a:b], hops) / 1000 for a, b in blocks], ()
    each = [_critical(measured, blocks, one) for one in _alone(coefficients)]
    ratios = _equally_rare(each, [speed[0] for speed in coefficients.cusum], block_s)
    levels = [
        max(uv / r for uv, r in zip(of, ratios, strict=True)) for of in zip(*each, strict=True)
    ]
    return levels, ratios


def _held(envelope_nv: NDArray[np.int64], hops: int) -> float:
    """The highest level that the envelope keeps for so many hops."""
    windows = np.lib.stride_tricks.sliding_window_view(envelope_nv, min(hops, len(envelope_nv)))
    return float(windows.min(axis=1).max())


def _alone(coefficients: ChainCoefficients) -> list[ChainCoefficients]:
    """A chain for each speed, at the on threshold itself."""
    return [replace(coefficients, cusum=((1.0, *rest),)) for _, *rest in coefficients.cusum]


def _equally_rare(
    each: Sequence[Sequence[float]], least: Sequence[float], block_s: float
) -> tuple[float, ...]:
    """The first speed's ratio as it is; the others' from their tails, at least what Gaussian noise asks for."""
    tails = [Tail.of([max(uv, 1e-6) for uv in of], block_s) for of in each]
    levels = [tail.level_uv(EQUAL_PER_MIN) for tail in tails]
    return (
        least[0],
        *(
            round(min(max(least[0] * level / levels[0], low), MOST_RATIO), 3)
            for level, low in zip(levels[1:], least[1:], strict=True)
        ),
    )


def _critical(
    measured: Measured, blocks: Sequence[tuple[int, int]], coefficients: ChainCoefficients
) -> list[float]:
    """The highest threshold at which each block begins to fire.

    Blocks and thresholds are channels of one detector, so that all run at once. A block begins with the evidence
    of the one before it, where there is one: more than that no speed remembers.
    """
    middle_uv = float(np.median([measured.rms_uv(a, b) for a, b in blocks]))
    levels_nv = tuple(np.rint(1000 * middle_uv * _LEVELS).astype(np.int64).clip(1).tolist())
    hops = blocks[0][1] - blocks[0][0]
    ends = {b for _, b in blocks}
    critical = []
    for first in range(0, len(blocks), _AT_ONCE):
        some = blocks[first : first + _AT_ONCE]
        energy_uv2 = np.zeros((2 * hops, len(some)))
        for column, (a, b) in enumerate(some):
            energy_uv2[hops:, column] = measured.energy_uv2[a:b]
            if a in ends:
                energy_uv2[:hops, column] = measured.energy_uv2[a - hops : a]
        began = _begins(energy_uv2, levels_nv, coefficients).reshape(len(some), len(levels_nv))
        critical += [levels_nv[int(np.flatnonzero(of).max(initial=0))] / 1000 for of in began]
    return critical


def _begins(
    energy_uv2: Array, levels_nv: tuple[int, ...], coefficients: ChainCoefficients
) -> NDArray[np.bool_]:
    """Whether each block begins to fire in its second half, at each level: (blocks x levels,)."""
    hops, blocks = energy_uv2.shape
    detector, on_nv = Cusum(coefficients, blocks * len(levels_nv)), levels_nv * blocks
    began, before = (np.zeros(len(on_nv), dtype=np.bool_) for _ in range(2))
    for hop in range(hops):
        now = detector.run(np.repeat(energy_uv2[hop], len(levels_nv)), on_nv) >= FULL
        if hop >= hops // 2:
            began |= now & ~before
        before = now
    return began
