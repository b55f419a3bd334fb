"""What every receiver of the comparison does alike. Runs in any environment: standard library, numpy, pylsl.

    python -m bench.peers.NAME STREAM SECONDS FILE PRIORITY

The receiver finds the stream, warms up, then takes for so many seconds, at each delivery, the LSL stamp of its
newest sample and the time from it to now. Pairs of both, seconds and microseconds, go into FILE. PRIORITY 0: no
real-time rights are asked for.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

WARM_UP_S = 2.0
MOST = 200_000  # deliveries
BAND_HZ, ORDER = (20.0, 450.0), 4
ENVELOPE_HZ, ENVELOPE_ORDER = 5.0, 2
THRESHOLD_UV = 500.0  # never reached: nobody tries
_MCL_CURRENT_FUTURE = 3


class Asked(NamedTuple):
    """The command line."""

    stream: str
    seconds: float
    file: Path
    priority: int


def asked() -> Asked:
    """Read it."""
    stream, seconds, file, priority = sys.argv[1:5]
    return Asked(stream, float(seconds), Path(file), int(priority))


def go_real_time(priority: int) -> None:
    """SCHED_FIFO and locked memory for this process and threads begun from now on. Raises OSError if refused."""
    if priority:
        if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT_FUTURE):
            raise OSError(ctypes.get_errno(), "memory cannot be locked")
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


class Taken:
    """Latencies of one receiver."""

    def __init__(self, wanted: Asked) -> None:
        self._wanted = wanted
        self._rows = np.zeros((MOST, 2))
        self._rows.fill(0.0)  # touched: no page is fetched while it is measured
        self._count = 0
        self._from_s = time.monotonic() + WARM_UP_S
        self._to_s = self._from_s + wanted.seconds

    def add(self, stamp_s: float) -> bool:
        """A decision on what ends with the sample stamped so (CLOCK_MONOTONIC, as LSL's). False: it is enough."""
        now_s = time.monotonic()
        if now_s >= self._to_s or self._count == MOST:
            return False
        if now_s >= self._from_s:
            self._rows[self._count] = stamp_s, (now_s - stamp_s) * 1e6
            self._count += 1
        return True

    def save(self) -> None:
        """Into the file: doubles, as they are."""
        self._rows[: self._count].tofile(self._wanted.file)
