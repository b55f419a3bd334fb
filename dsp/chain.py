"""The running chain: raw microvolts in, one hop at a time; envelope, activity and attempts out.

    raw -> high-pass, low-pass, notches -> envelope, evidence -> detector -> integers

What comes out is integers and truth values: nothing after dsp computes with floats. A hop that is
not a measurement (`dsp.quality`: not finite, at the rail, flat) is refused before the filters.
"""

from collections.abc import Sequence
from operator import ge
from typing import Final, NamedTuple

import numpy as np

from dsp.blocks import Array, BlockFilter
from dsp.coefficients import ChainCoefficients
from dsp.cusum import FULL, Cusum
from dsp.detector import REST, advance, is_active, is_attempt
from dsp.disturbance import Disturbance
from dsp.envelope import Envelope, Lowpass, MovingRms
from dsp.onsets import OnsetWatch
from dsp.quality import CLIPPED, NON_FINITE, SETTLING
from dsp.stuck import StuckWatch

MAX_ENVELOPE_NV: Final = 2**53
"""Nanovolts; above this float64 no longer counts in ones. It is 9 MV, so no EMG ever meets it."""

_MAX_ENERGY_UV2: Final = 1e24
"""Square microvolts over a hop. A sample of 1e12 uV, a megavolt, is no voltage but garbage, and
one of 1e154 would overflow when squared: refused as if it were not finite."""


class HopValues(NamedTuple):
    """What one hop came to; one entry per channel, each taken at the last sample of the hop."""

    envelope_nv: tuple[int, ...]
    """Nanovolts, 0 to 2**53."""
    active: tuple[bool, ...]
    """Above the thresholds, with hysteresis (`dsp.detector`)."""
    attempt: tuple[bool, ...]
    """Active for the minimum duration."""
    flags: int
    """Bits of `dsp.quality`; 0 is good. Unless it is 0, no channel is active."""


