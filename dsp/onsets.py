"""What is wrong with an onset itself: it came too suddenly for a muscle, or it comes like a clock.

A heartbeat leaves a short burst in the band, and the next comes after much the same time. An attempt lasts.

Both are told for the settle time of `dsp.disturbance` after they were last seen, a heart as long as it
beats. The stimulator's own pulses are sudden too: what is found while a train runs says nothing, and
whoever decides does not ask then.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dsp.coefficients import ChainCoefficients
from dsp.quality import HEART, POP

SUDDEN_RATIO: Final = 100.0
"""Of a hop's r.m.s. to the on threshold, out of quiet. A muscle's first spikes are those of its smallest
units (Henneman 1965), 30 dB below its strongest; an electrode that pops, or a cable that is touched, begins at
once, with millivolts."""

QUIET_RATIO: Final = 3.0
QUIET_S: Final = 0.005
QUIET_HOPS: Final = 5
"""Quiet is below three thresholds for so long, and so many hops: a strong contraction never is."""

BEATS: Final = 4
BEAT_S: Final = (0.4, 1.5)
"""Between beats of a heart: 150 to 40 a minute."""

BEAT_LASTS_S: Final = 0.3
"""At most: 0.1 s of QRS, and twice as much until the notch and the envelope have rung out."""

BEAT_REST_S: Final = 0.15
"""At least, between two: what follows sooner belongs to the same attempt, which wavers."""

BEAT_SPREAD: Final = 0.25
"""Between the longest and the shortest of four gaps, over their mean. At rest successive ones differ by
some 5 % (r.m.s.); attempts are not so regular, and not so frequent."""

_NV2_PER_UV2: Final = 1e6
_NEVER: Final = -(2**40)  # hops


class OnsetWatch:
    """Flags of all channels together."""

    __slots__ = (
        "_beat_hops", "_beats", "_began", "_ended", "_heart_hops", "_heart_until", "_hop", "_lasted",
        "_least_loud", "_longest",
        "_loud_at", "_loud_uv2", "_on_nv", "_pop_until", "_quiet_hops", "_rest_hops", "_samples", "_settle",
        "_shortest", "_sudden_uv2",
    )  # fmt: skip

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        """Watch as `coefficients` say, with `watch_hops` at least 1."""
        hop_s = coefficients.hop_samples * 1000 / coefficients.rate_mhz
        self._samples = coefficients.hop_samples
        self._settle = coefficients.watch_hops
        self._quiet_hops = max(QUIET_HOPS, round(QUIET_S / hop_s))
        self._shortest, self._longest = (round(s / hop_s) for s in BEAT_S)
        self._heart_hops = 2 * self._longest
        self._beat_hops = round(BEAT_LASTS_S / hop_s)
        self._rest_hops = round(BEAT_REST_S / hop_s)
        self._began, self._ended = [_NEVER] * channels, [_NEVER] * channels
        self._lasted: Sequence[int] = [0] * channels
        self._hop = 0
        self._pop_until = self._heart_until = 0
        self._on_nv: tuple[int, ...] = ()
        self._loud_uv2: tuple[float, ...] = ()
        self._sudden_uv2: tuple[float, ...] = ()
        self._least_loud = 0.0
        self._loud_at = [0] * channels  # hop of each channel that was last not quiet
        self._beats: list[tuple[int, ...]] = [()] * channels

    def restart(self) -> None:
        """The samples begin anew: nothing was quiet yet. A heart goes on beating."""
        self._loud_at = [self._hop] * len(self._loud_at)
        self._lasted = [0] * len(self._loud_at)

    def run(
        self,
        number: int,
        energy_uv2: Sequence[float],
        on_nv: Sequence[int],
        lasted_hops: Sequence[int],
    ) -> int:
        """Flags of this hop: POP, HEART, both or 0.

        Args:
            number: of the hop; it grows.
            energy_uv2: sum of squares of each channel's filtered samples of this hop.
            on_nv: on threshold of each channel, nanovolts.
            lasted_hops: of each channel, the detector's state; the caller does not change the list afterwards.
        """
        self._hop = number
        if on_nv != self._on_nv:
            self._on_nv = tuple(on_nv)
            powers = [self._samples * nv**2 / _NV2_PER_UV2 for nv in on_nv]
            self._loud_uv2 = tuple(QUIET_RATIO**2 * power for power in powers)
            self._sudden_uv2 = tuple(SUDDEN_RATIO**2 * power for power in powers)
            self._least_loud = min(self._loud_uv2)
        if max(energy_uv2) >= self._least_loud:  # seldom at rest
            self._look_for_pops(energy_uv2)
        if lasted_hops is not self._lasted:  # at rest it is the same list, hop after hop
            for channel, (before, now) in enumerate(zip(self._lasted, lasted_hops, strict=True)):
                if before and not now:
                    self._ended[channel] = self._hop
                elif now and not before and self._beats_like_a_heart(channel):
                    self._heart_until = self._hop + self._heart_hops
            self._lasted = lasted_hops
        popped, beats = self._hop < self._pop_until, self._hop < self._heart_until
        return POP * popped | HEART * beats

    def _look_for_pops(self, energy_uv2: Sequence[float]) -> None:
        limits = zip(energy_uv2, self._loud_uv2, self._sudden_uv2, strict=True)
        for channel, (energy, loud, sudden) in enumerate(limits):
            if energy < loud:
                continue
            if energy > sudden and self._hop - self._loud_at[channel] > self._quiet_hops:
                self._pop_until = self._hop + self._settle
            self._loud_at[channel] = self._hop

    def _beats_like_a_heart(self, channel: int) -> bool:
        """Something begins: does it after as many beats alike? A beat is short, and there is rest around it."""
        began, ended = self._began[channel], self._ended[channel]
        if self._hop - ended < self._rest_hops:
            return False  # the same wavers
        beats = self._beats[channel]
        beats = (*beats, began)[-BEATS:] if ended - began <= self._beat_hops else ()
        self._beats[channel], self._began[channel] = beats, self._hop
        if len(beats) < BEATS:
            return False
        gaps = [after - before for before, after in pairwise((*beats, self._hop))]
        alike = BEATS * (max(gaps) - min(gaps)) < BEAT_SPREAD * sum(gaps)
        return alike and self._shortest <= min(gaps) and max(gaps) <= self._longest
