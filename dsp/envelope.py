"""The envelope: how strong the filtered EMG is at the last sample of a hop. Microvolts in, nanovolts out."""

from typing import Final, Protocol

import numpy as np

from dsp.blocks import Array, BlockFilter
from dsp.coefficients import ChainCoefficients

_NV_PER_UV: Final = 1000.0


class Envelope(Protocol):
    """What turns filtered hops into one value a hop."""

    def run(self, filtered: Array) -> Array:
        """Take a hop (hop_samples, channels) of microvolts, which may be overwritten; give nanovolts, (channels,).

        The result is the envelope's own memory: valid until the next call.
        """

    def restart(self) -> None:
        """Forget everything: as if the input had been zero for ever."""


class Lowpass:
    """Rectified, then low-passed: the linear envelope. It may undershoot a little below zero."""

    __slots__ = ("_filter", "_zero")

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        hop_samples = coefficients.hop_samples
        self._filter = BlockFilter(coefficients.envelope_sos, hop_samples, channels, _NV_PER_UV)
        self._zero = np.zeros(channels)

    def run(self, filtered: Array) -> Array:
        np.absolute(filtered, self._filter.input)
        last: Array = self._filter.advance()[-1]
        return last

    def restart(self) -> None:
        self._filter.prime(self._zero)


class MovingRms:
    """The root of the mean square over the last `rms_hops` hops, zeros before the first.

    Keeps one sum of squares a hop and adds all of them up anew each hop, always in the order of
    their places in the ring. A running sum would be cheaper, and would drift: what is added and
    later taken away again does not cancel to the bit after a large artefact has passed through.
    """

    __slots__ = ("_mean", "_oldest", "_per_sample", "_ring")

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        self._ring = np.zeros((coefficients.rms_hops, channels))
        self._oldest = 0
        samples = coefficients.rms_hops * coefficients.hop_samples
        self._per_sample = samples / _NV_PER_UV**2
        self._mean = np.zeros(channels)

    def run(self, filtered: Array) -> Array:
        np.multiply(filtered, filtered, out=filtered)
        np.add.reduce(filtered, axis=0, out=self._ring[self._oldest])
        self._oldest = (self._oldest + 1) % len(self._ring)
        np.add.reduce(self._ring, axis=0, out=self._mean)
        np.divide(self._mean, self._per_sample, out=self._mean)
        np.sqrt(self._mean, out=self._mean)
        return self._mean

    def restart(self) -> None:
        self._ring.fill(0.0)
        self._oldest = 0
