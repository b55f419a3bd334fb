"""The campaign of faults: real guard, daemon and engine, simulated stimulator, virtual patient over LSL.

    python bench/faults.py [--times 50] [--seed 1] [--only NAME ...] [--json FILE]

In the middle of a train, at a random instant, something is killed or frozen. Measured is how long
after that the stimulator gave its last pulse and was commanded to zero. A *survivor* is a pulse
given later than the fault's bound (lease + 5 ms), up to the operator's next arming: also what a
woken engine or a new one would give. Exit code 1 if there is any, or if a fault could not be
injected as often as asked.

Times are the guard's own stamps on CLOCK_MONOTONIC; the fault's is taken just before the signal.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.witness import Witness
from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.errors import NmesdError
from nmesd.sessions.recording import Recording
from nmesd.sim.rig import Child, Rig, RigError
from nmesd.sim.spec import spec_from_json
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_MS, NS_PER_S, ms
from nmesd.wire import Pulse

LEASE_MS = 20
BOUND_MS = LEASE_MS + 5
STREAM, SOURCE_ID, MUSCLE = "campaign", "nmesd-campaign", "target"
RATE_HZ = 100  # the highest allowed: the last pulse tells the stop to 10 ms, where 35 Hz would tell it to 29
RAMP_S, PLATEAU_S = 0.3, 1.4
TRAIN_S = RAMP_S + PLATEAU_S + RAMP_S
LAST_INSTANT_S = TRAIN_S - 0.1  # later, the train's own end could be taken for the stop
TRAIN = {
    "channel": 1,
    "amplitude_ma": 20,
    "pulse_width_us": 250,
    "rate_hz": RATE_HZ,
    "ramp_up_s": RAMP_S,
    "plateau_s": PLATEAU_S,
    "ramp_down_s": RAMP_S,
    "hold_off_s": 0.25,
    "relax_s": 0.2,
}
PATIENT = {
    "first_attempt_s": 4.0,
    "interval_s": 2.6,
    "interval_jitter_s": 0.4,
    "duration_s": 0.8,
    "duration_jitter_s": 0.1,
}
REST_S = 10.0  # for the thresholds
HOLD_S = (0.03, 0.5)  # how long a fault lasts before it is mended: shorter than that is no fault
ATTEMPT_WITHIN_S = 20.0


class Bench:
    """A rig with a patient, and what an operator does with them."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.engine_pid = 0
        self._seed = seed
        self.source = self._new_source()

    def _new_source(self) -> Child:
        self._seed += 1
        return self.rig.start(
            "nmesd.sim.patient",
            "--json", json.dumps({"seed": self._seed, **PATIENT}),
            "--name", STREAM,
            "--source-id", SOURCE_ID,
            "--pulses", str(self.rig.patient_socket),
            "--until-eof",
        )  # fmt: skip

    def restart_source(self) -> None:
        """Another patient in the place of one that is gone."""
        self.source.end()
        self.source = self._new_source()

    def signal_engine(self, number: int) -> None:
        """Signal the engine that ran when the train began."""
        os.kill(self.engine_pid, number)

    def wait_for_new_engine(self) -> None:
        """Wait until the daemon has started another engine."""
        until_s = time.monotonic() + 20
        while self.rig.status().get("engine_pid") in (None, self.engine_pid):
            if time.monotonic() > until_s:
                raise RigError(f"no new engine within 20 s\n{self.rig.logs()}")
            time.sleep(0.02)

    def make_ready(self) -> int:
        """Reset if need be, and arm. Gives the instant just before arming."""
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s:
            state = self.rig.status()
            if state["state"] == "TRIPPED":
                self.rig.ask("reset", operator="campaign")
            elif state["state"] == "DISARMED" and not state["inhibits"]:
                armed_ns = time.monotonic_ns()
                if self.rig.ask("arm", operator="campaign")["ok"]:
                    self.engine_pid = state["engine_pid"]
                    return armed_ns
            time.sleep(0.02)
        raise RigError(f"could not be armed within 30 s: {self.rig.status()}\n{self.rig.logs()}")

    def wait_for_train(self) -> int:
        """Instant of the first pulse of the next train. Raises NoTrainError."""
        seen = len(self.rig.given)
        until_s = time.monotonic() + ATTEMPT_WITHIN_S
        ask_s = time.monotonic() + 1
        while time.monotonic() < until_s:
            for pulse in self.rig.given[seen:]:
                if pulse.amplitude_ua:
                    return pulse.given_ns
            if time.monotonic() > ask_s:
                state = self.rig.status()
                if state["state"] in ("TRIPPED", "DISARMED", "STARTING"):
                    raise NoTrainError(f"{state['state']} before any fault: {state['text']}")
                ask_s += 1
            time.sleep(0.001)
        raise NoTrainError(f"no train within {ATTEMPT_WITHIN_S:g} s of arming")

    def guard_trip(self, from_ns: int, to_ns: int) -> str:
        """The reason the guard latched in that time, from its own log."""
        log = (self.rig.folder / "nmesd.guard.log").read_text().splitlines()
        for said in (json.loads(line) for line in log if line.startswith("{")):
            if said.get("after") == "TRIPPED" and from_ns <= said["mono_ns"] <= to_ns:
                return str(said["reason"])
        return "none"


