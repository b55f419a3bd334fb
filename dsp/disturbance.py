"""What is in the EMG that is no EMG: hum, movement, a lead that came off, a pop, a heart.

Looks at raw and filtered samples, always, also while a train runs and in all channels. What it finds it
keeps telling for a settle time after it was last seen, so that nothing is decided on a disturbance's edge.

Slow things need no fast look: one hop in every 4 ms is averaged, the averages are judged every 20 ms, and a
hop between costs nothing. All averages are one-pole, a += share (new - a), kept as the rows of one array:

    level       mean of the raw hop, 20 ms; and 2 s  lead off: the two differ by more than electrodes can
    movement    (level - slow level)^2, 250 ms       against the power in the band
    band        power of the filtered EMG, 100 ms
    hum         mean of the filtered hop times cos   2 (I^2 + Q^2) is the power of the hum that the notch
                and sin of 50 and 60 Hz, 200 ms      has left: against the band's and the threshold's
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from dsp.blocks import Array
from dsp.coefficients import ChainCoefficients
from dsp.quality import LEAD_OFF, MAINS, MOVEMENT

LOOK_S: Final = 0.004
JUDGE_LOOKS: Final = 5

LEAD_OFF_UV: Final = 150_000.0
"""Between two electrodes of one kind are at most 100 mV (ANSI/AAMI EC12), and an input whose lead is off drifts to
its rail. A slow amplifier (20 ms) shifts by 23 mV under pulses of 130 mA (`nmesd.sim`)."""

MAINS_SHARE: Final = 0.5
"""Of powers. Hum that was there at the calibration lies below half the threshold's power, and does no harm. Of
EMG, a hundredth falls in the 2 Hz around 50."""

MOVEMENT_RATIO: Final = 300.0
"""Of powers, below 8 Hz to in the band: an attempt raises the second, so that it is not mistaken for movement."""

MOVEMENT_LEAST_UV: Final = 500.0
"""R.m.s. Skin stretches by tenths of a millivolt by itself (De Luca 2010); at 5 Hz the high-pass takes 48 dB or
more, and leaves 2 µV of it."""

_SECONDS: Final = (0.02, 2.0, 0.25, 0.1, 0.2, 0.2, 0.2, 0.2)
_FAST, _SLOW, _MOVEMENT, _BAND, _HUM = 0, 1, 2, 3, 4
_HUM_HZ: Final = (50.0, 60.0)
_FLAGS: Final = (LEAD_OFF, MAINS, MOVEMENT)
_NV2_PER_UV2: Final = 1e6


class Disturbance:
    """Flags of all channels together."""

    __slots__ = (
        "_average", "_band_unit", "_change", "_every", "_flags", "_fresh", "_judged", "_left", "_looks",
        "_mean_of", "_new", "_on_nv", "_on_uv2", "_rows", "_settle", "_share", "_step", "_until", "_waves",
    )  # fmt: skip

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        """Watch as `coefficients` say, with `watch_hops` at least 1."""
        hop_s = coefficients.hop_samples * 1000 / coefficients.rate_mhz
        shape = (len(_SECONDS), channels)
        self._every = max(1, round(LOOK_S / hop_s))
        self._settle = coefficients.watch_hops
        share = 1.0 - np.exp(-self._every * hop_s / np.array(_SECONDS))
        self._share = np.broadcast_to(share[:, None], shape).copy()
        self._step = [2 * math.pi * hop_s * hz for hz in _HUM_HZ]
        # Products of small matrices, and rows of one shape: broadcasting would double the cost of a call.
        self._mean_of = np.full((2, coefficients.hop_samples), 1.0 / coefficients.hop_samples)
        self._band_unit = np.full(channels, 1.0 / coefficients.hop_samples)
        self._left = np.zeros((1, channels))
        self._on_nv: tuple[int, ...] = ()
        self._on_uv2 = np.zeros(channels)
        self._new, self._average, self._change = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        # Views, made once: of what is averaged, by name; and the level's fast and slow average.
        new, average = self._new, self._average
        self._rows = (
            new[: _SLOW + 1],
            new[_MOVEMENT],
            new[_BAND],
            new[_HUM:],
            average[_FAST],
            average[_SLOW],
        )
        self._waves = np.zeros((2 * len(_HUM_HZ), 1))
        self._judged = np.zeros((2, len(_FLAGS), channels))  # what is, and what may be
        self._until = dict.fromkeys(_FLAGS, 0)
        self._looks = self._flags = 0
        self._fresh = True

    def restart(self) -> None:
        """Forget the averages, not what is being told."""
        self._fresh = True

    @property
    def hum_share(self) -> float:
        """Of what the filters leave, over a quarter of a second: the share that is hum, of the worst channel."""
        return float((self._hum() / np.maximum(self._average[_BAND], 1e-12)).max())

    def run(
        self,
        number: int,
        hop: Array,
        filtered: Array,
        energy_uv2: Array,
        on_nv: Sequence[int],
        *,
        settled: bool = True,
    ) -> int:
        """Flags of this hop.

        Args:
            number: of the hop; it grows.
            hop: (hop_samples, channels) raw microvolts, finite.
            filtered: the same after the filters.
            energy_uv2: (channels,) sum of squares of `filtered`.
            on_nv: on threshold of each channel, nanovolts.
            settled: False while the filters still ring: then nothing is averaged.
        """
        if number % self._every == 0:
            if settled:
                self._look(number, hop, filtered, energy_uv2)
                self._looks += 1
                if self._looks % JUDGE_LOOKS == 0:
                    for flag in self._found(on_nv):
                        self._until[flag] = number + self._settle
            self._flags = sum(flag for flag, until in self._until.items() if until > number)
        return self._flags

    def _look(self, number: int, hop: Array, filtered: Array, energy_uv2: Array) -> None:
        average, change, waves = self._average, self._change, self._waves
        levels, movement, band, hum, fast, slow = self._rows
        self._mean_of.dot(hop, levels)
        if self._fresh:
            self._fresh = False
            average.fill(0.0)
            average[: _SLOW + 1] = levels
        np.subtract(fast, slow, movement)
        np.multiply(movement, movement, movement)
        np.multiply(energy_uv2, self._band_unit, band)
        for row, step in enumerate(self._step):
            waves[row, 0] = math.cos(step * number)
            waves[row + 2, 0] = math.sin(step * number)
        self._mean_of[:1].dot(filtered, self._left)
        waves.dot(self._left, hum)
        np.subtract(self._new, average, change)
        np.multiply(change, self._share, change)
        np.add(average, change, average)

    def _found(self, on_nv: Sequence[int]) -> list[int]:
        if on_nv != self._on_nv:
            self._on_nv = tuple(on_nv)
            np.divide(np.square(np.array(on_nv, dtype=np.float64)), _NV2_PER_UV2, out=self._on_uv2)
        average, (found, limit) = self._average, self._judged
        band = average[_BAND]
        found[0], limit[0] = np.abs(average[_FAST] - average[_SLOW]), LEAD_OFF_UV
        found[1], limit[1] = self._hum(), MAINS_SHARE * np.maximum(band, self._on_uv2)
        found[2] = average[_MOVEMENT]
        limit[2] = np.maximum(MOVEMENT_RATIO * band, MOVEMENT_LEAST_UV**2)
        above = found > limit
        if not above.any():  # nearly always
            return []
        return [flag for flag, where in zip(_FLAGS, above, strict=True) if where.any()]

    def _hum(self) -> Array:
        """Power at 50 or at 60 Hz, whichever is more."""
        squares = self._average[_HUM:] ** 2
        return np.asarray(2.0 * np.maximum(squares[0] + squares[2], squares[1] + squares[3]))
