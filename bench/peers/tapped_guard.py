"""The guard itself, with a tap: `python -m bench.peers.tapped_guard OUT guard.toml`.

Of each lease that is let through the tap notes when that was, after the guard's own timing of it, so a little later
than it: rows of sample_ns, decided_ns, passed_ns and session, int64, that go to OUT when the guard ends. Its own
histograms round to 3 % and hold one figure a lease; the rows also tell which chunks a lease came too late for.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from bench.peers.sink import Rows
from nmesd.guard import __main__ as guard
from nmesd.guard.loop import Guard
from nmesd.wire import Lease

_SESSION = (1 << 62) - 1  # of a session's 64 bits, those that fit


def main(out: Path, arguments: list[str]) -> int:
    """Process entry."""
    rows = Rows()
    timed: Any = Guard._time_lease  # noqa: SLF001 - a tap is inside

    def tapped(self: Guard, sent_ns: int, lease: Lease) -> None:
        timed(self, sent_ns, lease)
        rows.add(lease.sample_ns, lease.decided_ns, time.monotonic_ns(), lease.session & _SESSION)

    Guard._time_lease = tapped  # type: ignore[method-assign]  # noqa: SLF001
    try:
        return guard.main(arguments)
    finally:
        rows.save(out)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
