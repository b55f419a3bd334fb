"""`nmesd demo`: the whole loop, with a person who is not there and a stimulator that is emulated.

Guard, daemon and engine are the real ones; the virtual patient tries, is heard over LSL, gets trains, and feels
them in its EMG. Each pulse goes as ScienceMode 4 bytes to an emulated P24, which gives it to the patient. At the
end the engine is frozen in the middle of a train, and the guard's stop is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.sessions.recording import Recording
from nmesd.sim.rig import Rig, RigError
from nmesd.sim.session_files import one_muscle
from nmesd.sim.spec import PatientSpec, spec_from_json
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_MS, NS_PER_S, ms

MOST_TRIPS = (
    5  # a busy machine without real-time rights may trip; the demo says how often, and goes on
)
STREAM = "virtual-patient"
MUSCLE = "target"  # the virtual patient's first channel
TRAIN = {
    "channel": 1,
    "amplitude_ma": 20,
    "pulse_width_us": 250,
    "rate_hz": 35,
    "ramp_up_s": 0.2,
    "plateau_s": 0.5,
    "ramp_down_s": 0.2,
    "hold_off_s": 0.3,
    "relax_s": 0.3,
}
# Short trains and short pauses, so that 20 attempts fit in a minute; a session with a person is slower.
PATIENT = {
    "first_attempt_s": 8.0,
    "interval_s": 2.9,
    "interval_jitter_s": 0.2,
    "duration_s": 1.0,
    "duration_jitter_s": 0.1,
    "offset_uv": 77_000.0,
}
TRAIN_GAP_NS = 150 * NS_PER_MS  # pulses further apart belong to different trains


Show = Callable[[dict[str, Any], int, int], None]


class Result(NamedTuple):
    """What the demo shows; field names are those of --json."""

    attempts: int
    detected: int
    trains: int
    false_trains: int
    latency_ms: dict[str, float]
    time_to_zero_ms: float | None
    lease_ms: int
    trip: str
    trips_before: list[str]
    stimulator: str
    passed: bool


@dataclass
class Watched:
    """What the demo saw while it ran."""

    attempts: list[dict[str, Any]] = field(default_factory=list)
    latencies_ms: dict[int, float] = field(default_factory=dict)  # by number of the train
    trips: list[str] = field(default_factory=list)
    ended_ns: int = 0
    time_to_zero_ms: float | None = None
    frozen_trip: str = ""
    stimulator: str = ""


def main(*, record: Path | None, attempts: int, seed: int, as_json: bool) -> int:
    """Run the demo; exit code 0 only if all of it held."""
    console = Console(stderr=as_json)
    spec = spec_from_json(json.dumps({"seed": seed, **PATIENT}))
    # A closed terminal ends the demo in good order: to its daemon SIGHUP means reload, and it would stay behind.
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(1))
    with Rig(_sections(spec), record=record, driver="sciencemode4") as rig:
        try:
            result = _session(rig, seed, attempts, console)
        except RigError as error:
            console.print(f"[red]the demo did not get through:[/] {error}")
            return 1
    if as_json:
        sys.stdout.write(json.dumps(result._asdict()) + "\n")
    else:
        console.print(_table(result))
    return 0 if result.passed else 1


def _sections(spec: PatientSpec) -> dict[str, dict[str, Any]]:
    """The files for this patient, thresholds from its rest before the first attempt."""
    emg_uv = VirtualPatient(spec).generate(int((spec.first_attempt_s - 1) * spec.rate_hz))
    rest = Recording(emg_uv.astype(np.float32), spec.rate_hz, ("muscle",), (), STREAM)
    found = from_rest(rest, spec.first_attempt_s - 1, FilterSection())
    return {
        "stream": {
            "name": STREAM,
            "source_id": "nmesd-demo",
            "rate_hz": spec.rate_hz,
            "labels": [MUSCLE],
        },
        **one_muscle(MUSCLE, found.section, TRAIN),
    }


def _session(rig: Rig, seed: int, wanted: int, console: Console) -> Result:
    patient = rig.start(
        "nmesd.sim.patient",
        "--json", json.dumps({"seed": seed, **PATIENT}),
        "--name", STREAM,
        "--source-id", "nmesd-demo",
        "--pulses", str(rig.patient_socket),
        "--until-eof",
    )  # fmt: skip
    watched = Watched()
    with _live(console) as show:
        rig.arm("demo")
        until_s = time.monotonic() + wanted * 3.2 + 15  # under 90 s in all for 20
        while time.monotonic() < until_s and len(watched.trips) <= MOST_TRIPS:
            watched.attempts = [e for e in list(patient.events) if e["event"] == "attempt"]
            state = rig.status()
            show(state, len(watched.attempts), wanted)
            watched.stimulator = state.get("stimulator", "")
            if state.get("trains"):
                watched.latencies_ms[state["trains"]] = state["latency_ms"]
            if state["state"] == "TRIPPED":  # as an operator would: read why, reset, arm again
                watched.trips.append(state["text"])
                rig.ask("reset", operator="demo")
                rig.arm("demo")
            over = sum(e["offset_lsl"] * NS_PER_S < time.monotonic_ns() for e in watched.attempts)
            if over >= wanted:
                break
            time.sleep(0.05)
        del watched.attempts[wanted:]
        watched.ended_ns = time.monotonic_ns()
        _freeze(rig, show, wanted, watched)
    return _judge(rig, watched, wanted)


def _freeze(rig: Rig, show: Show, wanted: int, watched: Watched) -> None:
    """Freeze the engine in the middle of a train, and see when the guard commands zero."""
    rig.wait_for("READY")
    state = rig.wait_for("STIMULATING")
    time.sleep(0.3)
    frozen_ns = time.monotonic_ns()
    os.kill(state["engine_pid"], signal.SIGSTOP)
    time.sleep(1.0)
    zeroed_ns = rig.zeroed_ns(frozen_ns)
    later = [pulse for pulse in rig.currents() if zeroed_ns and pulse.given_ns > zeroed_ns]
    os.kill(
        state["engine_pid"], signal.SIGKILL
    )  # the daemon starts another; the guard's trip stays
    state = rig.wait_for("TRIPPED")
    show(state, wanted, wanted)
    watched.frozen_trip = state["trip_reason"]
    if zeroed_ns is not None and not later:
        watched.time_to_zero_ms = ms(zeroed_ns - frozen_ns)


def _judge(rig: Rig, watched: Watched, wanted: int) -> Result:
    made = watched.attempts
    starts = [
        t for t in train_starts([p.given_ns for p in rig.currents()]) if t <= watched.ended_ns
    ]
    spans = [(int(e["onset_lsl"] * NS_PER_S), int(e["offset_lsl"] * NS_PER_S)) for e in made]
    hits = [sum(onset <= start <= offset for start in starts) for onset, offset in spans]
    detected = sum(hit > 0 for hit in hits)
    false_trains = len(starts) - detected
    values = sorted(watched.latencies_ms.values())
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [0.0] * 99
    zero_ms = watched.time_to_zero_ms
    return Result(
        attempts=len(made),
        detected=detected,
        trains=len(starts),
        false_trains=false_trains,
        latency_ms={"p50": cuts[49], "p99": cuts[98], "max": max(values, default=0.0)},
        time_to_zero_ms=zero_ms,
        lease_ms=rig.lease_ms,
        trip=watched.frozen_trip,
        trips_before=watched.trips,
        stimulator=watched.stimulator.split(" at ")[0],
        passed=(
            len(made) >= wanted
            and detected >= 0.9 * len(made)
            and false_trains == 0
            and zero_ms is not None
            and zero_ms <= rig.lease_ms + 5
        ),
    )


def train_starts(given_ns: list[int]) -> list[int]:
    """The first pulse of each train."""
    return [t for i, t in enumerate(given_ns) if i == 0 or t - given_ns[i - 1] > TRAIN_GAP_NS]


def _show_nothing(_state: dict[str, Any], _made: int, _wanted: int) -> None:
    """Where nobody looks."""


@contextlib.contextmanager
def _live(console: Console) -> Iterator[Show]:
    """Live state on a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield _show_nothing
        return
    with Live(console=console, refresh_per_second=10, transient=True) as live:

        def show(state: dict[str, Any], made: int, wanted: int) -> None:
            table = Table.grid(padding=(0, 2))
            table.add_row("[bold reverse] " + state["state"] + " ", state["text"])
            if "envelope_uv" in state:
                filled = min(40, round(20 * state["envelope_uv"] / state["on_uv"]))
                bar = "█" * filled + "·" * (40 - filled)
                table.add_row(
                    "envelope", f"{bar} {state['envelope_uv']:6.1f} µV, on at {state['on_uv']:.1f}"
                )
                table.add_row("output", f"{state['amplitude_ma']:.1f} mA, {state['pulses']} pulses")
                table.add_row("attempts", f"{made} of {wanted}, trains {state['trains']}")
            live.update(table)

        yield show


def _table(result: Result) -> Table:
    table = Table(
        title="nmesd demo: "
        + ("[green]all of it held" if result.passed else "[red]NOT all of it held")
    )
    table.add_column("what")
    table.add_column("measured", justify="right")
    latency = result.latency_ms
    zero = "never" if result.time_to_zero_ms is None else f"{result.time_to_zero_ms:.1f} ms"
    for what, measured in (
        ("attempts made", str(result.attempts)),
        ("attempts detected", str(result.detected)),
        ("trains given", str(result.trains)),
        ("false trains", str(result.false_trains)),
        (
            "LSL time stamp to driver's write, p50 / p99 / max",
            f"{latency['p50']:.2f} / {latency['p99']:.2f} / {latency['max']:.2f} ms",
        ),
        (f"engine frozen in mid-train: time to zero (lease {result.lease_ms} ms)", zero),
        ("trip reason the guard kept", result.trip),
        ("stimulator, emulated", result.stimulator),
        ("trips before that, reset by the operator", str(len(result.trips_before))),
    ):
        table.add_row(what, measured)
    return table
