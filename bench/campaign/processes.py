"""Faults of the processes: engine, daemon, guard."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable

from bench.campaign.bench import LEASE_MS, Bench, Setup
from bench.campaign.fault import (
    AT_ONCE_MS,
    DAEMON_SILENT_MS,
    LEASE_OVER_MS,
    NO_GUARD_MS,
    SURVIVOR_MS,
    TICK_MS,
    Fault,
    names,
    now,
)

BOUND_MS = LEASE_MS + SURVIVOR_MS
DAEMON_S = 1.6  # a train that outlasts the engine's patience with its daemon


def _signal(target: Callable[[Bench], Callable[[int], None]], number: int) -> Callable[..., int]:
    def inject(bench: Bench) -> int:
        at_ns = now()
        target(bench)(number)
        return at_ns

    return inject


def _chaos(number: int) -> Callable[..., int]:
    return lambda bench: bench.chaos(number)


def _to_engine(bench: Bench) -> Callable[[int], None]:
    return bench.signal_engine


def _to_daemon(bench: Bench) -> Callable[[int], None]:
    return bench.rig.daemon.signal


def _to_guard(bench: Bench) -> Callable[[int], None]:
    return bench.rig.guard.signal


def kill_engine(bench: Bench) -> None:
    """Have another engine."""
    with contextlib.suppress(ProcessLookupError):  # it may have ended itself
        bench.signal_engine(signal.SIGKILL)
    bench.wait_for_new_engine()


def _restart_daemon(bench: Bench) -> None:
    bench.rig.restart_daemon()


FAULTS = (
    Fault(
        name="engine_killed",
        about="SIGKILL to the engine",
        inject=_signal(_to_engine, signal.SIGKILL),
        mend=Bench.wait_for_new_engine,
        budget_ms=AT_ONCE_MS,
        bound_ms=BOUND_MS,
        expect=names("ENGINE_GONE"),
    ),
    Fault(
        name="engine_frozen",
        about="SIGSTOP to the engine; woken later, it goes on with what it was about to do",
        inject=_signal(_to_engine, signal.SIGSTOP),
        mend=lambda bench: bench.signal_engine(signal.SIGCONT),
        hold_s=(0.03, 0.3),
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
        expect=names("LEASE_EXPIRED"),
    ),
    Fault(
        name="engine_endless_loop",
        about="a handler in the engine loops, holding its interpreter lock at its priority, until it is killed",
        inject=_chaos(signal.SIGUSR1),
        mend=kill_engine,
        hold_s=(0.03, 0.3),
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
        expect=names("LEASE_EXPIRED"),
    ),
    Fault(
        name="engine_paused_30_ms",
        about="a handler in the engine is busy for 30 ms, as a garbage collection",
        inject=_chaos(signal.SIGUSR2),
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
        expect=names("LEASE_EXPIRED"),
    ),
    Fault(
        name="engine_late_by_a_lease",
        about="a handler in the engine is busy for 20 ms",
        inject=_chaos(signal.SIGRTMIN),
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
        expect=names("LEASE_EXPIRED", "ENGINE_OVERRUN"),
    ),
    Fault(
        name="engine_terminated",
        about="SIGTERM to the engine",
        inject=_signal(_to_engine, signal.SIGTERM),
        mend=Bench.wait_for_new_engine,
        budget_ms=LEASE_OVER_MS,
        bound_ms=BOUND_MS,
        expect=names("ENGINE_SHUTDOWN"),
    ),
    Fault(
        name="daemon_killed",
        about="SIGKILL to the daemon; the engine ends with it",
        inject=_signal(_to_daemon, signal.SIGKILL),
        mend=_restart_daemon,
        # It has no real-time rights, and is not dead before the kernel has found time to end it: 56 ms once, on a
        # busy machine. Until then an engine that is well renews its leases. What bounds it is the heartbeat.
        setup=Setup(train_s=DAEMON_S),
        until_s=DAEMON_S - 1.1,  # so that one that takes as long as the bound is seen
        budget_ms=LEASE_OVER_MS,
        bound_ms=DAEMON_SILENT_MS + LEASE_MS + SURVIVOR_MS,
        expect=names("DAEMON_GONE"),
    ),
    Fault(
        name="daemon_terminated",
        # Alive and without real-time rights, it takes as long to hear as a busy machine makes it: no fault but an
        # order. One that does not hear at all is the frozen one.
        about="SIGTERM to the daemon, which ends the engine in order",
        inject=_signal(_to_daemon, signal.SIGTERM),
        mend=_restart_daemon,
        setup=Setup(train_s=DAEMON_S),
        budget_ms=DAEMON_SILENT_MS,
        expect=names("ENGINE_SHUTDOWN", "DAEMON_GONE"),
    ),
    Fault(
        name="daemon_frozen",
        about="SIGSTOP to the daemon; woken later",
        inject=_signal(_to_daemon, signal.SIGSTOP),
        mend=lambda bench: bench.rig.daemon.signal(signal.SIGCONT),
        setup=Setup(train_s=DAEMON_S),
        budget_ms=DAEMON_SILENT_MS,
        expect=names("DAEMON_SILENT"),
    ),
    Fault(
        name="guard_killed",
        about="SIGKILL to the guard; what the device does without it is its own",
        inject=_signal(_to_guard, signal.SIGKILL),
        mend=Bench.restart_guard,
        guard_gone=True,
        budget_ms=NO_GUARD_MS,
        bound_ms=BOUND_MS,
    ),
    Fault(
        name="guard_frozen",
        about="SIGSTOP to the guard; woken later, it must give nothing of what it was about to",
        inject=_signal(_to_guard, signal.SIGSTOP),
        mend=lambda bench: bench.rig.guard.signal(signal.SIGCONT),
        hold_s=(0.03, 0.3),
        guard_gone=True,
        budget_ms=NO_GUARD_MS,
        bound_ms=BOUND_MS,
    ),
    Fault(
        name="guard_terminated",
        about="SIGTERM to the guard",
        inject=_signal(_to_guard, signal.SIGTERM),
        mend=Bench.restart_guard,
        budget_ms=TICK_MS,
        bound_ms=BOUND_MS,
        expect=names("GUARD_SHUTDOWN"),
    ),
)
