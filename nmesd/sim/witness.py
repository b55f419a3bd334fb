"""Witness of the machine's own stalls: `Witness` starts one process per core that only looks at the clock.

A virtual machine stands still now and then (facts/platform.md: 26 ms seen). A witness wakes every
millisecond on an absolute schedule, above the guard's priority and pinned to its core; when it
wakes more than `late_ms` late, nothing on that core could have run. A process and not a thread: a
thread would take its own interpreter's lock for a stall of the machine.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

PERIOD_NS = 1_000_000
PRIORITY = 60  # over the guard's 50


class Stall(NamedTuple):
    """A core on which nothing ran: from when the witness should have woken to when it did, CLOCK_MONOTONIC."""

    cpu: int
    from_ns: int
    to_ns: int

    def text(self, since_ns: int) -> str:
        """In words, times from `since_ns`."""
        start_ms, long_ms = (self.from_ns - since_ns) / 1e6, (self.to_ns - self.from_ns) / 1e6
        return f"core {self.cpu} stood still for {long_ms:.1f} ms from {start_ms:+.1f} ms"


class Witness:
    """Watches every core this process may use, from `with` to its end."""

    def __init__(self, late_ms: float = 3.0) -> None:
        self._late_ms = late_ms

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="nmesd-witness-")
        self._processes = []
        for cpu in sorted(os.sched_getaffinity(0)):
            path = Path(self._folder.name) / str(cpu)
            with path.open("wb") as out:
                command = [sys.executable, __file__, str(cpu), str(self._late_ms)]
                self._processes.append(subprocess.Popen(command, stdout=out))
        self._wait_for_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._folder.cleanup()

    @property
    def real_time(self) -> bool:
        """False if no real-time priority was granted: then a stall may be another process's work."""
        return all(first["real_time"] for first, *_ in self._lines())

    def stalls(self, from_ns: int = 0, to_ns: int = 2**63) -> list[Stall]:
        """Those that overlap [from_ns, to_ns], oldest first."""
        told = [Stall(*line["stall"]) for _, *lines in self._lines() for line in lines]
        here = [stall for stall in told if stall.from_ns <= to_ns and stall.to_ns >= from_ns]
        return sorted(here, key=lambda stall: stall.from_ns)

    def _lines(self) -> list[list[dict[str, Any]]]:
        files = sorted(Path(self._folder.name).iterdir())
        return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]

    def _wait_for_all(self) -> None:
        until_s = time.monotonic() + 10
        while not all(self._lines()):
            if time.monotonic() > until_s:
                raise RuntimeError("the witness did not start within 10 s")
            time.sleep(0.01)


def stolen_s() -> float:
    """What the machine under a virtual one has not let it run, all cores, since it was started."""
    with Path("/proc/stat").open() as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def watch(cpu: int, late_ms: float) -> None:
    """Watch one core until the parent is gone."""
    os.sched_setaffinity(0, {cpu})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        real_time = True
    except PermissionError:
        real_time = False
    gc.disable()
    parent = os.getppid()
    os.write(1, json.dumps({"real_time": real_time}).encode() + b"\n")
    due_ns = time.monotonic_ns() + PERIOD_NS
    while os.getppid() == parent:
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()
        if now_ns - due_ns > late_ms * 1e6:
            os.write(1, json.dumps({"stall": [cpu, due_ns, now_ns]}).encode() + b"\n")
            due_ns = now_ns
        due_ns += PERIOD_NS


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]))