class Chain:
    """The state of one chain: filters, envelope, detector and settling, for all channels together.

    It starts, and after `restart` starts again, by taking the first sample of the next finite hop
    for the standing voltage of the electrodes (recordings carry up to 77 mV), so that it does not
    ring; then it settles for `settle_hops` hops, in which nothing is active.
    """

    __slots__ = (
        "_at_rest",
        "_channels",
        "_closed",
        "_cusum",
        "_disturbance",
        "_energy",
        "_envelope",
        "_filter",
        "_hop",
        "_lasted",
        "_min_hops",
        "_none_begins",
        "_ones",
        "_onsets",
        "_powers",
        "_settle_hops",
        "_shape",
        "_since_restart",
        "_squares",
        "_stuck",
        "_zero_nv",
    )

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        """Allocate everything the chain will ever use, for `channels` (at least 1) channels."""
        hop_samples = coefficients.hop_samples
        self._filter = BlockFilter(coefficients.filter_sos, hop_samples, channels)
        self._shape = (hop_samples, channels)
        self._envelope: Envelope = (
            MovingRms(coefficients, channels)
            if coefficients.rms_hops
            else Lowpass(coefficients, channels)
        )
        self._cusum = Cusum(coefficients, channels) if coefficients.cusum else None
        self._squares = np.zeros((hop_samples, channels))
        # A row of the same energies for each speed of the CUSUM: one product makes them all.
        rows = max(1, len(coefficients.cusum))
        self._ones, self._powers = np.ones((rows, hop_samples)), np.zeros((rows, channels))
        self._energy: Array = self._powers[0]
        self._channels = channels
        watched = coefficients.watch_hops > 0
        self._disturbance = Disturbance(coefficients, channels) if watched else None
        self._onsets = OnsetWatch(coefficients, channels) if watched else None
        self._min_hops = coefficients.min_hops
        self._settle_hops = coefficients.settle_hops
        self._at_rest = [REST] * channels
        self._none_begins = [False] * channels
        self._closed = (False,) * channels
        self._zero_nv = (0,) * channels
        self._stuck = StuckWatch(coefficients, channels)
        self._hop = 0  # since the beginning, restarts or not: what is told lasts in time
        self.restart()

    def restart(self) -> None:
        """Forget filters, envelope and detector: the next good hop begins anew.

        Not how long a channel has been at the rail or flat: that does not begin anew.
        """
        self._since_restart = 0
        self._lasted = self._at_rest
        for part in (self._cusum, self._disturbance, self._onsets):
            if part is not None:
                part.restart()

    @property
    def energy_uv2(self) -> Array:
        """(channels,) the sum of squares of the last hop's filtered samples, if it was not refused."""
        return self._energy

    @property
    def hum_share(self) -> float:
        """Share of the filtered power that is mains hum, of the worst channel; 0 if nothing is watched for."""
        return self._disturbance.hum_share if self._disturbance else 0.0

    def run(self, hop: Array, on_nv: Sequence[int], off_nv: Sequence[int]) -> HopValues:
        """Take one hop through the chain.

        Args:
            hop: (hop_samples, channels) microvolts. Not kept, not changed.
            on_nv: on threshold of each channel, nanovolts.
            off_nv: off threshold of each channel, nanovolts, 0 < off <= on.

        Returns:
            One value per channel. A hop with a sample that is not finite, or with a channel that is
            at the rail or flat, is refused whole: its flags say why, its envelope is 0, nothing of
            it reaches the filters, and the chain restarts after it.

        Raises:
            ValueError: the hop has another shape, or a list of thresholds another length, than the
                chain was made for.
        """
        # Not left to numpy, which would spread one sample or channel over all without a word.
        if hop.shape != self._shape:
            raise ValueError(f"hop has shape {hop.shape}, must be {self._shape}")
        if not len(on_nv) == len(off_nv) == self._channels:
            raise ValueError(
                f"{len(on_nv)} and {len(off_nv)} thresholds for {self._channels} channels"
            )
        self._hop += 1
        # One call instead of isfinite and all. NaN fails every comparison, so it is refused too. (The array's dot
        # would be cheaper, and warns of an overflow.)
        energy_uv2 = float(np.vdot(hop, hop))
        if not energy_uv2 < _MAX_ENERGY_UV2:
            self._stuck.restart()
            return self._refuse(NON_FINITE)
        stuck = self._stuck.run(self._hop, hop, energy_uv2)
        if stuck & ~CLIPPED:
            return self._refuse(stuck)
        if self._since_restart == 0:
            self._filter.prime(hop[0])
            self._envelope.restart()
        filtered = self._filter.run(hop)
        np.multiply(filtered, filtered, self._squares)
        self._ones.dot(self._squares, self._powers)  # a sum over the hop, at half its cost
        flags = stuck
        if self._disturbance:
            settled = self._since_restart >= self._settle_hops
            flags |= self._disturbance.run(
                self._hop, hop, filtered, self._energy, on_nv, settled=settled
            )
        envelope_nv = _whole(self._envelope.run(filtered))  # overwrites what was filtered
        if self._since_restart < self._settle_hops:
            self._since_restart += 1
            return HopValues(envelope_nv, self._closed, self._closed, flags | SETTLING)
        lasted = self._lasted = self._advance(envelope_nv, on_nv, off_nv)
        if self._onsets:
            flags |= self._onsets.run(self._hop, self._energy.tolist(), on_nv, lasted)
        if flags or lasted is self._at_rest:
            return HopValues(envelope_nv, self._closed, self._closed, flags)
        return HopValues(
            envelope_nv,
            tuple([is_active(hops) for hops in lasted]),
            tuple([is_attempt(hops, self._min_hops) for hops in lasted]),
            0,
        )

    def _advance(
        self, envelope_nv: Sequence[int], on_nv: Sequence[int], off_nv: Sequence[int]
    ) -> list[int]:
        """Hops each channel has been active; `_at_rest` itself if none is, so that rest costs little."""
        if self._cusum is None:
            begins = list(map(ge, envelope_nv, on_nv))
        elif self._cusum.step(self._powers, on_nv) >= FULL:
            begins = [value >= FULL for value in self._cusum.evidence().tolist()]
        else:
            begins = self._none_begins
        if self._lasted is self._at_rest and True not in begins:
            return self._at_rest
        lasted = [
            advance(hops, begins=begin, goes_on=nv >= off)
            for hops, begin, nv, off in zip(self._lasted, begins, envelope_nv, off_nv, strict=True)
        ]
        return lasted if any(lasted) else self._at_rest

    def _refuse(self, flags: int) -> HopValues:
        self.restart()
        return HopValues(self._zero_nv, self._closed, self._closed, flags)


def _whole(envelope_nv: Array) -> tuple[int, ...]:
    """Rounded half to even, as IEEE 754 does, and clamped: a low-pass may undershoot below zero."""
    rounded = tuple(map(round, envelope_nv.tolist()))
    if min(rounded) < 0 or max(rounded) > MAX_ENVELOPE_NV:  # seldom, so looked at as a whole
        rounded = tuple([min(max(value, 0), MAX_ENVELOPE_NV) for value in rounded])
    return rounded
