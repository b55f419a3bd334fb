"""Chunks of any length in, hops of one length out.

LSL hands over whatever has arrived: 0 samples, 1, or 500 after a hiccup. Everything after this file
sees hops of a fixed number of samples, so what nmesd decides depends on the samples and not on how
they were delivered, bit for bit, and every step costs the same.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Chunk = NDArray[np.float32] | NDArray[np.float64]


class HopCutter:
    """Cuts chunks into hops, and keeps the samples that do not fill one until the next chunk."""

    __slots__ = ("_held", "_hop")

    def __init__(self, hop_samples: int, channels: int) -> None:
        """Allocate the one hop that is filled again and again.

        Raises:
            ValueError: fewer than one sample or channel.
        """
        if hop_samples < 1 or channels < 1:
            raise ValueError(
                f"a hop of {hop_samples} samples x {channels} channels: 1 is the least"
            )
        self._hop: NDArray[np.float64] = np.zeros((hop_samples, channels))
        self._held = 0

    @property
    def held(self) -> int:
        """Samples kept for the next hop, 0 to hop_samples - 1 between calls of `cut`."""
        return self._held

    def cut(self, chunk: Chunk) -> Iterator[NDArray[np.float64]]:
        """Yield each hop that `chunk` completes.

        Run the iterator to its end: what it has not reached of the chunk is lost.

        Args:
            chunk: (n, channels), n >= 0, float32 or float64 in any memory layout. Every float32 is
                a float64 exactly, so both give the same hops.

        Yields:
            (hop_samples, channels) float64, C order. The same memory each time: valid until the
            next one.

        Raises:
            ValueError: the chunk does not have this number of channels. Nothing of it is kept.
        """
        hop, (hop_samples, channels) = self._hop, self._hop.shape
        # Without this check numpy would broadcast a (n, 1) chunk over all channels without a word.
        if chunk.shape[1:] != (channels,):
            raise ValueError(f"chunk has shape {chunk.shape}, must be (samples, {channels})")
        taken, samples = 0, len(chunk)
        while taken < samples:
            count = min(hop_samples - self._held, samples - taken)
            hop[self._held : self._held + count] = chunk[taken : taken + count]
            taken += count
            self._held += count
            if self._held == hop_samples:
                self._held = 0
                yield hop

    def clear(self) -> None:
        """Drop what is kept: samples from before a gap must not share a hop with those after it."""
        self._held = 0