class NoTrainError(NmesdError):
    """A cycle in which there was no train to put a fault into."""


class Fault(NamedTuple):
    """What goes wrong, how the operator mends it, and by when there must be no more pulse."""

    inject: Callable[[Bench], None]
    mend: Callable[[Bench], None]
    bound_ms: int = BOUND_MS


def _nothing(_: Bench) -> None:
    """Nobody needs to do anything but reset and arm."""


# What is killed is started anew. What is frozen is woken, which is the worse case: it goes on with
# what it was about to do. Add a fault here; the campaign and its short form take it up.
FAULTS: dict[str, Fault] = {
    "engine_killed": Fault(
        lambda bench: bench.signal_engine(signal.SIGKILL), Bench.wait_for_new_engine
    ),
    "engine_frozen": Fault(
        lambda bench: bench.signal_engine(signal.SIGSTOP),
        lambda bench: bench.signal_engine(signal.SIGCONT),
    ),
    "source_killed": Fault(lambda bench: bench.source.signal(signal.SIGKILL), Bench.restart_source),
    "source_frozen": Fault(
        lambda bench: bench.source.signal(signal.SIGSTOP),
        lambda bench: bench.source.signal(signal.SIGCONT),
    ),
}


class Cycle(NamedTuple):
    """One injection. Milliseconds from the fault; `zero_ms` None if no zero was ever commanded."""

    last_pulse_ms: float
    zero_ms: float | None
    survivors: int
    reason: str


@dataclass
class Result:
    """All injections of one fault."""

    fault: str
    cycles: list[Cycle] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)  # cycles without a train, and why
    notes: list[str] = field(default_factory=list)  # survivors and slow stops, stalls beside them
    stalls: int = 0
    stall_max_ms: float = 0.0
    load: tuple[float, float] = (0.0, 0.0)  # 1 min load average before and after
    real_time: bool = False  # the guard had its rights

    @property
    def n(self) -> int:
        return len(self.cycles)

    @property
    def survivors(self) -> int:
        return sum(cycle.survivors for cycle in self.cycles)

    def as_json(self) -> dict[str, Any]:
        """One object of the JSON file. A zero that never came makes its figures null."""
        last = [cycle.last_pulse_ms for cycle in self.cycles]
        zero = [math.inf if c.zero_ms is None else c.zero_ms for c in self.cycles]
        return {
            "fault": self.fault,
            "n": self.n,
            "survivors": self.survivors,
            **dict(zip(("p50_ms", "p99_ms", "max_ms"), _figures(last), strict=True)),
            **dict(zip(("zero_p50_ms", "zero_p99_ms", "zero_max_ms"), _figures(zero), strict=True)),
            "reasons": dict(Counter(cycle.reason for cycle in self.cycles)),
            "missed": self.missed,
            "notes": self.notes,
            "stalls_over_5_ms": self.stalls,
            "stall_max_ms": round(self.stall_max_ms, 3),
            "load_average": self.load,
            "guard_real_time": self.real_time,
        }


