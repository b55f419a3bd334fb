"""What happens to the machine: load, memory, clock, disk, new settings. The training may go on."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

from bench.campaign.bench import LEASE_MS, Bench, Setup
from bench.campaign.fault import LEASE_OVER_MS, SURVIVOR_MS, Fault, now
from bench.campaign.processes import kill_engine

BUSY = 4  # processes, on two cores
LEAVE_MB, CHURN_MB = 1500, 512  # so much is left for everybody else; so much more comes and goes
FILL_S = 240  # 1 to 3 GB a second
STEP_S = 30
STEP_FOR_S = 0.3  # how long the wall clock is wrong
BOUND_MS = LEASE_MS + SURVIVOR_MS


def _busy(bench: Bench) -> int:
    at_ns = now()
    for _ in range(BUSY):
        bench.kept.append(bench.rig.run(sys.executable, "-c", "while True: pass"))
    return at_ns


def _fill_memory(bench: Bench) -> None:
    """Once per rig: it stays full, and more comes and goes in every cycle."""
    if not bench.hogs:
        bench.hogs.append(bench.rig.start("bench.campaign.hog", str(LEAVE_MB), str(CHURN_MB)))
        bench.event(bench.hogs[0], "ready", 0, seconds=FILL_S)


def _churn(bench: Bench) -> int:
    at_ns = now()
    bench.hogs[0].order(order="churn")
    return at_ns


def _step_clock(_: Bench) -> int:
    """Forward and back, always back, and as far as if nothing had happened."""
    true_s, began_s = time.clock_gettime(time.CLOCK_REALTIME), time.monotonic()
    try:
        at_ns = now()
        time.clock_settime(time.CLOCK_REALTIME, true_s + STEP_S)
        time.sleep(STEP_FOR_S)
    finally:
        time.clock_settime(time.CLOCK_REALTIME, true_s + time.monotonic() - began_s)
    return at_ns


def _no_clock() -> str:
    try:
        time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))
    except PermissionError:
        return "the wall clock may not be set here"
    return ""


def _fill_disk(bench: Bench) -> int:
    """The EMG can grow no more. The log, which is no file in service use, is kept short of that."""
    newest = max(Path(bench.record).glob("*/session.xdf"), key=lambda file: file.stat().st_mtime_ns)
    os.truncate(bench.rig.folder / "nmesd.cli.log", 0)
    at_ns = now()
    pid = bench.rig.daemon.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (newest.stat().st_size, resource.RLIM_INFINITY))
    return at_ns


def _empty_disk(bench: Bench) -> None:
    """Room again, and a new record, as comes with a new engine."""
    pid = bench.rig.daemon.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    bench.rig.ask("disarm", operator="campaign")
    kill_engine(bench)


def _reload(bench: Bench) -> int:
    """Another threshold: with nothing changed a reload does nothing."""
    bench.write_other_threshold()
    at_ns = now()
    answer = bench.rig.ask("reload", operator="campaign")
    bench.require(answer["ok"], f"reload refused: {answer.get('text')}")
    return at_ns


def _holds(bench: Bench) -> None:
    """The session went on, and the new threshold holds."""
    bench.wait_until(lambda: bench.rig.status()["on_uv"] == bench.on_uv, "new threshold")
    bench.require(bench.rig.status()["engine_pid"] == bench.engine_pid, "the engine was replaced")


FAULTS = (
    Fault(
        name="four_busy_processes",
        about=f"{BUSY} endless loops beside, on two cores",
        inject=_busy,
        mend=Bench.end_kept,
        benign=True,
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
    ),
    Fault(
        name="memory_pressure",
        about=f"all memory but {LEAVE_MB} MB taken, {CHURN_MB} MB more taken and given back at once",
        prepare=_fill_memory,
        inject=_churn,
        setup=Setup(hog=True),
        benign=True,
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
    ),
    Fault(
        name="wall_clock_stepped",
        about=f"{STEP_S} s forward, and back after {STEP_FOR_S} s",
        inject=_step_clock,
        skip=_no_clock,
        benign=True,
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
    ),
    Fault(
        name="disk_full",
        about="the record can grow no more (RLIMIT_FSIZE of the daemon)",
        inject=_fill_disk,
        mend=_empty_disk,
        setup=Setup(record=True),
        hold_s=(0.5, 0.8),
        benign=True,
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
    ),
    Fault(
        name="settings_reloaded",
        about="`reload` in mid-train with another threshold; the session goes on",
        inject=_reload,
        mend=_holds,
        hold_s=(1.0, 1.4),  # attempts that came sooner would be taken for a heart
        benign=True,
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
    ),
)
