"""How a receiver begins: its options, its rights before anything starts a thread, and a line that says so.

Told on stdout, JSON lines: {"event": "rights", "missing": [...]}.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from bench.peers.frame import Teller
from nmesd.realtime import ENGINE_PRIORITY, go_real_time
from nmesd.sim.lines import emit


class Options(NamedTuple):
    """What a receiver is started with."""

    teller: Teller
    source_id: str
    channels: int
    rate_hz: float


def begin(description: str | None) -> Options:
    """Read them, and go real-time if that was asked for. Call before the peer is imported: threads inherit it."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--fd", type=int, required=True, help="SOCK_SEQPACKET, to write decisions to")
    add("--source-id", required=True)
    add("--channels", type=int, required=True)
    add("--rate-hz", type=float, required=True)
    add("--real-time", action="store_true", help="SCHED_FIFO, memory locked, no garbage collection")
    given = parser.parse_args()
    missing = go_real_time(ENGINE_PRIORITY) if given.real_time else ["not asked for"]
    emit("rights", missing=missing)
    return Options(Teller(given.fd), given.source_id, given.channels, given.rate_hz)
