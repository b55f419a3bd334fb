"""Real-time rights, where the system grants them. Shared habit of guard and engine; standard library only."""

from __future__ import annotations

import ctypes
import gc
import os

_MCL_CURRENT, _MCL_FUTURE = 1, 2  # linux/mman.h
GUARD_PRIORITY = 50  # over the engine, so that an engine in an endless loop cannot hold it up
ENGINE_PRIORITY = 40
SOURCE_PRIORITY = (
    30  # a simulated amplifier: a real one has a clock of its own and is not late under load
)


def go_real_time(priority: int) -> list[str]:
    """SCHED_FIFO, locked memory, no garbage collection. Returns what was not granted, in words, [] if all was.

    mlockall takes 60 ms and more: call it before the first lease.
    """
    missing = []
    gc.collect()
    gc.freeze()
    gc.disable()  # everything in the loop is freed by reference counts
    if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        missing.append("memory not locked: give LimitMEMLOCK=infinity")
    if not try_priority(priority):
        missing.append(f"no real-time priority: give LimitRTPRIO={priority}")
    return missing


def try_priority(priority: int) -> bool:
    """Ask for SCHED_FIFO alone; False if the system does not grant it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return False
    return True


def real_time_granted() -> bool:
    """Would this process be given real-time priority? Leaves it as it is."""
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    granted = try_priority(SOURCE_PRIORITY)
    if granted:
        os.sched_setscheduler(0, before, parameters)
    return granted
