"""Room for records: how much there is, when to warn, and when EMG no longer fits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

LOW_BYTES: Final = 2_000_000_000  # an hour of 8 channels at 2 kHz takes 0.7 GB
LEAST_FOR_SIGNALS_BYTES: Final = 100_000_000  # what is left then is for events: days of them


def free_bytes(path: Path) -> int:
    """Room where `path` is, or will be. Raises OSError."""
    there = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
    return shutil.disk_usage(there).free


def warning(free: int) -> str:
    """What to do about so much room; empty where there is enough."""
    if free >= LOW_BYTES:
        return ""
    return (
        f"{free / 1e9:.1f} GB free for records: below {LEAST_FOR_SIGNALS_BYTES / 1e9:g} GB EMG is no longer kept, "
        f"events are: move sessions away, {LOW_BYTES / 1e9:g} GB at least"
    )
