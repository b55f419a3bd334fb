"""What is in the EMG that is no EMG: hum, movement, a lead that came off, a pop, a heart.

Looks at raw and filtered samples, always, also while a train runs and in all channels. What it finds it
keeps telling for a settle time after it was last seen, so that nothing is decided on a disturbance's edge.

Slow things need no fast look: one hop in every 4 ms is taken, and a hop between costs nothing. All
averages are one-pole, a += share (new - a), kept as the rows of one array:

    level       mean of the hop, 20 ms; and 2 s      lead off: the two differ by more than electrodes can
    movement    (level - slow level)^2, 250 ms       against the power in the band
    hum         (mean - slow level) times cos and    2 (I^2 + Q^2) is its power, against that in the band
                sin of 50 and of 60 Hz, 200 ms
    band        power of the filtered EMG, 250 ms
"""

import math
from typing import Final

import numpy as np

from dsp.blocks import Array
from dsp.coefficients import ChainCoefficients
from dsp.quality import LEAD_OFF, MAINS, MOVEMENT

LOOK_S: Final = 0.004

LEAD_OFF_UV: Final = 150_000.0
"""Between two electrodes of one kind are at most 100 mV (ANSI/AAMI EC12), and an input whose lead is off drifts to
its rail. A slow amplifier (20 ms) shifts by 23 mV under pulses of 130 mA (`nmesd.sim`)."""

MAINS_RATIO: Final = 100.0
"""Of powers. A notch of Q 15 takes 18 dB where mains is 0.2 Hz off: with 20 dB of hum over the band, what is left
of it is as strong as rest, and beats."""

MAINS_LEAST_UV: Final = 10.0
"""R.m.s.: below, hum is in nobody's way."""

MOVEMENT_RATIO: Final = 300.0
"""Of powers, below 8 Hz to in the band: an attempt raises the second, so that it is not mistaken for movement."""

MOVEMENT_LEAST_UV: Final = 500.0
"""R.m.s. Skin stretches by tenths of a millivolt by itself (De Luca 2010); at 5 Hz the high-pass takes 48 dB or
more, and leaves 2 µV of it."""

_SECONDS: Final = (0.02, 2.0, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2)
_FAST, _SLOW, _MOVEMENT, _BAND, _HUM = 0, 1, 2, 3, 4
_HUM_HZ: Final = (50.0, 60.0)


class Disturbance:
    """Flags of all channels together."""

    __slots__ = (
        "_average", "_band_unit", "_every", "_fresh", "_hop", "_last", "_new", "_settle", "_share", "_step", "_until",
    )  # fmt: skip

    def __init__(self, coefficients: ChainCoefficients, channels: int) -> None:
        """Watch as `coefficients` say, with `watch_hops` at least 1."""
        hop_s = coefficients.hop_samples * 1000 / coefficients.rate_mhz
        self._every = max(1, round(LOOK_S / hop_s))
        self._settle = coefficients.watch_hops
        self._share = 1.0 - np.exp(-self._every * hop_s / np.array(_SECONDS))[:, None]
        self._step = 2 * math.pi * hop_s * np.array(_HUM_HZ)
        self._band_unit = 1.0 / coefficients.hop_samples
        self._new = np.zeros((len(_SECONDS), channels))
        self._average = np.zeros((len(_SECONDS), channels))
        self._until = dict.fromkeys((LEAD_OFF, MAINS, MOVEMENT), 0)
        self._hop = 0
        self._last = 0
        self._fresh = True

    def restart(self) -> None:
        """Forget the averages, not what is being told."""
        self._fresh = True

    def run(self, hop: Array, energy_uv2: Array) -> int:
        """Flags of this hop.

        Args:
            hop: (hop_samples, channels) raw microvolts, finite.
            energy_uv2: (channels,) sum of squares of the hop's filtered samples.
        """
        self._hop += 1
        if self._hop % self._every == 0:
            for flag in self._look(hop.mean(axis=0), energy_uv2):
                self._until[flag] = self._hop + self._settle
            self._last = sum(flag for flag, until in self._until.items() if until > self._hop)
        return self._last

    def _look(self, mean_uv: Array, energy_uv2: Array) -> list[int]:
        new, average = self._new, self._average
        if self._fresh:
            self._fresh = False
            average.fill(0.0)
            average[: _SLOW + 1] = mean_uv
        moved = average[_FAST] - average[_SLOW]
        ac = mean_uv - average[_SLOW]
        angle = self._step * self._hop
        new[: _SLOW + 1] = mean_uv
        new[_MOVEMENT] = moved * moved
        new[_BAND] = energy_uv2 * self._band_unit
        new[_HUM : _HUM + 2] = np.cos(angle)[:, None] * ac
        new[_HUM + 2 :] = np.sin(angle)[:, None] * ac
        average += self._share * (new - average)
        squares = average[_HUM:] ** 2
        hum = 2.0 * np.maximum(squares[0] + squares[2], squares[1] + squares[3])
        band = average[_BAND]
        found = []
        if (np.abs(moved) > LEAD_OFF_UV).any():
            found.append(LEAD_OFF)
        if (hum > np.maximum(MAINS_RATIO * band, MAINS_LEAST_UV**2)).any():
            found.append(MAINS)
        if (average[_MOVEMENT] > np.maximum(MOVEMENT_RATIO * band, MOVEMENT_LEAST_UV**2)).any():
            found.append(MOVEMENT)
        return found
