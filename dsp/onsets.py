"""What is wrong with an onset itself: it came too suddenly for a muscle, or it comes like a clock.

Both are told for the settle time of `dsp.disturbance` after they were last seen, a heart as long as it
beats. The stimulator's own pulses are sudden too: what is found while a train runs says nothing, and
whoever decides does not ask then.
"""

from collections.abc import Sequence
from typing import Final

from dsp.coefficients import ChainCoefficients
from dsp.quality import HEART, POP

SUDDEN_RATIO: Final = 30.0
"""Of a hop's r.m.s. to the on threshold, out of quiet. A muscle's first spikes are those of its smallest
units (Henneman 1965), 30 dB below; an electrode that pops, or a cable that is touched, begins at once."""

QUIET_RATIO: Final = 3.0
QUIET_S: Final = 0.005
"""Quiet is below three thresholds for so long: a strong contraction never is."""

BEATS: Final = 4
BEAT_S: Final = (0.4, 1.5)
"""Between beats of a heart: 150 to 40 a minute."""

BEAT_SPREAD: Final = 0.25
"""Between the longest and the shortest of four gaps, over their mean. At rest successive ones differ by
some 5 % (r.m.s.); attempts are not so regular, and not so frequent."""

_NV2_PER_UV2: Final = 1e6


class OnsetWatch:
    """Flags of all channels together."""

    __slots__ = (
        "_beats", "_heart_hops", "_heart_until", "_hop", "_limits", "_longest", "_on_nv", "_pop_until", "_quiet",
        "_quiet_hops", "_samples", "_settle", "_shortest",
    )  # fmt: skip

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        """Watch as `coefficients` say, with `watch_hops` at least 1."""
        hop_s = coefficients.hop_samples * 1000 / coefficients.rate_mhz
        self._samples = coefficients.hop_samples
        self._settle = coefficients.watch_hops
        self._quiet_hops = max(1, round(QUIET_S / hop_s))
        self._shortest, self._longest = (round(s / hop_s) for s in BEAT_S)
        self._heart_hops = 2 * self._longest
        self._hop = 0
        self._pop_until = self._heart_until = 0
        self._on_nv: tuple[int, ...] = ()
        self._limits: tuple[tuple[float, float], ...] = ()
        self._quiet = [0] * channels
        self._beats: list[tuple[int, ...]] = [()] * channels

    def restart(self) -> None:
        """The samples begin anew: nothing was quiet yet. A heart goes on beating."""
        self._quiet = [0] * len(self._quiet)

    def run(
        self, energy_uv2: Sequence[float], on_nv: Sequence[int], lasted_hops: Sequence[int]
    ) -> int:
        """Flags of this hop: POP, HEART, both or 0.

        Args:
            energy_uv2: sum of squares of each channel's filtered samples of this hop.
            on_nv: on threshold of each channel, nanovolts.
            lasted_hops: of each channel, the detector's state; 1 is an onset.
        """
        self._hop += 1
        if on_nv != self._on_nv:
            self._on_nv = tuple(on_nv)
            powers = [self._samples * nv**2 / _NV2_PER_UV2 for nv in on_nv]
            self._limits = tuple((QUIET_RATIO**2 * p, SUDDEN_RATIO**2 * p) for p in powers)
        for energy, (_, sudden), quiet in zip(energy_uv2, self._limits, self._quiet, strict=True):
            if energy > sudden and quiet >= self._quiet_hops:
                self._pop_until = self._hop + self._settle
        self._quiet = [
            hops + 1 if energy < quiet else 0
            for hops, energy, (quiet, _) in zip(self._quiet, energy_uv2, self._limits, strict=True)
        ]
        for channel, lasted in enumerate(lasted_hops):
            if lasted == 1 and self._beats_like_a_heart(channel):
                self._heart_until = self._hop + self._heart_hops
        popped, beats = self._hop < self._pop_until, self._hop < self._heart_until
        return POP * popped | HEART * beats

    def _beats_like_a_heart(self, channel: int) -> bool:
        beats = self._beats[channel]
        if beats and self._hop - beats[-1] < self._shortest:
            return False  # the same beat once more
        beats = self._beats[channel] = (*beats, self._hop)[-BEATS - 1 :]
        if len(beats) <= BEATS:
            return False
        gaps = [after - before for before, after in zip(beats, beats[1:], strict=False)]
        alike = BEATS * (max(gaps) - min(gaps)) < BEAT_SPREAD * sum(gaps)
        return alike and max(gaps) <= self._longest
