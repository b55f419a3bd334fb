"""Faults inside the real engine, holding its interpreter lock, on a signal. On the PYTHONPATH of a bench alone.

SIGUSR1       an endless loop; killed after 0.5 s at the latest, by itself: it has real-time priority, and whoever
              should end it has not. After 0.95 s the kernel would hold up every real-time process.
SIGUSR2       30 ms of nothing else, as a garbage collection would be
SIGRTMIN      20 ms: late by one lease

A handler runs between two steps of the engine's Python code, up to one wait for samples after the signal; first
it writes its own instant (CLOCK_MONOTONIC, ns) to the file NMESD_CHAOS: the time to the stop counts from there.
"""

from __future__ import annotations

import os
import signal
import sys
import time

NS_PER_MS = 1_000_000
BUSY_NS = {
    signal.SIGUSR1: 500 * NS_PER_MS,
    signal.SIGUSR2: 30 * NS_PER_MS,
    signal.SIGRTMIN: 20 * NS_PER_MS,
}


def _install() -> None:
    log = os.open(os.environ["NMESD_CHAOS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def busy(number: int, _: object) -> None:
        began_ns = time.monotonic_ns()
        os.write(log, b"%d\n" % began_ns)
        until_ns = began_ns + BUSY_NS[signal.Signals(number)]
        while time.monotonic_ns() < until_ns:
            pass
        if number == signal.SIGUSR1:
            os.kill(os.getpid(), signal.SIGKILL)

    for number in BUSY_NS:
        signal.signal(number, busy)


if "nmesd.engine" in sys.orig_argv and "NMESD_CHAOS" in os.environ:
    _install()