def campaign(
    name: str,
    times: int,
    seed: int,
    witness: Witness,
    progress: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Inject one fault `times` times. Ends early after as many cycles that came to nothing."""
    rng = random.Random(f"{seed} {name}")
    result = Result(name)
    began_ns, load = time.monotonic_ns(), os.getloadavg()[0]
    while result.n < times and len(result.missed) <= times:
        with Rig(_sections(), limits={"rate_hz": RATE_HZ}) as rig:
            bench = Bench(rig, rng.randrange(2**31))
            began_cycle_ns = time.monotonic_ns()
            try:
                bench.make_ready()
                result.real_time = bool(rig.status()["guard_real_time"])
                while result.n < times and len(result.missed) <= times:
                    began_cycle_ns = time.monotonic_ns()
                    _cycle(bench, FAULTS[name], rng, result, witness)
                    progress(result)
            except (NmesdError, OSError) as error:  # this rig is of no more use: begin with another
                _miss(result, str(error), began_cycle_ns, witness)
                progress(result)
    stalls = witness.stalls(began_ns)
    result.stalls = len(stalls)
    result.stall_max_ms = max((ms(s.to_ns - s.from_ns) for s in stalls), default=0.0)
    result.load = (load, os.getloadavg()[0])
    return result


def _cycle(
    bench: Bench, fault: Fault, rng: random.Random, result: Result, witness: Witness
) -> None:
    """From armed to armed again, with one injection between."""
    began_ns, seen = time.monotonic_ns(), len(bench.rig.given)
    instant_ns, hold_s = rng.uniform(0, LAST_INSTANT_S) * NS_PER_S, rng.uniform(*HOLD_S)
    try:
        train_ns = bench.wait_for_train()
    except NoTrainError as error:
        _miss(result, str(error), began_ns, witness)
        bench.make_ready()
        return
    time.sleep(max(0.0, (train_ns + instant_ns - time.monotonic_ns()) / NS_PER_S))
    fault_ns = time.monotonic_ns()
    fault.inject(bench)
    end_ns = 2**63
    try:
        time.sleep(hold_s)
        fault.mend(bench)
        end_ns = bench.make_ready()
    finally:  # also when the mending failed: what the stimulator gave is judged in any case
        end_ns = min(end_ns, time.monotonic_ns())
        time.sleep(0.01)  # for the rig to have read every pulse given until then
        given = [pulse for pulse in bench.rig.given[seen:] if pulse.given_ns <= end_ns]
        reason = bench.guard_trip(train_ns, end_ns)
        cycle = _judge(given, fault_ns, fault.bound_ms, reason)
        if _in_train(given, fault_ns) or cycle.survivors:
            result.cycles.append(cycle)
            _note(result, cycle, fault_ns, fault.bound_ms, witness)
        else:
            _miss(result, f"the train ended before the fault; guard: {reason}", began_ns, witness)


def _judge(given: Sequence[Pulse], fault_ns: int, bound_ms: int, reason: str) -> Cycle:
    later = [p.given_ns - fault_ns for p in given if p.amplitude_ua and p.given_ns > fault_ns]
    zeros = [p.given_ns - fault_ns for p in given if not p.amplitude_ua and p.given_ns >= fault_ns]
    return Cycle(
        last_pulse_ms=ms(max(later, default=0)),
        zero_ms=ms(zeros[0]) if zeros else None,
        survivors=sum(after_ns > bound_ms * NS_PER_MS for after_ns in later),
        reason=reason,
    )


def _in_train(given: Sequence[Pulse], fault_ns: int) -> bool:
    before = [pulse for pulse in given if pulse.given_ns <= fault_ns]
    return bool(before and before[-1].amplitude_ua) and (
        fault_ns - before[-1].given_ns < 3 * NS_PER_S // RATE_HZ
    )


def _note(result: Result, cycle: Cycle, fault_ns: int, bound_ms: int, witness: Witness) -> None:
    """Keep the circumstances of a survivor, and of a stop that was late without one."""
    if not cycle.survivors and cycle.zero_ms is not None and cycle.zero_ms <= bound_ms:
        return
    until_ms = max(cycle.last_pulse_ms, cycle.zero_ms or 0.0)
    zero = "never" if cycle.zero_ms is None else f"after {cycle.zero_ms:.1f} ms"
    what = (
        f"injection {result.n}: {cycle.survivors} survivors, last pulse after "
        f"{cycle.last_pulse_ms:.1f} ms, zero {zero}, guard: {cycle.reason}"
    )
    result.notes.append(_with_stalls(what, fault_ns, fault_ns + int(until_ms * 1e6), witness))


def _miss(result: Result, why: str, began_ns: int, witness: Witness) -> None:
    result.missed.append(_with_stalls(why, began_ns, time.monotonic_ns(), witness))


def _with_stalls(what: str, from_ns: int, to_ns: int, witness: Witness) -> str:
    stalls = [stall.text(from_ns) for stall in witness.stalls(from_ns, to_ns)]
    return f"{what}; witness: {', '.join(stalls) or 'no stall'}"


def _sections() -> dict[str, dict[str, Any]]:
    """nmesd.toml, thresholds from the patient's own rest."""
    spec = replace(spec_from_json(json.dumps(PATIENT)), first_attempt_s=REST_S + 1)
    emg_uv = VirtualPatient(spec).generate(int(REST_S * spec.rate_hz)).astype(np.float32)
    rest = Recording(emg_uv, spec.rate_hz, (MUSCLE,), (), STREAM)
    on_uv, off_uv = from_rest(rest, REST_S, FilterSection())
    return {
        "stream": {
            "name": STREAM,
            "source_id": SOURCE_ID,
            "rate_hz": spec.rate_hz,
            "labels": [MUSCLE],
            "muscle": MUSCLE,
        },
        "threshold": {"on_uv": on_uv, "off_uv": off_uv},
        "train": TRAIN,
        "guard": {"lease_ms": LEASE_MS},
    }


def _figures(values: Sequence[float]) -> list[float | None]:
    """p50, p99 and maximum, by nearest rank: of fewer than 100 values the p99 is the maximum."""
    ordered = sorted(values)
    if not ordered:
        return [None] * 3
    picked = [ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99, 1)]
    return [round(value, 3) if math.isfinite(value) else None for value in picked]


