"""Faults of the EMG source: a process that dies, samples that are wrong, a stream that is another."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any

from bench.campaign.bench import LONG_S, Bench, NoTrainError, Setup
from bench.campaign.fault import (
    FLAT_MS,
    RATE_MS,
    SEEN_MS,
    SILENT_MS,
    Fault,
    names,
    now,
)
from nmesd.errors import LinkError
from nmesd.units import NS_PER_MS, NS_PER_S

LONG = Setup(train_s=LONG_S)
GAP_SAMPLES = (
    12  # milliseconds: over the 11 that time stamps may jitter, under the 15 that are silence
)
OTHER_RATE_HZ = 2000


def _distort(after_samples: int = 0, **order: Any) -> Callable[[Bench], int]:
    """Have the source do it. The instant is that of its first sample that shows it, `after_samples` later."""

    def inject(bench: Bench) -> int:
        seen = len(bench.source.events)
        bench.source.order(**order)
        return int(bench.event(bench.source, "fault", seen)["at_ns"]) + after_samples * NS_PER_MS

    return inject


def _signal(number: int) -> Callable[[Bench], int]:
    def inject(bench: Bench) -> int:
        at_ns = now()
        bench.source.signal(number)
        return at_ns

    return inject


def _prepare_second(bench: Bench) -> None:
    """Another sender with the same identity, that is not there yet."""
    bench.kept.append(bench.new_source(hears=False, waits=True))


def _second(bench: Bench) -> int:
    """It appears; the instant is that of its first sample."""
    second = bench.kept[-1]
    second.order(order="appear")
    return int(bench.event(second, "ready", 0, seconds=LONG_S)["lsl_start"] * NS_PER_S)


def _replace(bench: Bench) -> int:
    """The source dies, and another with its name takes its place. The instant is that of the death."""
    at_ns = now()
    bench.source.signal(signal.SIGKILL)
    bench.rig.end(bench.source)
    bench.source = bench.new_source(rate_hz=OTHER_RATE_HZ)
    return at_ns


def _try_the_other(bench: Bench) -> None:
    """Give it all chances: reset, arm, attempt. A pulse of that would be a survivor. Then the right one again."""
    bench.event(bench.source, "ready", 0, seconds=5)
    time.sleep(1.2)  # longer than a stream must be alone to be taken
    with contextlib.suppress(LinkError):
        bench.rig.ask("reset", operator="campaign")
        bench.rig.ask("arm", operator="campaign")
    with contextlib.suppress(NoTrainError):
        bench.train(0.6)
    bench.restart_source()


FAULTS = (
    Fault(
        name="source_killed",
        about="SIGKILL to the source",
        inject=_signal(signal.SIGKILL),
        mend=Bench.restart_source,
        budget_ms=SILENT_MS,
        expect=names("EMG_STALE", "EMG_STREAM_GONE"),
    ),
    Fault(
        name="source_frozen",
        about="SIGSTOP to the source; woken later",
        inject=_signal(signal.SIGSTOP),
        mend=lambda bench: bench.source.signal(signal.SIGCONT),
        hold_s=(0.03, 0.3),
        budget_ms=SILENT_MS,
        expect=names("EMG_STALE"),
    ),
    Fault(
        name="source_slow",
        about="5 % fewer samples a second than it says",
        inject=_distort(fault="rate", factor=0.95),
        mend=lambda bench: bench.source.order(fault="rate", factor=1.0),
        setup=LONG,
        budget_ms=RATE_MS,
        expect=names("EMG_RATE"),
    ),
    Fault(
        name="source_duplicated",
        about="every chunk comes twice",
        inject=_distort(fault="duplicate", seconds=RATE_MS / 1000 + 0.2),
        setup=LONG,
        budget_ms=RATE_MS,
        expect=names("EMG_RATE", "EMG_GAP"),
    ),
    Fault(
        name="source_second",
        about="a second source with the same identity appears",
        prepare=_prepare_second,
        inject=_second,
        mend=Bench.end_kept,
        setup=LONG,
        until_s=0.6,  # it takes up to 0.3 s to appear
        budget_ms=RATE_MS,
        expect=names("EMG_AMBIGUOUS"),
    ),
    Fault(
        name="source_gap",
        about="12 ms of samples are lost; counts from the first after them",
        inject=_distort(GAP_SAMPLES, fault="gap", samples=GAP_SAMPLES),
        budget_ms=SEEN_MS,
        expect=names("EMG_GAP"),
    ),
    Fault(
        name="source_nan",
        about="one sample is not a number",
        inject=_distort(fault="nan", samples=1),
        budget_ms=SEEN_MS,
        expect=names("EMG_NOT_FINITE"),
    ),
    Fault(
        name="source_railed",
        about="the amplifier is at full scale for half a second",
        inject=_distort(fault="rail"),
        budget_ms=SEEN_MS,
        expect=names("EMG_RAILED"),
    ),
    Fault(
        name="source_flat",
        about="the value stays for half a second",
        inject=_distort(fault="flat"),
        budget_ms=FLAT_MS,
        expect=names("EMG_FLAT"),
    ),
    Fault(
        name="source_replaced",
        about="killed, and another of twice the rate takes its name; that one is offered all chances",
        inject=_replace,
        mend=_try_the_other,
        budget_ms=SILENT_MS,
        expect=names("EMG_STALE", "EMG_STREAM_GONE"),
    ),
)
