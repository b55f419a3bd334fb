"""One injection, from armed to stopped, and what it came to."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.campaign.bench import LEASE_MS, PERIOD_MS, Bench, NoTrainError
from bench.campaign.fault import WITHOUT_RIGHTS_MS, Fault
from nmesd.errors import NmesdError
from nmesd.sim.witness import Witness
from nmesd.units import NS_PER_MS, NS_PER_S, ms
from nmesd.wire import Pulse

SILENT_NS = 50 * NS_PER_MS  # five pulses missing: the train is over, or stopped
STALL_NS = (
    3 * NS_PER_MS
)  # the machine's own, long enough to matter beside budgets of some milliseconds
NO_TRIP = "none"


class Cycle(NamedTuple):
    """One injection."""

    last_pulse_ms: float  # from the fault to the last pulse, 0 if there was none after it
    survivors: int
    reason: str  # the first the guard latched
    stalled: bool  # the machine stood still meanwhile


@dataclass
class Result:
    """All injections of one fault."""

    fault: Fault
    cycles: list[Cycle] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)  # cycles without an injection, and why
    notes: list[str] = field(default_factory=list)  # what was out of the ordinary, stalls beside it
    skipped: str = ""
    real_time: bool = True  # the guard had its rights
    seconds: float = 0.0

    @property
    def n(self) -> int:
        return len(self.cycles)

    @property
    def survivors(self) -> int:
        return sum(cycle.survivors for cycle in self.cycles)

    @property
    def budget_ms(self) -> float:
        """Without real-time rights everything that waits for a process to be woken may take lease + 10 ms."""
        return (
            self.fault.budget_ms if self.real_time else max(self.fault.budget_ms, WITHOUT_RIGHTS_MS)
        )

    def as_json(self) -> dict[str, Any]:
        """One object of the JSON file."""
        p50, p99, most = figures([cycle.last_pulse_ms for cycle in self.cycles])
        return {
            "fault": self.fault.name,
            "device": self.fault.setup.device,
            "n": self.n,
            "survivors": self.survivors,
            "p50_ms": p50,
            "p99_ms": p99,
            "max_ms": most,
            "budget_p99_ms": self.budget_ms,
            "met": p99 is not None and p99 <= self.budget_ms,
            "survivor_after_ms": self.fault.survivor_after_ms,
            "reasons": dict(Counter(cycle.reason for cycle in self.cycles)),
            "stalled": sum(cycle.stalled for cycle in self.cycles),
            "about": self.fault.about,
            "counts_from": "planned end or zero" if self.fault.benign else "fault",
            "missed": self.missed,
            "notes": self.notes,
            "skipped": self.skipped,
            "guard_real_time": self.real_time,
            "seconds": round(self.seconds, 1),
        }


def figures(values: Sequence[float]) -> tuple[float, float, float] | tuple[None, None, None]:
    """p50, p99 and maximum, by nearest rank: of fewer than 100 values the p99 is the maximum."""
    ordered = sorted(values)
    if not ordered:
        return None, None, None
    p50, p99, most = (round(ordered[math.ceil(s * len(ordered)) - 1], 3) for s in (0.5, 0.99, 1))
    return p50, p99, most


def run_cycle(bench: Bench, fault: Fault, result: Result, witness: Witness) -> None:
    """One injection, or a miss, into `result`. Raises NmesdError or OSError if the rig is of no more use."""
    began_ns = time.monotonic_ns()
    if fault.limits is not None:
        bench.use_limits(fault.limits, fault.area_cm2)
    fault.prepare(bench)
    try:
        state = bench.make_ready()
        bench.trips()
        seen = len(bench.rig.given)
        bench.train()
    except NoTrainError as error:
        miss(result, str(error), began_ns, witness)
        return
    result.real_time = result.real_time and bool(state["guard_real_time"])
    _sleep_until(bench.train_ns + int(fault.instant_s(bench.rng) * NS_PER_S))
    try:
        fault_ns = fault.inject(bench)
    except NmesdError as error:  # the train was stopped, or over, before it could be done
        miss(result, f"{error}; guard: {bench.trips()}", began_ns, witness)
        return
    try:
        _wait_for_silence(bench, fault, fault_ns)
        time.sleep(bench.rng.uniform(*fault.hold_s))
        fault.mend(bench)
    finally:  # also when the mending failed: what the stimulator gave is judged in any case
        end_ns = time.monotonic_ns()
        bench.hear_until(end_ns)
        given = [pulse for pulse in bench.rig.given[seen:] if pulse.given_ns <= end_ns]
        trips = bench.trips()
        from_ns = _stop_due_ns(given, fault, bench.train_ns, fault_ns) if fault.benign else fault_ns
        cycle = judge(given, from_ns, fault.survivor_after_ms, trips, witness)
        if cycle.survivors or _happened(fault, cycle, given, fault_ns):
            result.cycles.append(cycle)
            _note(result, cycle, from_ns, witness)
        else:
            miss(result, f"the train was over too soon; guard: {trips}", began_ns, witness)


def judge(
    given: Sequence[Pulse], from_ns: int, bound_ms: float, trips: Sequence[str], witness: Witness
) -> Cycle:
    """Judge the pulses by their own stamps alone."""
    later = [p.given_ns - from_ns for p in given if p.amplitude_ua and p.given_ns > from_ns]
    last_ns = max(later, default=0)
    stalls = witness.stalls(from_ns, from_ns + last_ns)
    return Cycle(
        last_pulse_ms=ms(last_ns),
        survivors=sum(after_ns > bound_ms * NS_PER_MS for after_ns in later),
        reason=trips[0] if trips else NO_TRIP,
        stalled=any(stall.to_ns - stall.from_ns > STALL_NS for stall in stalls),
    )


def miss(result: Result, why: str, began_ns: int, witness: Witness) -> None:
    """Keep a cycle that came to nothing."""
    result.missed.append(_with_stalls(why, began_ns, time.monotonic_ns(), witness))


def _sleep_until(at_ns: int) -> None:
    time.sleep(max(0.0, (at_ns - time.monotonic_ns()) / NS_PER_S))


def _wait_for_silence(bench: Bench, fault: Fault, fault_ns: int) -> None:
    """Until no pulse has come for a while, or the train and the bound are both long over."""
    last_s = max(bench.setup.train_s, fault.survivor_after_ms / 1000) + 0.2
    while time.monotonic_ns() < max(bench.train_ns, fault_ns) + last_s * NS_PER_S:
        heard_ns = bench.rig.heard_ns  # not now: this process may have been kept from reading
        last_ns = next((p.given_ns for p in reversed(bench.rig.given) if p.amplitude_ua), 0)
        if heard_ns - max(last_ns, fault_ns) > SILENT_NS:
            return
        time.sleep(0.002)


def _stop_due_ns(given: Sequence[Pulse], fault: Fault, train_ns: int, fault_ns: int) -> int:
    """For a fault the training may outlive: the planned end and a period, or the first zero after the fault."""
    planned_ns = train_ns + int(fault.setup.train_s * NS_PER_S + PERIOD_MS * NS_PER_MS)
    zeros = [p.given_ns for p in given if not p.amplitude_ua and p.given_ns > fault_ns]
    return min([planned_ns, *zeros])


def _happened(fault: Fault, cycle: Cycle, given: Sequence[Pulse], fault_ns: int) -> bool:
    """Was there a train to stop? One that ended as planned before the guard had a reason shows nothing."""
    if fault.expect and cycle.reason == NO_TRIP:
        return False
    return _in_train(given, fault_ns) if fault.in_train else cycle.reason in fault.expect


def _in_train(given: Sequence[Pulse], fault_ns: int) -> bool:
    before = [pulse for pulse in given if pulse.given_ns < fault_ns]
    return bool(before and before[-1].amplitude_ua) and (
        fault_ns - before[-1].given_ns < 3 * PERIOD_MS * NS_PER_MS
    )


def _note(result: Result, cycle: Cycle, from_ns: int, witness: Witness) -> None:
    """Keep the circumstances of a survivor, of a stop that was late without one, of an unexpected reason."""
    expect = result.fault.expect
    late = cycle.last_pulse_ms > result.budget_ms
    if not late and not cycle.survivors and (not expect or cycle.reason in expect):
        return
    what = (
        f"injection {result.n}: {cycle.survivors} survivors, last pulse after "
        f"{cycle.last_pulse_ms:.1f} ms, guard: {cycle.reason}"
    )
    to_ns = from_ns + int(max(cycle.last_pulse_ms, LEASE_MS) * NS_PER_MS)
    result.notes.append(_with_stalls(what, from_ns, to_ns, witness))


def _with_stalls(what: str, from_ns: int, to_ns: int, witness: Witness) -> str:
    stalls = [stall.text(from_ns) for stall in witness.stalls(from_ns, to_ns)]
    return f"{what}; witness: {', '.join(stalls) or 'no stall'}"