def markdown(results: Sequence[Result]) -> str:
    """The table, and below it everything that was out of the ordinary."""
    heads = (
        "fault",
        "n",
        "no train",
        "survivors",
        "last pulse, ms: p50 / p99 / max",
        "zero, ms: p50 / p99 / max",
        "kept by the guard",
        "stalls > 5 ms (longest)",
        "load",
    )
    lines = [f"| {' | '.join(heads)} |", "|---|--:|--:|--:|--:|--:|---|--:|--:|"]
    for result in results:
        row = result.as_json()
        last, zero = (
            " / ".join("-" if row[k] is None else f"{row[k]:.1f}" for k in keys)
            for keys in (
                ("p50_ms", "p99_ms", "max_ms"),
                ("zero_p50_ms", "zero_p99_ms", "zero_max_ms"),
            )
        )
        reasons = ", ".join(f"{reason} {count}" for reason, count in row["reasons"].items())
        cells = (
            result.fault,
            str(result.n),
            str(len(result.missed)),
            str(result.survivors),
            last,
            zero,
            reasons,
            f"{result.stalls} ({result.stall_max_ms:.1f} ms)",
            f"{result.load[0]:.1f} to {result.load[1]:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    for result in results:
        lines += [f"* {result.fault}: {note}" for note in result.notes]
        lines += [f"* {result.fault}, cycle without a train: {miss}" for miss in result.missed]
    return "\n".join(lines)


@contextmanager
def _progress(names: Sequence[str], times: int) -> Iterator[Callable[[Result], None]]:
    """A bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("survivors {task.fields[survivors]}, no train {task.fields[missed]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {
            name: bars.add_task(name, total=times, start=False, survivors=0, missed=0)
            for name in names
        }

        def show(result: Result) -> None:
            task = tasks[result.fault]
            bars.start_task(task)
            bars.update(
                task,
                completed=result.n,
                survivors=result.survivors,
                missed=len(result.missed),
            )

        yield show


def main() -> int:
    """Run the campaign; exit code 0 only if everything was injected as often as asked, without survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--times", type=int, default=50, help="injections of each fault")
    parser.add_argument("--seed", type=int, default=1, help="of instants and patients")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    results: list[Result] = []
    with Witness() as witness, _progress(options.only, options.times) as show:
        if not witness.real_time:
            sys.stderr.write("witness without real-time rights: its stalls may be mere load\n")
        for name in options.only:
            results.append(campaign(name, options.times, options.seed, witness, show))
            if options.json:  # after each, so that an interrupted campaign is not lost
                found = [result.as_json() for result in results]
                options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(f"Lease {LEASE_MS} ms, bound lease + 5 ms, {RATE_HZ} Hz trains of {TRAIN_S:g} s.\n")
    print(markdown(results))
    whole = all(result.n == options.times for result in results)
    return 0 if whole and not any(result.survivors for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
