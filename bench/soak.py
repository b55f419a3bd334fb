"""The soak: does it stop without a reason? The virtual patient for an hour, both cores half loaded.

    python bench/soak.py [--minutes 60] [--load 0.5] [--json FILE] [--markdown FILE]

Nothing is broken on purpose, so every trip is a false one, unless the whole machine stood still: a witness
(nmesd/sim/witness.py) tells. Beside the trips, the report has every stall of the machine, how late the guard was,
what the loop cost, and how the resident memory of guard, engine and daemon grew. After a trip an operator resets
and arms, as in a clinic. Exit code 1 if there was a trip without a stall.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.sessions.recording import Recording
from nmesd.sim import loads
from nmesd.sim.rig import Rig
from nmesd.sim.session_files import one_muscle
from nmesd.sim.spec import PatientSpec
from nmesd.sim.stalls import BEFORE_NS, LATE_MS, STOOD_MS, by_chance, trip
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.sim.witness import Witness, stolen_s
from nmesd.units import NS_PER_MS, NS_PER_S

STREAM, MUSCLE = "soak", "target"
REST_S = 10.0  # the patient's rest that the thresholds are taken from
TRAIN = {"amplitude_ma": 20, "pulse_width_us": 250, "rate_hz": 35, "ramp_up_s": 0.5, "plateau_s": 1.5,
         "ramp_down_s": 0.5, "hold_off_s": 0.5, "relax_s": 0.5}  # fmt: skip
PAUSE_NS = 400 * NS_PER_MS  # longer than any period, shorter than hold-off: between two trains
LOOK_NS = 250 * NS_PER_MS


@dataclass
class Soak:
    """What the soak saw."""

    minutes: float = 0.0
    attempts: int = 0
    trains: int = 0
    pulses: int = 0
    trips: list[dict[str, Any]] = field(default_factory=list)
    trips_without_a_stall: int = 0
    stalls: int = 0
    stall_max_ms: float = 0.0
    step_max_ms: float = 0.0
    rss_kb: dict[str, tuple[int, int]] = field(
        default_factory=dict
    )  # after a minute, and at the end
    by_chance: float = 0.0
    stolen_s: float = 0.0
    load_average: tuple[float, ...] = ()
    guard_real_time: bool = False


def main() -> int:
    """Run it, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--load", type=float, default=0.5, help="share of each core that is busy")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--markdown", type=Path, help="write the result there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cores = sorted(os.sched_getaffinity(0))
    burners = [loads.started("burn", core, options.load) for core in cores]
    try:
        with Witness(LATE_MS) as witness, Rig(sections()) as rig:
            soak = run(rig, witness, options.minutes, Console(stderr=True))
    finally:
        for burner in burners:
            loads.ended(burner)
    text = markdown(soak, options.load)
    sys.stdout.write(text)
    for path, content in (
        (options.json, json.dumps(asdict(soak), indent=1)),
        (options.markdown, text),
    ):
        if path:
            path.write_text(content)
    return 1 if soak.trips_without_a_stall or not soak.trains else 0


def sections() -> dict[str, dict[str, Any]]:
    """The files, thresholds from the patient's own rest."""
    spec = PatientSpec(first_attempt_s=REST_S + 1)
    emg_uv = VirtualPatient(spec).generate(int(REST_S * spec.rate_hz)).astype(np.float32)
    found = from_rest(
        Recording(emg_uv, spec.rate_hz, (MUSCLE,), (), STREAM), REST_S, FilterSection()
    )
    stream = {
        "name": STREAM,
        "source_id": STREAM,
        "rate_hz": spec.rate_hz,
        "labels": [MUSCLE],
    }
    return {"stream": stream, **one_muscle(MUSCLE, found.section, TRAIN)}


