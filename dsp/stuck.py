"""Is the amplifier still measuring? Watches each channel for full scale and for standing still.

An electrode that came off, an input driven to its rail, a converter that stopped and a sender that
repeats its last value all look like a muscle at rest to an envelope: a standing voltage, filtered
away. So the raw samples are looked at, with every sample of every hop, also while the filters
settle.

A stimulation pulse may drive an amplifier to its rail for a moment, and that moment may pass: it
lasts as long as the pulse, 1 ms or less, in an amplifier fit to stand beside a stimulator. One that
stays there for three hops is blind after each pulse, and is flagged on purpose.
"""

import math
from operator import eq
from typing import Final

import numpy as np

from dsp.blocks import Array
from dsp.coefficients import ChainCoefficients
from dsp.quality import CLIPPED, FLAT, RAILED

RAIL_SHARE: Final = 0.98
"""Of full scale: amplifiers clip a little short of their nominal range. HEROES, which stimulates on
surface EMG as well, takes the same share (`emg_rail` in its supervisor)."""

RAIL_HOPS: Final = 3
"""Hops wholly at the rail, one after the other, and so at least 3 samples: one may be a spike. At
1 kHz and with chunks of 4 ms the third is heard at most 5 ms after the first."""

CLIPS: Final = 3
CLIP_S: Final = 0.1
"""So many hops that touch full scale within so long are clipping: the EMG's peaks are cut off, and one
may be a spike."""

_ROUNDING: Final = 0.99
"""Room for the rounding of a sum of squares, which depends on the BLAS; flags must not."""


class StuckWatch:
    """Counts, per channel, the hops it has been at the rail and those it has not moved."""

    __slots__ = (
        "_clip_hops", "_clipped_until", "_flat_hops", "_last_uv", "_nowhere", "_rail_uv", "_rail_uv2",
        "_railed", "_still", "_touched", "_watch_hops",
    )  # fmt: skip

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        """Watch what `coefficients` say: neither where `rail_uv` and `flat_hops` are 0."""
        self._rail_uv = RAIL_SHARE * coefficients.rail_uv
        self._rail_uv2 = _ROUNDING * self._rail_uv**2 or math.inf
        hop_s = coefficients.hop_samples * 1000 / coefficients.rate_mhz
        self._clip_hops = round(CLIP_S / hop_s)
        self._watch_hops = coefficients.watch_hops
        self._clipped_until = 0
        self._touched: tuple[int, ...] = ()
        self._flat_hops = coefficients.flat_hops or math.inf
        self._nowhere = [0] * channels
        self.restart()

    def restart(self) -> None:
        """Forget what was counted."""
        self._railed = self._still = self._nowhere
        self._last_uv = [math.nan] * len(self._nowhere)

    def run(self, number: int, hop: Array, energy_uv2: float) -> int:
        """Flags of this hop: RAILED, FLAT, CLIPPED.

        Args:
            number: of the hop; one more each time.
            hop: (hop_samples, channels) microvolts, all finite.
            energy_uv2: the sum of its squares. A sample at the rail alone would reach it, so that
                nearly every hop is known to be off the rail by one comparison.
        """
        flags = 0
        if energy_uv2 >= self._rail_uv2:
            size_uv = np.abs(hop)
            if size_uv.max() >= self._rail_uv:
                self._touch(number)
            least_uv = size_uv.min(axis=0).tolist()
            self._railed = [
                hops + 1 if uv >= self._rail_uv else 0
                for hops, uv in zip(self._railed, least_uv, strict=True)
            ]
            flags = RAILED if max(self._railed) >= RAIL_HOPS else 0
        else:
            self._railed = self._nowhere
        last_uv = hop[-1].tolist()
        # The ends of two hops are seldom the same; only then is the inside looked at.
        if any(map(eq, last_uv, self._last_uv)):
            self._still = [
                hops + 1 if now == before and (hop[:, channel] == now).all() else 0
                for channel, (hops, now, before) in enumerate(
                    zip(self._still, last_uv, self._last_uv, strict=True)
                )
            ]
        else:
            self._still = self._nowhere
        self._last_uv = last_uv
        if number < self._clipped_until:
            flags |= CLIPPED
        if self._still is not self._nowhere and max(self._still) >= self._flat_hops:
            flags |= FLAT
        return flags

    def _touch(self, number: int) -> None:
        self._touched = (*self._touched, number)[-CLIPS:]
        if len(self._touched) == CLIPS and number - self._touched[0] < self._clip_hops:
            self._clipped_until = number + self._watch_hops
