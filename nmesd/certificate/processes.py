"""What guard, engine and daemon take of processor and memory, and with which rights they run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from nmesd.sim.rig import Rig, RigError

ANSWER_S = 20.0  # of a daemon on a machine under load
NAMES = ("engine", "guard", "daemon")
_TICKS = os.sysconf("SC_CLK_TCK")
_POLICIES = {os.SCHED_OTHER: "normal", os.SCHED_FIFO: "SCHED_FIFO", os.SCHED_RR: "SCHED_RR"}


class Usage(NamedTuple):
    """At one moment."""

    at_s: float
    pids: dict[str, int]
    cpu_s: dict[str, float]
    rss_mb: dict[str, float]
    busy_s: float  # of all cores, by anybody


def usage(rig: Rig) -> Usage:
    """Now."""
    pids = {
        "engine": int(rig.ask("status", timeout_s=ANSWER_S)["engine_pid"]),
        "guard": rig.guard.process.pid,
        "daemon": rig.daemon.process.pid,
    }
    return Usage(
        time.monotonic(),
        pids,
        {name: cpu_s(pid) for name, pid in pids.items()},
        {name: _kb(pid, "VmRSS") / 1024 for name, pid in pids.items()},
        _busy_s(),
    )


def between(before: Usage, after: Usage) -> dict[str, Any]:
    """Percent of one core from one to the other, resident memory at the end. Raises RigError."""
    if before.pids != after.pids:
        raise RigError("a process was replaced while it was measured: see its log")
    span_s = after.at_s - before.at_s
    each = {
        name: {
            "cpu_pct": round(100 * (after.cpu_s[name] - before.cpu_s[name]) / span_s, 2),
            "rss_mb": round(after.rss_mb[name], 1),
        }
        for name in NAMES
    }
    cores = len(os.sched_getaffinity(0))
    return {
        "cpu_pct": round(sum(one["cpu_pct"] for one in each.values()), 2),
        "rss_mb": round(sum(one["rss_mb"] for one in each.values()), 1),
        "processes": each,
        "machine_busy_pct": round(100 * (after.busy_s - before.busy_s) / span_s / cores, 1),
    }


def rights(rig: Rig) -> dict[str, Any]:
    """Scheduler, priority or niceness, and locked memory, as the kernel says."""
    now = usage(rig)
    return {
        name: {
            "scheduler": _POLICIES.get(os.sched_getscheduler(pid), "other"),
            "priority": os.sched_getparam(pid).sched_priority,
            "nice": os.getpriority(os.PRIO_PROCESS, pid),
            "locked_mb": round(_kb(pid, "VmLck") / 1024, 1),
        }
        for name, pid in now.pids.items()
    }


def cpu_s(pid: int) -> float:
    """User and system, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS  # utime and stime, proc(5)


def _kb(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def _busy_s() -> float:
    with Path("/proc/stat").open() as file:
        user, nice, system, _, _, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS
