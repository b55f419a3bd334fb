"""Takes nearly all memory there is, then takes and gives back a little on every line of stdin, until that ends.

    python -m bench.campaign.hog LEAVE_MB CHURN_MB

Makes itself the first that the kernel would kill.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

MB = 1 << 20
BLOCK_MB = 256
POPULATE = (
    0x8000  # MAP_POPULATE, linux/mman.h: touched by the kernel, four times as fast as by Python
)


def available_mb() -> int:
    """What can be taken without pushing anybody out."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) // 1024


def take(megabytes: int) -> mmap.mmap:
    """So much memory, really there."""
    return mmap.mmap(-1, megabytes * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | POPULATE)


def main() -> int:
    """Process entry."""
    leave_mb, churn_mb = map(int, sys.argv[1:])
    Path("/proc/self/oom_score_adj").write_text("1000")
    held = []
    while available_mb() > leave_mb + churn_mb + BLOCK_MB:
        held.append(take(BLOCK_MB))
    sys.stdout.write('{"event": "ready"}\n')
    sys.stdout.flush()
    for _ in sys.stdin:
        take(churn_mb).close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
