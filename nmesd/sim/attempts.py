"""When the patient tries, and how hard: drawn from the seed, put off by stimulation."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmesd.sim.spec import PatientSpec

# Linear fall at the end of an attempt. Decisions are about onsets, so one value will do.
_FALL_S = 0.1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One true attempt. Effort is above zero from sample `onset` to sample `offset` - 1.

    `rms_uv` is that of the voluntary EMG alone, when risen; it adds to rest in power.
    """

    number: int
    onset: int
    offset: int
    rise: int  # samples
    rms_uv: float
    onset_s: float
    offset_s: float


class AttemptSchedule:
    """Begins attempts as sample time goes on.

    The interval counts from the onset as it happened: a patient who had to wait does not catch up.
    """

    def __init__(self, spec: PatientSpec) -> None:
        self._spec = spec
        self._rng = np.random.default_rng([spec.seed, 4])
        self._due = round(spec.first_attempt_s * spec.rate_hz)
        self._defer = round(spec.defer_after_pulse_s * spec.rate_hz)
        self._pulses: list[int] = []  # samples of those that can still put off the next attempt
        self.begun: list[Attempt] = []

    def order(self, sample: int) -> None:
        """The next attempt begins at this sample, whatever was planned for it."""
        self._due = sample

    def note_pulse(self, sample: int) -> None:
        """The muscle gets a pulse at this sample."""
        if self._defer:
            insort(self._pulses, sample)

    def begin_before(self, stop: int) -> list[Attempt]:
        """The attempts that begin before sample `stop` and have not been returned before."""
        new = []
        while True:
            self._due = self._after_pulses(self._due)
            if self._due >= stop:
                break
            new.append(self._begin(self._due))
            self.begun.append(new[-1])
        # Nothing more begins before `stop`: pulses that reach no further can be forgotten.
        del self._pulses[: bisect_right(self._pulses, stop - self._defer)]
        return new

    def effort_uv(self, first: int, n: int) -> NDArray[np.float64]:
        """Voluntary EMG, r.m.s. in microvolts, for the samples from `first` on, shape (n,)."""
        effort = np.zeros(n)
        fall = max(1, round(_FALL_S * self._spec.rate_hz))
        for attempt in reversed(self.begun):
            if attempt.offset <= first:
                break
            at = np.arange(first, first + n, dtype=np.float64)
            up = (at - attempt.onset + 1) / attempt.rise
            down = (attempt.offset - at) / fall
            effort += attempt.rms_uv * np.clip(np.minimum(up, down), 0.0, 1.0)
        return effort

    def _after_pulses(self, due: int) -> int:
        """`due`, or as much later as the pulses known by then make it."""
        while (at := bisect_right(self._pulses, due)) and due < self._pulses[at - 1] + self._defer:
            due = self._pulses[at - 1] + self._defer
        return due

    def _begin(self, onset: int) -> Attempt:
        spec, rng = self._spec, self._rng
        drift_db = spec.attempt_drift_db_min * onset / spec.rate_hz / 60
        decibel = drift_db + rng.normal(spec.attempt_db, spec.attempt_spread_db)
        duration_s = spec.duration_s + spec.duration_jitter_s * rng.uniform(-1, 1)
        rise_s = rng.uniform(spec.rise_min_s, spec.rise_max_s)
        interval_s = spec.interval_s + spec.interval_jitter_s * rng.uniform(-1, 1)
        offset = onset + round(duration_s * spec.rate_hz)
        self._due = onset + round(interval_s * spec.rate_hz)
        return Attempt(
            number=len(self.begun) + 1,
            onset=onset,
            offset=offset,
            rise=max(1, round(rise_s * spec.rate_hz)),
            rms_uv=float(spec.rest_uv * 10 ** (decibel / 20)),
            onset_s=onset / spec.rate_hz,
            offset_s=offset / spec.rate_hz,
        )


def planned_attempts(spec: PatientSpec, seconds: float) -> tuple[Attempt, ...]:
    """The attempts that will begin within `seconds` if no pulse comes."""
    return tuple(AttemptSchedule(spec).begin_before(round(seconds * spec.rate_hz)))
