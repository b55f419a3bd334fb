"""How soon a process that is killed is known: by its lifeline, and by the end of its connection.

    python bench/death.py [--times 15]

A child with numpy loaded and 32 MB in use holds a robust mutex (`nmesd.wire.lifeline`) and one end of a socket,
and is killed. Once with nothing locked into memory, once with everything, as an engine has it; once with pages
locked as they are touched. Milliseconds from SIGKILL until select returns in a process above it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import socket
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from nmesd.realtime import ENGINE_PRIORITY, GUARD_PRIORITY, try_priority
from nmesd.wire.lifeline import Lifeline, hold

LOCKED = {"nothing": 0, "everything": 3, "what is touched": 7}  # MCL_CURRENT 1, FUTURE 2, ONFAULT 4


def child(path: str, end: socket.socket, flags: int) -> None:
    """Be an engine, as far as dying goes."""
    kept = np.ones(4_000_000)
    ctypes.CDLL(None).mlockall(flags)
    try_priority(ENGINE_PRIORITY)
    assert hold(path)
    end.send(b"ready")
    time.sleep(60 + kept[0])


def once(folder: Path, flags: int) -> tuple[float, float]:
    """(lifeline, connection) in milliseconds."""
    path = str(folder / "life")
    lifeline = Lifeline(path)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        child(path, theirs, flags)
        os._exit(0)
    theirs.close()
    ours.recv(16)
    lifeline.watch()
    time.sleep(0.2)
    killed_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    known_ms: dict[int, float] = {}
    waiting = {lifeline.fileno(), ours.fileno()}
    while waiting:
        for ready in select.select(list(waiting), [], [], 5)[0]:
            known_ms[ready] = (time.monotonic_ns() - killed_ns) / 1e6
            waiting.discard(ready)
    os.waitpid(pid, 0)
    times = known_ms[lifeline.fileno()], known_ms[ours.fileno()]
    ours.close()
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--times", type=int, default=15)
    times = parser.parse_args().times
    if not try_priority(GUARD_PRIORITY):
        print("without real-time rights")
    print(
        "| locked into memory | lifeline, ms: median / max | end of connection, ms: median / max |"
    )
    print("|---|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="nmesd-") as folder:
        for name, flags in LOCKED.items():
            pairs = [once(Path(folder), flags) for _ in range(times)]
            cells = [
                f"{statistics.median(of):.1f} / {max(of):.1f}" for of in zip(*pairs, strict=True)
            ]
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
