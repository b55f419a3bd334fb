"""Real-time rights, where the system grants them. Shared habit of guard and engine; standard library only."""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Any

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # linux/mman.h
_TUPLES_KEPT = 2000
GUARD_PRIORITY = 50  # over the engine, so that an engine in an endless loop cannot hold it up
ENGINE_PRIORITY = 40
SOURCE_PRIORITY = (
    30  # a simulated amplifier: a real one has a clock of its own and is not late under load
)


def go_real_time(priority: int, *, whole: bool = True) -> list[str]:
    """SCHED_FIFO, locked memory, no garbage collection. Returns what was not granted, in words, [] if all was.

    mlockall takes 60 ms and more: call it before the first lease. Unless `whole`, memory is locked once it is
    touched: what a library has only set aside costs none (of numpy's OpenBLAS 64 MB, of each thread's stack 8).
    """
    missing = []
    gc.collect()
    gc.freeze()
    gc.disable()  # everything in the loop is freed by reference counts
    flags = _MCL_CURRENT | _MCL_FUTURE | (0 if whole else _MCL_ONFAULT)
    if ctypes.CDLL(None, use_errno=True).mlockall(flags) != 0:
        missing.append("memory not locked: give LimitMEMLOCK=infinity")
    if not try_priority(priority):
        missing.append(f"no real-time priority: give LimitRTPRIO={priority}")
    return missing


def lock_code(but: str) -> None:
    """Bring in and lock every file that is mapped, touched or not: what is seldom run must not wait for a disk.

    but: files with this in their path are locked as they are touched. Where memory may not be locked, nothing
    is: `go_real_time` has said so.
    """
    mlock = ctypes.CDLL(None, use_errno=True).mlock
    mlock.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    with open("/proc/self/maps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        span, rights, *_, path = line.split(maxsplit=5)
        if "r" in rights and path.startswith("/") and but not in path:
            start, end = (int(address, 16) for address in span.split("-"))
            mlock(start, end - start)


def fill_free_lists(*values: Any) -> None:
    """Have CPython keep as many freed tuples of the lengths of these named tuples as it ever will.

    Each `_replace` leaves one, up to 2000 of a length (Objects/tupleobject.c): a loop that replaces now and then
    would grow for an hour, and at some moment by a megabyte, which is what pymalloc takes at a time. A collection
    empties the lists: call it after `go_real_time`.
    """
    for value in values:
        for _ in range(_TUPLES_KEPT):
            value._replace()


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
