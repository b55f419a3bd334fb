"""Watches the sample stream's time: stale, gap, backlog, overflow, rate, chunks too long. Pure.

LSL tells none of it.

Times are nanoseconds: `stamps` the sender's, `arrival` and `now` ours. The sender's clock may have any offset to
ours: only changes count. `speed` is how many seconds of recording arrive per second (1 but in rehearsals).
"""

from __future__ import annotations

from operator import sub
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmesd.errors import Reason
from nmesd.units import MHZ_PER_HZ, NS_PER_MS, NS_PER_S

STALE_MAX_NS = 50 * NS_PER_MS  # no source may be silent longer, whatever its lease
GAP_SLACK_NS = 10 * NS_PER_MS  # what time stamps may jitter (senders stamp chunks, not samples)
BACKLOG_NS = 50 * NS_PER_MS  # a decision on EMG older than this is no longer contingent on effort
OVERFLOW_NS = 900 * NS_PER_MS  # the inlet holds 1 s; near that, samples may be lost without a word
RATE_WINDOW_NS = 2 * NS_PER_S
RATE_TOLERANCE = 0.01
DRIFT = 2e-4  # two sound clocks differ by less; the lag's baseline may follow that fast


class Finding(NamedTuple):
    """A reason with its numbers."""

    reason: Reason
    value: int
    limit: int


def stale_after_ns(lease_ns: int) -> int:
    """Silence that counts as stale: earlier than the lease runs out, so that the first reason is the true one."""
    return min(STALE_MAX_NS, lease_ns * 3 // 4)


class StreamWatch:
    """Judges each chunk and each silence of one stream."""

    def __init__(self, rate_mhz: int, lease_ns: int, speed: int = 1) -> None:
        self.period_ns = NS_PER_S * MHZ_PER_HZ / rate_mhz
        self.stale_ns = stale_after_ns(lease_ns)
        self._speed = speed
        self.restart()

    def restart(self) -> None:
        """The sample stream starts afresh."""
        self._stamp_ns = 0  # of the last sample, 0 = none yet
        self._arrival_ns = 0
        self._lag_floor_ns = 0.0
        self._window_stamp_ns = self._window_samples = 0
        self._chunk_ns = 0.0  # smoothed time between chunks

    def silence(self, now_ns: int) -> Finding | None:
        """Nothing came: is it stale? Only after a first chunk."""
        silent_ns = now_ns - self._arrival_ns
        if self._arrival_ns and silent_ns > self.stale_ns:
            return Finding(Reason.EMG_STALE, silent_ns, self.stale_ns)
        return None

    def chunk(self, stamps_ns: npt.NDArray[np.int64], arrival_ns: int) -> Finding | None:
        """A chunk came: what is wrong with it, None if nothing. Call `restart` after a finding."""
        samples = len(stamps_ns)
        if samples * self.period_ns > OVERFLOW_NS * self._speed:
            return Finding(
                Reason.EMG_OVERFLOW, samples, int(OVERFLOW_NS * self._speed / self.period_ns)
            )
        first = self._stamp_ns == 0
        times_ns = (
            stamps_ns.tolist()
        )  # of a chunk of a few samples, numpy's differences take longer
        gap = None if first else self._gap(times_ns)
        self._stamp_ns = times_ns[-1]
        late = self._lag(arrival_ns, first=first)
        spacing = None if first else self._spacing(arrival_ns)
        self._arrival_ns = arrival_ns
        return gap or late or spacing or self._rate(samples, first=first)

    def _gap(self, times_ns: list[int]) -> Finding | None:
        limit_ns = int(max(1.5 * self.period_ns, self.period_ns + GAP_SLACK_NS))
        steps = list(map(sub, times_ns, [self._stamp_ns, *times_ns]))
        for step_ns in (max(steps), min(steps)):
            if not -GAP_SLACK_NS <= step_ns <= limit_ns:
                return Finding(Reason.EMG_GAP, step_ns, limit_ns)
        return None

    def _spacing(self, arrival_ns: int) -> Finding | None:
        self._chunk_ns += 0.1 * (arrival_ns - self._arrival_ns - self._chunk_ns)
        limit_ns = STALE_MAX_NS // 2
        if self._chunk_ns > limit_ns or self._chunk_ns > self.stale_ns:
            return Finding(
                Reason.EMG_CHUNK_TOO_LONG, int(self._chunk_ns), min(limit_ns, self.stale_ns)
            )
        return None

    def _lag(self, arrival_ns: int, *, first: bool) -> Finding | None:
        lag_ns = arrival_ns * self._speed - self._stamp_ns
        if first:
            self._lag_floor_ns = lag_ns
        drift_ns = DRIFT * self._speed * (arrival_ns - self._arrival_ns) if not first else 0
        self._lag_floor_ns = min(self._lag_floor_ns + drift_ns, lag_ns)
        over_ns = int(lag_ns - self._lag_floor_ns) // self._speed
        return Finding(Reason.EMG_BACKLOG, over_ns, BACKLOG_NS) if over_ns > BACKLOG_NS else None

    def _rate(self, samples: int, *, first: bool) -> Finding | None:
        if first:
            self._window_stamp_ns, self._window_samples = self._stamp_ns, 0
            return None
        self._window_samples += samples
        elapsed_ns = self._stamp_ns - self._window_stamp_ns
        if elapsed_ns < RATE_WINDOW_NS:
            return None
        ratio = self._window_samples * self.period_ns / elapsed_ns
        self._window_stamp_ns, self._window_samples = self._stamp_ns, 0
        if abs(ratio - 1) > RATE_TOLERANCE:
            nominal_mhz = NS_PER_S * MHZ_PER_HZ / self.period_ns
            return Finding(Reason.EMG_RATE, int(nominal_mhz * ratio), int(nominal_mhz))
        return None
