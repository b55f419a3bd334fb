"""The daemon's memory, kept flat for hours: what is read in large pieces must not break up the heap."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # malloc.h of glibc
LARGE: Final = 65_536  # bytes; asyncio sets aside 262 144 for each read of a socket


def keep_flat() -> None:
    """For a process that has loaded what it needs, before it begins.

    Large pieces get memory of their own, given back at once: left alone glibc takes them from the heap after the
    first one, and what lives longer comes to lie behind them. What was loaded is no longer looked at by the
    garbage collector, which otherwise waits for a quarter as much garbage before it looks at the old.
    """
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
    gc.collect()
    gc.freeze()
