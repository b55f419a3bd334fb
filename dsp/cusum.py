"""Page's CUSUM on the power of the filtered EMG: has it been above the threshold's, and for how long?

One *speed* is a row of three numbers: a ratio, an amount of evidence H and a memory T, both in hops.
With x the mean square of a filtered hop over the square of (ratio x on threshold):

    S = S (1 - 1/T) + x - (1 - H/T),  held between 0 and H;  it fires while S = H

Every hop brings evidence for an attempt or against it, and evidence older than T hardly counts. A
steady x brings S to H + T (x - 1): what stays above the threshold fires in the end, what stays below
never does, and what is far above fires at once, after about H / x hops. As T goes to infinity this is Page's
test for a rise in the variance of Gaussian noise (Page 1954, doi 10.2307/2333009), which no other test
of the same false-alarm rate beats in the worst case (Moustakides 1986, doi 10.1214/aos/1176350164); at
T = H it is a one-pole envelope of the power. The memory is bounded because rest wanders: a plain CUSUM
adds up seconds of slightly more tone until it fires.

Kept is A = (S + T - H) / T, for which nothing has to be taken off each hop: the one-pole average of x,

    A = A (1 - 1/T) + x / T,  held between 1 - H/T and 1; it fires while A = 1

A test is best for one strength of attempt: a long one for weak, a short one for strong. Two run side
by side, and either may fire (`SPEEDS_MS`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from dsp.blocks import Array
from dsp.coefficients import ChainCoefficients

FULL: Final = 1.0
"""Evidence that fires, of every speed."""

_NV2_PER_UV2: Final = 1e6
_FEW: Final = 128  # numbers: up to so many Python finds the largest sooner than numpy


class Cusum:
    """The evidence of every speed and channel. Raises ValueError: ratios of another number of channels."""

    __slots__ = (
        "_channels",
        "_evidence",
        "_few",
        "_flat",
        "_floor",
        "_full",
        "_gain",
        "_keep",
        "_on_nv",
        "_unit",
        "_x",
    )

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        """Run the speeds of `coefficients.cusum`, at least one."""
        ratio, needed, memory = np.array(coefficients.cusum).T[:, :, None]
        if coefficients.channel_ratios:
            ratio = np.array(coefficients.channel_ratios).T
            if ratio.shape[1] != channels:
                raise ValueError(
                    f"channel_ratios are of {ratio.shape[1]} channels, must be {channels}"
                )
        self._unit = _NV2_PER_UV2 / (coefficients.hop_samples * memory * ratio**2)
        # One number for each speed and channel: arrays of one shape need no broadcasting, half a ufunc's cost.
        shape = (len(ratio), channels)
        self._keep = np.broadcast_to(1.0 - 1.0 / memory, shape).copy()
        self._floor = np.broadcast_to(1.0 - needed / memory, shape).copy()
        self._gain = np.zeros(shape)
        self._x = np.zeros(shape)
        self._evidence = self._floor.copy()
        self._flat = self._evidence.ravel()  # a view
        self._few = self._flat.size <= _FEW
        self._full = np.full(shape, FULL)
        self._channels = channels
        self._on_nv: tuple[int, ...] = ()

    def step(self, energy_uv2: Array, on_nv: Sequence[int]) -> float:
        """Take one hop; give the evidence of the channel that has most: it fires from `FULL`.

        Args:
            energy_uv2: (channels,) the sum of squares of the hop's filtered samples; or a row of them for each
                speed, all the same, which costs half (no broadcasting).
            on_nv: the on threshold of each channel, nanovolts r.m.s., above 0.

        Raises:
            ValueError: not one threshold a channel.
        """
        if on_nv != self._on_nv:
            if len(on_nv) != self._channels:
                raise ValueError(f"{len(on_nv)} thresholds for {self._channels} channels")
            self._on_nv = tuple(on_nv)
            np.divide(self._unit, np.square(np.array(on_nv, dtype=np.float64)), out=self._gain)
        evidence = self._evidence
        np.multiply(self._gain, energy_uv2, self._x)
        np.multiply(evidence, self._keep, evidence)
        np.add(evidence, self._x, evidence)
        np.maximum(evidence, self._floor, out=evidence)
        most = max(self._flat.tolist()) if self._few else float(self._flat.max())
        if most >= FULL:
            np.minimum(evidence, self._full, out=evidence)
        return most

    def evidence(self) -> Array:
        """(channels,) of the last hop: A of the speed that has most, up to `FULL`."""
        most: Array = np.maximum.reduce(self._evidence)
        return most

    def run(self, energy_uv2: Array, on_nv: Sequence[int]) -> Array:
        """`step`, and the `evidence` after it."""
        self.step(energy_uv2, on_nv)
        return self.evidence()

    def restart(self) -> None:
        """Forget all evidence."""
        np.copyto(self._evidence, self._floor)
