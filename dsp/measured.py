"""A recording of one channel after the chain that runs live: what rest and efforts are judged by."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.blocks import Array
from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter

_TELL_HOPS: Final = 4096
_HUM_HOPS: Final = 64


class Measured(NamedTuple):
    """A channel of a recording after the chain, one value a hop."""

    energy_uv2: Array
    """Sum of squares of the filtered samples; NaN where the hop was refused or the chain settled."""
    envelope_nv: NDArray[np.int64]
    flags: NDArray[np.int64]
    hum_share: Array
    """Of what the filters leave: the share that is mains hum."""
    hop_s: float
    hop_samples: int

    def rms_uv(self, first: int, last: int) -> float:
        """Over hops, those that are no measurement left out."""
        return float(np.sqrt(np.nanmean(self.energy_uv2[first:last]) / self.hop_samples))


def measure(
    emg_uv: Array, coefficients: ChainCoefficients, tell: Callable[[int], None] = lambda _: None
) -> Measured:
    """Run one channel, (samples,) microvolts, through the chain that runs live.

    `tell` hears now and then how many samples are done.
    """
    chain = Chain(
        replace(coefficients, cusum=()), 1
    )  # evidence needs a threshold, and is asked for later
    never = (2**53,)
    energy, envelope, flags, hum, share = [], [], [], [], 0.0
    for hop in HopCutter(coefficients.hop_samples, 1).cut(emg_uv.reshape(-1, 1)):
        value = chain.run(hop, never, never)
        energy.append(float("nan") if value.flags else float(chain.energy_uv2[0]))
        envelope.append(value.envelope_nv[0])
        flags.append(value.flags)
        if len(flags) % _HUM_HOPS == 0:
            share = chain.hum_share
        hum.append(share)
        if len(flags) % _TELL_HOPS == 0:
            tell(len(flags) * coefficients.hop_samples)
    return Measured(
        np.array(energy),
        np.array(envelope, dtype=np.int64),
        np.array(flags, dtype=np.int64),
        np.array(hum),
        coefficients.hop_samples * 1000 / coefficients.rate_mhz,
        coefficients.hop_samples,
    )
