"""What a soak came to: for people, for programs, and whether it passed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from bench.soaking.memory import MOST_KB
from bench.soaking.pieces import STAGE
from bench.soaking.run import PIECE_S, Soak
from nmesd.errors import Reason
from nmesd.sim.stalls import BEFORE_NS, LATE_MS, STOOD_MS
from nmesd.units import NS_PER_MS


def unexplained(trips: list[dict[str, Any]]) -> int:
    """How many of them no stall of the machine explains."""
    return sum(one["stood_ms"] < STOOD_MS for one in trips)


def misses(trips: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Trips for a lease that was not renewed in time."""
    return [one for one in trips if one["reason"] == Reason.LEASE_EXPIRED.name]


def failures(soak: Soak) -> list[str]:
    """What must not have been, in words; none: it passed. Growth is judged where the pieces are whole."""
    told = []
    if not soak.trains:
        told.append("no train was given")
    if number := unexplained(soak.trips):
        told.append(f"{number} trips without a stall of the machine")
    if soak.piece_s >= PIECE_S:
        told += [
            f"the {name} grew by {one.kb:.0f} kB, allowed are {MOST_KB:.0f}"
            for name, one in soak.growth.items()
            if one.kb >= MOST_KB
        ]
    told += [f"the {name} ended, and was started anew" for name in soak.restarts]
    return told


def as_json(soak: Soak) -> str:
    """Everything."""
    plain = asdict(soak)
    plain["pieces"] = [one._asdict() for one in soak.pieces]
    plain["memory"] = {
        name: [one._asdict() for one in samples] for name, samples in soak.memory.items()
    }
    plain["growth"] = {name: {**one._asdict(), "kb": one.kb} for name, one in soak.growth.items()}
    missed = misses(soak.trips)
    counts = {
        "trips_without_a_stall": unexplained(soak.trips),
        "lease_misses": len(missed),
        "lease_misses_without_a_stall": unexplained(missed),
    }
    return json.dumps({**plain, **counts, "failures": failures(soak)}, indent=1)


def markdown(soak: Soak, load: float) -> str:
    """For people."""
    reasons = ", ".join(
        f"{n} x {name}" for name, n in Counter(t["reason"] for t in soak.trips).items()
    )
    rights = "with" if soak.guard_real_time else "without"
    average = soak.load_average[0]
    missed = misses(soak.trips)
    broker = "a mosquitto" if soak.mqtt else "NO MQTT BROKER ON THIS MACHINE"
    lines = [
        f"{soak.minutes:g} minutes {rights} real-time rights, cores {load:.0%} loaded, load average {average:.1f}",
        (
        f"listening: record, LSL outlets, {broker}, the monitor with open pages; lost by the daemon: "
        f"{soak.telemetry_lost} frames"
        ),
        f"attempts {soak.attempts}, trains {soak.trains}, pulses {soak.pulses}",
        (
        f"trips {len(soak.trips)} ({reasons or 'none'}), {unexplained(soak.trips)} without a stall; "
        f"by chance {soak.by_chance:.1%} would have one"
        ),
        f"lease misses {len(missed)}, {unexplained(missed)} without a stall",
        (
            f"stalls of the machine over {LATE_MS:g} ms: {soak.stalls}, longest {soak.stall_max_ms:.1f} ms; "
            f"time stolen from it {soak.stolen_s:.1f} s"
        ),
        f"longest decision step {soak.step_max_ms:.2f} ms",
        *(f"trip at {t['minute']} min: {t['text']}; stood still {t['stood_ms']} ms of the "
          f"{BEFORE_NS // NS_PER_MS} before: {'; '.join(t['stalls']) or 'NO STALL'}" for t in soak.trips),
        *(f"FAILED: {one}" for one in failures(soak)),
    ]  # fmt: skip
    told = "".join(f"* {line}\n" for line in lines)
    return f"{told}\n{_memory(soak)}\n{_pieces(soak)}"


def _memory(soak: Soak) -> str:
    piece = f"{soak.piece_s / 60:g} minutes"
    rows = [
        f"Resident memory from minute {soak.piece_s / 60:g} on, medians of the first and the last {piece}:\n\n",
        "| process | first, kB | last, kB | difference, kB | slope, kB an hour | proportional share, kB |\n",
        "|---|--:|--:|--:|--:|--:|\n",
    ]
    for name, one in soak.growth.items():
        share = soak.memory[name][-1].pss_kb
        difference = one.last_kb - one.first_kb
        rows.append(
            f"| {name} | {one.first_kb:.0f} | {one.last_kb:.0f} | {difference:+.0f} | {one.slope_kb_h:+.0f} | "
            f"{share} |\n"
        )
    if soak.piece_s < PIECE_S:
        rows.append("\nToo short to judge growth by: that takes 40 minutes.\n")
    return "".join(rows)


def _pieces(soak: Soak) -> str:
    names = list(soak.memory)
    rows = [
        f"`{STAGE}`, and processor time in % of one core:\n\n",
        f"| until minute | leases | p50, ms | p99, ms | p99.9, ms | {' | '.join(names)} |\n",
        f"|--:|--:|--:|--:|--:|{'--:|' * len(names)}\n",
    ]
    for one in soak.pieces:
        latency = " | ".join(f"{us / 1000:.2f}" for us in (one.p50_us, one.p99_us, one.p999_us))
        used = " | ".join(f"{one.cpu_pct.get(name, 0.0):.1f}" for name in names)
        rows.append(f"| {one.ends_s / 60:.1f} | {one.leases} | {latency} | {used} |\n")
    return "".join(rows)
