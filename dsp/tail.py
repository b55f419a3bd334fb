"""How often would rest alone fire? From the blocks of a rest recording to false triggers a minute.

Rest is cut into blocks of half a second. In each, the *critical level* is the highest threshold at
which it would have fired. A threshold fires in as many blocks as have a critical level above it, so the
rate of false triggers is the upper tail of the critical levels (block maxima), and the little that must
be said beyond the recording is read off the tail's shape:

    The logarithms y of the upper third of the critical levels, counted from the smallest of them, are
    taken for exponential: any tail is, far enough out (Pickands 1975, doi 10.1214/aos/1176343003, with
    shape 0). Of N blocks, n lie above u; the largest, one in twenty, may be involuntary and count only
    as "above the largest of the others" (type II censoring): m = n - N // 20 are looked at.

    total = sum of the m (y - u), and for each censored one that of the largest of the m
    P(block fires at y) = n/N (1 + (y - u) / total)**-m

The last is the exponential tail with its unknown scale averaged over what the data leave possible
(Gamma posterior, prior 1/scale: a Lomax distribution). So a short rest asks for a higher threshold,
because less is known, and not a lower one by chance.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

BLOCK_S: Final = 0.5
"""Seconds. Longer than the memory of the detector, and short enough for ten in a short rest."""

SHORT_BLOCK_S: Final = 0.25
"""For recordings with hardly any rest: still twice the memory of the slow speed."""

LEAST_BLOCKS: Final = 12
"""Six seconds: four blocks in the upper third. With fewer the scale is anybody's guess."""

_UPPER: Final = 3  # one block in so many is tail
_CENSORED: Final = 20  # one in so many may be an involuntary burst
_S_PER_MIN: Final = 60.0
_NORMAL_90: Final = 1.6449  # of the standard normal distribution: 5 % above


class Tail(NamedTuple):
    """The tail of one channel's rest. All in logarithms of microvolts but for the counts."""

    blocks: int
    above: int  # n
    seen: int  # m
    from_log: float  # u
    total_log: float
    block_s: float = BLOCK_S

    @classmethod
    def of(cls, critical_uv: Sequence[float], block_s: float = BLOCK_S) -> Self:
        """From the critical level of every block, microvolts.

        Raises:
            ValueError: fewer than `LEAST_BLOCKS`, or not above 0, or all the same.
        """
        blocks = len(critical_uv)
        if blocks < LEAST_BLOCKS:
            raise ValueError(
                f"rest is {blocks * block_s:g} s, must be at least {LEAST_BLOCKS * block_s:g} s: "
                "rest longer"
            )
        if not min(critical_uv) > 0:
            raise ValueError("a stretch of rest is silent (0 uV): is the electrode connected?")
        logs = sorted(math.log(uv) for uv in critical_uv)
        above, censored = blocks // _UPPER, blocks // _CENSORED
        start = logs[blocks - above - 1]
        excess = [log - start for log in logs[blocks - above : blocks - censored]]
        total = sum(excess) + censored * excess[-1]
        if not total > 0:
            raise ValueError("every stretch of rest is the same: is it a recording of a muscle?")
        return cls(blocks, above, len(excess), start, total, block_s)

    @property
    def most_per_min(self) -> float:
        """Where the tail begins: every block above it fires."""
        return _S_PER_MIN / self.block_s * self.above / self.blocks

    def false_per_min(self, level_uv: float) -> float:
        """The rate to be expected at a threshold. Below the tail: at most every block fires."""
        beyond = (math.log(level_uv) - self.from_log) / self.total_log
        return float(self.most_per_min * (1.0 + max(0.0, beyond)) ** -self.seen)

    def interval_per_min(self, level_uv: float) -> tuple[float, float]:
        """Where that rate lies nine times in ten, as far as the scale of the tail goes.

        The scale is total / Gamma(m); quantiles of the Gamma by Wilson and Hilferty (1931).
        """
        beyond = max(0.0, (math.log(level_uv) - self.from_log) / self.total_log)
        m = self.seen
        low, high = (
            m * (1.0 - 1.0 / (9.0 * m) + z / (3.0 * math.sqrt(m))) ** 3
            for z in (_NORMAL_90, -_NORMAL_90)
        )
        return self.most_per_min * math.exp(-beyond * low), self.most_per_min * math.exp(
            -beyond * high
        )

    def level_uv(self, false_per_min: float) -> float:
        """The threshold at which this rate is to be expected. Inverse of `false_per_min`."""
        beyond = max(0.0, (self.most_per_min / false_per_min) ** (1.0 / self.seen) - 1.0)
        return math.exp(self.from_log + self.total_log * beyond)
