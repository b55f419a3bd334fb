"""The soak itself: watch, note, arm again after a trip, as an operator would."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.soaking.memory import SAMPLE_S, Growth, Memory, Sample
from bench.soaking.pieces import Piece, Pieces
from bench.soaking.session import OPERATOR, arm_again, given, start_patient
from nmesd.sim.rig import Rig, RigError
from nmesd.sim.stalls import by_chance, trip
from nmesd.sim.witness import Witness, stolen_s
from nmesd.units import NS_PER_MS, NS_PER_S

LOOK_NS = 250 * NS_PER_MS
PIECE_S: Final = 600.0


@dataclass
class Soak:
    """What the soak saw."""

    minutes: float = 0.0
    mqtt: bool = False
    attempts: int = 0
    trains: int = 0
    pulses: int = 0
    trips: list[dict[str, Any]] = field(default_factory=list)
    telemetry_lost: int = 0
    stalls: int = 0
    stall_max_ms: float = 0.0
    step_max_ms: float = 0.0
    piece_s: float = 0.0
    pieces: list[Piece] = field(default_factory=list)
    memory: dict[str, list[Sample]] = field(default_factory=dict)
    growth: dict[str, Growth] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    by_chance: float = 0.0
    stolen_s: float = 0.0
    load_average: tuple[float, ...] = ()
    guard_real_time: bool = False


def piece_of(minutes: float) -> float:
    """Ten minutes, as many seconds as memory may settle for and a piece lasts; of a short soak a quarter."""
    return min(PIECE_S, minutes * 60 / 4)


def run(rig: Rig, witness: Witness, minutes: float, console: Console) -> Soak:
    """The patient for so long; whoever trips is reset and armed."""
    patient = start_patient(rig)
    rig.arm(OPERATOR)
    soak, memory = Soak(minutes, piece_s=piece_of(minutes)), Memory()
    began_ns, stolen_before_s = time.monotonic_ns(), stolen_s()
    began_s, end_s = began_ns / NS_PER_S, began_ns / NS_PER_S + minutes * 60
    pieces = Pieces(pids(rig, rig.status()), rig.ask("timing")["stages"])
    sample_s, piece_s = began_s, began_s + soak.piece_s
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("soak", total=minutes * 60)
        while (now_s := time.monotonic()) < end_s + LOOK_NS / NS_PER_S:  # the last piece ends, too
            state = rig.status()
            if now_s >= sample_s:
                sample_s += SAMPLE_S
                memory.sample(pids(rig, state), now_s - began_s)
            if now_s >= piece_s:
                piece_s += soak.piece_s
                counted = rig.ask("timing")["stages"]
                pieces.end(pids(rig, state), counted, now_s - began_s)
            if state["state"] == "TRIPPED":
                soak.trips.append(trip(rig, state, witness, began_ns))
            if state["state"] in ("TRIPPED", "DISARMED"):
                with contextlib.suppress(RigError):  # tripped again meanwhile: that one counts, too
                    arm_again(rig)
            soak.step_max_ms = max(soak.step_max_ms, state.get("step_max_ms") or 0.0)
            soak.telemetry_lost = max(soak.telemetry_lost, state.get("telemetry_lost") or 0)
            soak.guard_real_time = bool(state.get("guard_real_time"))
            progress.update(
                task, completed=now_s - began_s,
                description=f"{state['state']}: {state.get('trains')} trains, {len(soak.trips)} trips",
            )  # fmt: skip
            time.sleep(LOOK_NS / NS_PER_S)
    stalls = witness.stalls(began_ns)
    soak.pulses, soak.trains = given(rig)
    soak.attempts = sum(1 for event in patient.events if event["event"] == "attempt")
    soak.pieces, soak.memory, soak.restarts = pieces.done, memory.samples, memory.restarts
    soak.growth = memory.growth(soak.piece_s, soak.piece_s)
    soak.stalls = len(stalls)
    soak.by_chance = by_chance(stalls, began_ns, time.monotonic_ns())
    soak.stolen_s = stolen_s() - stolen_before_s
    soak.stall_max_ms = max(((s.to_ns - s.from_ns) / NS_PER_MS for s in stalls), default=0.0)
    soak.load_average = os.getloadavg()
    return soak


def pids(rig: Rig, state: dict[str, Any]) -> dict[str, int]:
    """Whose memory and processor time is looked at. An engine that has just ended has none."""
    found = {
        "guard": rig.guard.process.pid,
        "engine": int(state.get("engine_pid") or 0),
        "daemon": rig.daemon.process.pid,
        "monitor": rig.monitor_pid,
    }
    return {name: pid for name, pid in found.items() if pid}
