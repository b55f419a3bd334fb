"""The guard itself, with a tap: `python -m bench.peers.tapped_guard OUT guard.toml`.

Of each lease that is let through the tap notes when that was, after the guard's own timing of it, so a little
later: rows of sample_ns, decided_ns, passed_ns and session, int64, that go to OUT when the guard ends. Its own
histograms round to 3 % and hold one figure a lease; the rows also tell which chunks a lease came too late for.
"""

from __future__ import annotations

import sys
import time
from array import array
from pathlib import Path
from typing import Any

from nmesd.guard import __main__ as guard
from nmesd.guard.loop import Guard
from nmesd.wire import Lease

_SESSION = (1 << 62) - 1  # of a session's 64 bits, those that fit
_ROWS, _WIDTH = 1 << 18, 4  # four minutes of a thousand leases a second; all the memory at once


class Rows:
    """Memory for rows of four. The guard's own process: standard library."""

    def __init__(self) -> None:
        self._values = array("q", bytes(8 * _WIDTH * _ROWS))
        self._used = 0

    def add(self, sample_ns: int, decided_ns: int, passed_ns: int, session: int) -> None:
        """One lease; what does not fit any more is left out, and the guard goes on."""
        values, at = self._values, self._used
        if at == _WIDTH * _ROWS:
            return
        values[at], values[at + 1] = sample_ns, decided_ns
        values[at + 2], values[at + 3] = passed_ns, session
        self._used = at + _WIDTH

    def save(self, path: Path) -> None:
        """What was added."""
        with path.open("wb") as file:
            self._values[: self._used].tofile(file)


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
