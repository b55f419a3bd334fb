"""Sample numbers and CLOCK_MONOTONIC, without drift: every deadline is computed from one anchor.

LSL's `local_clock()` is the same clock in seconds (liblsl uses `steady_clock`, which is
CLOCK_MONOTONIC on Linux; measured difference 7 µs, the time of the two calls), so a time stamp is
`time_ns / 1e9`.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmesd.units import NS_PER_S

_SLICE_NS = 100_000_000  # how long a sleep may be deaf to `stop`


@dataclass(frozen=True, slots=True)
class SampleClock:
    """Sample `anchor_index` is taken at `anchor_ns`, the others at `rate_hz` around it."""

    rate_hz: float
    anchor_ns: int
    anchor_index: int = 0

    def time_ns(self, index: int) -> int:
        """When sample `index` is taken."""
        return self.anchor_ns + round((index - self.anchor_index) * NS_PER_S / self.rate_hz)

    def index_at(self, t_ns: int) -> int:
        """The first sample taken at or after `t_ns`: the first that can show what happens then."""
        index = self.anchor_index + math.ceil((t_ns - self.anchor_ns) * self.rate_hz / NS_PER_S)
        while (
            self.time_ns(index) < t_ns
        ):  # the product above is rounded: settle on time_ns' own rounding
            index += 1
        while self.time_ns(index - 1) >= t_ns:
            index -= 1
        return index

    def due(self, now_ns: int) -> int:
        """One more than the last sample taken by `now_ns`."""
        return self.index_at(now_ns + 1)

    def stamps_s(self, first: int, stop: int) -> NDArray[np.float64]:
        """LSL time stamps in seconds of the samples first..stop-1, shape (stop - first,)."""
        index = np.arange(first - self.anchor_index, stop - self.anchor_index, dtype=np.float64)
        return self.anchor_ns / NS_PER_S + index / self.rate_hz

    def at_rate(self, rate_hz: float, from_index: int) -> SampleClock:
        """The same clock, running at another rate from sample `from_index` on."""
        return replace(
            self, rate_hz=rate_hz, anchor_ns=self.time_ns(from_index), anchor_index=from_index
        )


def sleep_until(deadline_ns: int, stop: threading.Event) -> bool:
    """Sleep to an absolute time; False as soon as `stop` is set, True when the time has come.

    Sleeps and looks, instead of waiting on the event: a signal handler may then set it without
    meeting a lock that this thread holds.
    """
    while not stop.is_set():
        left = deadline_ns - time.monotonic_ns()
        if left <= 0:
            return True
        time.sleep(min(left, _SLICE_NS) / NS_PER_S)
    return False