def run(rig: Rig, witness: Witness, minutes: float, console: Console) -> Soak:
    """The patient for so long; whoever trips is reset and armed."""
    patient = rig.start(
        "nmesd.sim.patient", "--name", STREAM, "--source-id", STREAM,
        "--pulses", str(rig.patient_socket), "--until-eof",
    )  # fmt: skip
    rig.arm("soak")
    soak, began_ns, stolen_before_s = Soak(), time.monotonic_ns(), stolen_s()
    end_s = time.monotonic() + minutes * 60
    settled_s = time.monotonic() + min(60.0, minutes * 6)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("soak", total=minutes * 60)
        state: dict[str, Any] = {}
        while (now_s := time.monotonic()) < end_s:
            time.sleep(LOOK_NS / NS_PER_S)
            state = rig.status()
            if not soak.rss_kb and now_s > settled_s:
                soak.rss_kb = {name: (kb, kb) for name, kb in resident_kb(rig, state).items()}
            if state["state"] == "TRIPPED":
                soak.trips.append(trip(rig, state, witness, began_ns))
                rig.ask("reset", operator="soak")
            elif state["state"] == "DISARMED":
                rig.arm("soak")
            soak.step_max_ms = max(soak.step_max_ms, state.get("step_max_ms") or 0.0)
            soak.guard_real_time = bool(state.get("guard_real_time"))
            progress.update(
                task, completed=minutes * 60 - (end_s - now_s),
                description=f"{state['state']}: {state.get('trains')} trains, {len(soak.trips)} trips",
            )  # fmt: skip
    end = resident_kb(rig, state)
    soak.rss_kb = {name: (kb, end.get(name, 0)) for name, (kb, _) in soak.rss_kb.items()}
    stalls = witness.stalls(began_ns)
    given_ns = [pulse.given_ns for pulse in rig.currents()]
    soak.minutes, soak.pulses = minutes, len(given_ns)
    soak.trains = sum(b - a > PAUSE_NS for a, b in pairwise([-PAUSE_NS, *given_ns]))
    soak.attempts = sum(1 for event in patient.events if event["event"] == "attempt")
    soak.trips_without_a_stall = sum(one["stood_ms"] < STOOD_MS for one in soak.trips)
    soak.stalls = len(stalls)
    soak.by_chance = by_chance(stalls, began_ns, time.monotonic_ns())
    soak.stolen_s = stolen_s() - stolen_before_s
    soak.stall_max_ms = max(((s.to_ns - s.from_ns) / NS_PER_MS for s in stalls), default=0.0)
    soak.load_average = os.getloadavg()
    return soak


def resident_kb(rig: Rig, state: dict[str, Any]) -> dict[str, int]:
    """Resident memory of the three processes."""
    pids = {
        "guard": rig.guard.process.pid,
        "engine": state.get("engine_pid"),
        "daemon": rig.daemon.process.pid,
    }
    sizes = {}
    for name, pid in pids.items():
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        sizes[name] = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return sizes


def markdown(soak: Soak, load: float) -> str:
    """For people."""
    reasons = ", ".join(
        f"{n} x {name}" for name, n in Counter(t["reason"] for t in soak.trips).items()
    )
    grown = ", ".join(f"{name} {a} -> {b} kB" for name, (a, b) in soak.rss_kb.items())
    rights = "with" if soak.guard_real_time else "without"
    average = soak.load_average[0]
    lines = [
        f"{soak.minutes:g} minutes {rights} real-time rights, cores {load:.0%} loaded, load average {average:.1f}",
        f"attempts {soak.attempts}, trains {soak.trains}, pulses {soak.pulses}",
        (
        f"trips {len(soak.trips)} ({reasons or 'none'}), {soak.trips_without_a_stall} without a stall; "
        f"by chance {soak.by_chance:.1%} would have one"
        ),
        (
            f"stalls of the machine over {LATE_MS:g} ms: {soak.stalls}, longest {soak.stall_max_ms:.1f} ms; "
            f"time stolen from it {soak.stolen_s:.1f} s"
        ),
        f"longest decision step {soak.step_max_ms:.2f} ms; resident memory {grown}",
        *(f"trip at {t['minute']} min: {t['text']}; stood still {t['stood_ms']} ms of the "
          f"{BEFORE_NS // NS_PER_MS} before: {'; '.join(t['stalls']) or 'NO STALL'}" for t in soak.trips),
    ]  # fmt: skip
    return "".join(f"* {line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
