"""The virtual patient: surface EMG that answers to pulses. Pure: no clock, no stream, no file.

Sample time is the only time. Whoever drives it decides when a sample is taken (`patient.py` in real
time, tests as fast as they can) and tells it of every pulse before generating the samples after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmesd.sim.attempts import Attempt, AttemptSchedule
from nmesd.sim.response import Overlay, artefact, m_wave, spikes
from nmesd.sim.signals import BlockStream, background, emg_taps, shaped_noise
from nmesd.sim.spec import PatientSpec


class VirtualPatient:
    """Generates EMG sample after sample; how they are cut into calls changes no bit of them."""

    def __init__(self, spec: PatientSpec) -> None:
        self.spec = spec
        self._position = 0
        self._target = 0
        self._rest = BlockStream(background(spec))
        carrier = shaped_noise(np.random.default_rng([spec.seed, 6]), emg_taps(spec.rate_hz))
        self._carrier = BlockStream(carrier)
        self._schedule = AttemptSchedule(spec)
        self._artefacts = Overlay()
        self._m_waves = Overlay()
        self._spikes = Overlay()
        self._fire = spikes(spec)

    @property
    def position(self) -> int:
        """The number of the next sample."""
        return self._position

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts begun so far, as they really happened."""
        return tuple(self._schedule.begun)

    def hear(self, sample: int, amplitude_ua: int, pulse_width_us: int) -> None:
        """A pulse whose first trace is in sample `sample`. Amplitude or width 0 is no pulse.

        One in the past counts from the next sample on: a late message must not hide a pulse.
        """
        if amplitude_ua <= 0 or pulse_width_us <= 0:
            return
        sample = max(sample, self._position)
        self._schedule.note_pulse(sample)
        self._artefacts.put(sample, artefact(self.spec, amplitude_ua, pulse_width_us))
        self._m_waves.put(sample, m_wave(self.spec, amplitude_ua))

    def attempt(self, channel: int = 0) -> None:
        """Attempt with the next sample, or as soon as the last pulse is long enough ago.

        channel: from 0; it lies over the muscle from now on.
        """
        self._target = channel
        self._schedule.order(self._position)

    def generate(self, n: int) -> NDArray[np.float64]:
        """The next `n` samples in microvolts, shape (n, channels)."""
        first, stop = self._position, self._position + n
        self._position = stop
        self._schedule.begin_before(stop)
        out = self._rest.take(n)

        muscle = self._schedule.effort_uv(first, n) * self._carrier.take(n)
        self._fire(self._spikes, stop)
        self._spikes.add_to(muscle, first)
        self._m_waves.add_to(muscle, first)
        out[:, self._target] += muscle

        everywhere = np.zeros(n)
        self._artefacts.add_to(everywhere, first)
        out += everywhere[:, None]
        return np.clip(out, -self.spec.rail_uv, self.spec.rail_uv)
