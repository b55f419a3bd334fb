"""The other end, in the place of the guard: stamps each decision as it comes. `python -m bench.peers.sink`.

Real-time rights as the guard has them. When the receiver is gone, all of it goes to a file: rows of sample_ns,
decided_ns, received_ns and 0 (nobody here has sessions), int64.

Told on stdout, JSON lines: {"event": "heard"} at the first frame.
"""

from __future__ import annotations

import argparse
import select
import socket
import sys
import time
from array import array
from pathlib import Path
from typing import Final

from bench.peers.frame import SIZE, TIMES
from nmesd.realtime import GUARD_PRIORITY, go_real_time
from nmesd.sim.lines import emit

ROWS: Final = 1 << 18  # four minutes of a thousand decisions a second
WIDTH: Final = 4


class Rows:
    """Memory for rows of four, all of it taken at once."""

    def __init__(self) -> None:
        self._values = array("q", bytes(8 * WIDTH * ROWS))
        self._used = 0

    def add(self, sample_ns: int, decided_ns: int, received_ns: int, session: int) -> None:
        """One decision. Raises IndexError when all is used."""
        values, at = self._values, self._used
        values[at], values[at + 1] = sample_ns, decided_ns
        values[at + 2], values[at + 3] = received_ns, session
        self._used = at + WIDTH

    def save(self, path: Path) -> None:
        """What was added."""
        with path.open("wb") as file:
            self._values[: self._used].tofile(file)


def main() -> int:
    """Process entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="SOCK_SEQPACKET, to read from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--real-time", action="store_true")
    given = parser.parse_args()
    rows, sock = Rows(), socket.socket(fileno=given.fd)
    if given.real_time:
        go_real_time(GUARD_PRIORITY)
    heard = False
    while True:
        select.select([sock], [], [])  # as the guard does
        data = sock.recv(SIZE)
        received_ns = time.monotonic_ns()
        if not data:
            break
        rows.add(*TIMES.unpack_from(data), received_ns, 0)
        if not heard:
            heard = True
            emit("heard")
    rows.save(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
