"""What a fault of the campaign is: how it comes, how it is mended, and by when there must be no more pulse."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.campaign.bench import LEASE_MS, PERIOD_MS, Bench, Setup

# Budgets at p99 in milliseconds, guard with real-time rights, from the fault to the last pulse: issue 3.
AT_ONCE_MS = 1.0  # a dead engine, a closed socket, a refused frame
TICK_MS = 5.0  # nmesd.guard.loop.TICK_NS: how often the guard looks whether it shall end
LEASE_OVER_MS = (
    LEASE_MS + 2.0
)  # a frozen, looping or late engine; a dead daemon, which takes the engine with it
STALE_MS = 15.0  # nmesd.engine.watch.stale_after_ns of this lease
SILENT_MS = STALE_MS + LEASE_MS  # a source that sends nothing
SEEN_MS = 1.0 + 5.0  # one hop, and 5: gap, NaN, rail
FLAT_MS = 100.0 + SEEN_MS  # 100 ms of equal samples are flat
RATE_MS = 3000.0  # what only a count over time shows: wrong rate, second source
DAEMON_SILENT_MS = 1000.0  # nmesd.engine.process.DAEMON_SILENT_NS
# No guard, nobody sends a pulse: what is left is how exactly a pulse tells the time. Others: devices.py.
NO_GUARD_MS = PERIOD_MS
# Without real-time rights the issue allows lease + 10 for all that needs a process to be woken.
WITHOUT_RIGHTS_MS = LEASE_MS + 10.0

SURVIVOR_MS = 5.0  # what a pulse may be later than the lease that let it through

SHORT = Setup()

Inject = Callable[[Bench], int]  # gives the instant


def nothing(_: Bench) -> None:
    """Nobody needs to do anything but reset and arm."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One line of the campaign.

    inject: does it, at once or when its time has come, and gives its instant.
    mend: what an operator does before reset and arming.
    expect: the guard's reasons that say it was seen for what it is; others stop as well, and are shown.
    """

    name: str
    about: str  # how it is injected, in a line
    inject: Inject
    budget_ms: float
    mend: Callable[[Bench], None] = nothing
    prepare: Callable[[Bench], None] = nothing  # before the arming
    setup: Setup = SHORT
    limits: Mapping[str, float] | None = field(default_factory=dict)  # None: `prepare` sets them
    area_cm2: float = 25.0
    expect: frozenset[str] = frozenset()
    # Later than this is a survivor. Whatever else fails, the lease runs out: so the budget, the lease and 5 ms.
    bound_ms: float | None = None
    from_s: float = 0.0  # earliest instant in the train
    until_s: float | None = None  # latest; by default the stop still falls into the train
    hold_s: tuple[float, float] = (0.03, 0.1)  # how long it lasts, once the output has stopped
    # False: comes by itself, as a limit that is reached, and is an injection if the guard stopped for that.
    in_train: bool = True
    # True: the training may go on. A pulse is then late from the end of the planned train or the first zero.
    benign: bool = False
    guard_gone: bool = False  # nobody is left but the device itself
    skip: Callable[[], str] | None = None  # why it cannot be done here, "" if it can

    @property
    def survivor_after_ms(self) -> float:
        """Pulses later than this are survivors."""
        return self.budget_ms + LEASE_MS + SURVIVOR_MS if self.bound_ms is None else self.bound_ms

    def instant_s(self, rng: random.Random) -> float:
        """A random instant in the train, early enough for the stop to be seen in it."""
        latest_s = self.setup.train_s - 0.1 - self.budget_ms / 1000
        until_s = latest_s if self.until_s is None else self.until_s
        return rng.uniform(self.from_s, max(self.from_s, until_s))


def names(*reasons: str) -> frozenset[str]:
    """The guard's reasons."""
    return frozenset(reasons)


def ordered(bench: Bench, **order: Any) -> int:
    """Have the proxy spoil a frame. Gives the instant at which that went out."""
    assert bench.proxy is not None
    seen = len(bench.proxy.events)
    bench.proxy.order(**order)
    return int(bench.event(bench.proxy, "fault", seen)["at_ns"])


def now() -> int:
    """The instant, CLOCK_MONOTONIC."""
    return time.monotonic_ns()
