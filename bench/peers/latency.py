"""(a) and (d): sample to decision over LSL, with and without real-time rights, idle and with every core busy."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.peers.judge import Decisions, histogram, meet
from bench.peers.loop import STREAM
from bench.peers.machine import (
    HERE,
    PEERS,
    ROOT,
    floor_in_c,
    load,
    sender,
    session,
    without_rights,
)
from bench.peers.sender import sent_ns
from nmesd.realtime import ENGINE_PRIORITY
from nmesd.wire import Histogram

RATE_HZ, CHANNELS, CHUNK = 2000.0, 8, 2  # chunks of 1 ms
NMESD = "nmesd, sample to guard"
DECIDED = "nmesd, sample to decision"  # as the peers are measured: the guard is another process
FLOORS = ("floor: liblsl alone, in C", "floor: liblsl alone, in Python")
MNE = ("mne-lsl StreamLSL, looks each ms (its default)", "mne-lsl StreamLSL, looks each 0.1 ms")
PLAIN, EZMSG = "pylsl and scipy, plain", "ezmsg-lsl and ezmsg-sigproc"
ROWS = (*FLOORS, NMESD, DECIDED, PLAIN, *MNE, EZMSG)
SPARE_S = 40.0  # to start and to end


class Case(NamedTuple):
    """The machine's state in a measurement."""

    rights: bool
    loaded: bool

    @property
    def text(self) -> str:
        """For people."""
        rights = "with real-time rights" if self.rights else "without"
        return f"{rights}, {'every core busy' if self.loaded else 'idle'}"


CASES = tuple(Case(rights, loaded) for rights in (True, False) for loaded in (False, True))
Results = dict[Case, dict[str, Histogram]]


class Chunks:
    """What deliveries hide, of one receiver."""

    def __init__(self) -> None:
        self.together = 0  # chunks that came with a newer one, and have no figure of their own
        self.missing = 0  # that nobody decided on
        self.every = Histogram()  # of all chunks, those that came together too

    def merge(self, other: Chunks) -> None:
        """All that another has counted."""
        self.together += other.together
        self.missing += other.missing
        self.every.merge(other.every)


Hidden = dict[Case, dict[str, Chunks]]


def measure(
    seconds: float, rounds: int, cases: tuple[Case, ...], tick: Callable[[str], None]
) -> tuple[Results, Hidden, list[str]]:
    """Everything in turns, so that all of them see the same machine. Also what went wrong, in words."""
    results: Results = {case: {} for case in cases}
    hidden: Hidden = {case: {} for case in cases}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nmesd-peers-") as folder:
        floor = floor_in_c(Path(folder))
        if floor is None:
            wrong.append(f"{FLOORS[0]}: no C compiler here, not measured")
        for _ in range(rounds):
            for case in cases:
                for receiver in receivers(floor):
                    name = receiver.name
                    tick(f"{case.text}: {name}")
                    try:
                        met = one(receiver, case, seconds, Path(folder) / "taken")
                    except (RuntimeError, subprocess.TimeoutExpired) as error:
                        wrong.append(f"{name}, {case.text}: {error}")
                        continue
                    results[case].setdefault(name, Histogram()).merge(met.taken)
                    hidden[case].setdefault(name, Chunks()).merge(met.chunks)
                    if met.decided.count:
                        results[case].setdefault(DECIDED, Histogram()).merge(met.decided)
                    wrong += [f"{name}, {case.text}: {text}" for text in met.wrong]
    return results, hidden, wrong


class Met(NamedTuple):
    """What one turn came to."""

    taken: Histogram
    wrong: list[str]
    chunks: Chunks
    decided: Histogram  # of nmesd alone: where the peers' own figures end


class Receiver(NamedTuple):
    """One row, and the program that makes it, which takes the arguments of receiving.py before `last`."""

    name: str
    program: tuple[str, ...]
    last: tuple[str, ...] = ()


def receivers(floor: str | None) -> Iterator[Receiver]:
    """All that can be measured here."""
    if floor is not None:
        yield Receiver(FLOORS[0], (floor,))
    yield Receiver(FLOORS[1], (HERE, "-m", "bench.peers.floor"))
    yield Receiver(NMESD, (HERE, "-m", "bench.peers.loop"))
    yield Receiver(PLAIN, (HERE, "-m", "bench.peers.plain"))
    if Path(PEERS).exists():
        mne = (PEERS, "-m", "bench.peers.mne_stream")
        yield Receiver(MNE[0], mne, ("0.001",))
        yield Receiver(MNE[1], mne, ("0.0001",))
        yield Receiver(EZMSG, (PEERS, "-m", "bench.peers.ezmsg_graph"))


def one(receiver: Receiver, case: Case, seconds: float, file: Path) -> Met:
    """One receiver, once. Raises RuntimeError, TimeoutExpired."""
    with load(loaded=case.loaded):
        if receiver.name == NMESD:
            return own(case, seconds)
        stamps = file.with_name("stamps")
        with session("nmesd-peers") as env, sender(env, STREAM, RATE_HZ, CHANNELS, CHUNK, stamps):
            file.unlink(missing_ok=True)
            priority = ENGINE_PRIORITY if case.rights else 0
            common = (STREAM, str(seconds), str(file), str(priority))
            run((*receiver.program, *common, *receiver.last), case, seconds, env)
            made, sent = Decisions.of_receiver(file.read_bytes()), sent_ns(stamps)
    taken, chunks = Histogram(), Chunks()
    if len(made.sample_ns):
        first_ns, last_ns = int(made.sample_ns[0]), int(made.sample_ns[-1])
        found = meet(sent[(sent >= first_ns) & (sent <= last_ns)], made)
        # Where liblsl hands a chunk over in two parts, the first ends with an older sample: it would count as late
        # what only belongs to what comes next, and make everybody but nmesd, who waits for the hop, look slower.
        taken = histogram(found.received_ns[found.own])
        chunks.together, chunks.missing = found.together, found.missing
        chunks.every = histogram(found.received_ns)
    expected = seconds * RATE_HZ / CHUNK
    few = taken.count < expected / 2
    wrong = [f"{taken.count} deliveries of {expected:.0f} chunks"] if few else []
    return Met(taken, wrong, chunks, Histogram())


def own(
    case: Case,
    seconds: float,
    channels: int = CHANNELS,
    rate_hz: float = RATE_HZ,
    chunk: int = CHUNK,
) -> Met:
    """Engine and guard. Raises RuntimeError, TimeoutExpired."""
    command = (
        HERE,
        "-m",
        "bench.peers.loop",
        str(rate_hz),
        str(channels),
        str(chunk),
        str(seconds),
    )
    met = json.loads(run(command, case, seconds, None))
    stage = met["stages"].get("sample_to_guard", {"pairs": [], "max_ns": 0})
    taken = Histogram.of(stage["pairs"], stage["max_ns"])
    told, chunks = met["chunks"], Chunks()
    chunks.together, chunks.missing = told["together"], told["missing"]
    chunks.every = Histogram.of(**told["every"])
    decided = Histogram.of(**told["decided"])
    return Met(taken, [f"tripped, {reason}" for reason in met["trips"]], chunks, decided)


def run(command: tuple[str, ...], case: Case, seconds: float, env: dict[str, str] | None) -> str:
    """Its standard output."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=seconds + SPARE_S,
        preexec_fn=None if case.rights else without_rights,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RuntimeError(said[-1] if said else f"exit code {done.returncode}")
    return done.stdout


def markdown(results: Results, hidden: Hidden, wrong: list[str]) -> str:
    """A table for each case, then what was asked and what came of it.

    Figures are of deliveries, from their newest sample. The last columns: chunks that had to share one, or got
    none, and the 99.9th percentile of all chunks, each from its own stamp.
    """
    lines = []
    for case, rows in results.items():
        head = "| | deliveries | p50, µs | p99 | p99.9 | longest | shared | missing | p99.9 of every chunk |"
        lines += [f"\n**{case.text}**\n", head, "|---|" + "--:|" * 8]
        for name in ROWS:
            if name in rows:
                count, *us = rows[name].figures().values()
                figures = " | ".join(f"{one:.0f}" for one in us)
                lines.append(
                    f"| {name} | {count} | {figures} | {_shared(hidden[case].get(name))} |"
                )
    lines += ["", *verdicts(results)]
    return "\n".join([*lines, *(f"* {text}" for text in wrong)]) + "\n"


def _shared(chunks: Chunks | None) -> str:
    if chunks is None:
        return " | | "
    return f"{chunks.together} | {chunks.missing} | {chunks.every.figures()['p999_us']:.0f}"


def verdicts(results: Results) -> list[str]:
    """Every target with its figure."""
    told = []
    for case, rows in results.items():
        if not case.rights or NMESD not in rows:
            continue
        own_50, own_99, own_999 = (rows[NMESD].quantile_ns(share) for share in (0.5, 0.99, 0.999))
        for name in FLOORS:
            if name in rows:
                p50, p99 = (
                    own_50 / rows[name].quantile_ns(0.5),
                    own_99 / rows[name].quantile_ns(0.99),
                )
                told.append(_line(p50 <= 1.5, f"{case.text}: p50 {p50:.2f} × {name} (1.5 asked)"))
                told.append(_line(p99 <= 2.0, f"{case.text}: p99 {p99:.2f} × {name} (2 asked)"))
        told.append(
            _line(own_999 < 2e6, f"{case.text}: p99.9 {own_999 / 1e6:.2f} ms (under 2 asked)")
        )
        for name in (*MNE, EZMSG):
            if name in rows:
                p50, p99 = (
                    rows[name].quantile_ns(0.5) / own_50,
                    rows[name].quantile_ns(0.99) / own_99,
                )
                told.append(
                    _line(p50 >= 3, f"{case.text}: p50 of {name} {p50:.1f} × ours (3 asked)")
                )
                told.append(
                    _line(p99 >= 5, f"{case.text}: p99 of {name} {p99:.1f} × ours (5 asked)")
                )
    return told


def _line(held: bool, text: str) -> str:  # noqa: FBT001 - a verdict
    return f"* {'held' if held else '**missed**'}: {text}"


def plain(results: Results, hidden: Hidden) -> dict[str, Any]:
    """For --json."""

    def one(case: Case, name: str, met: Histogram) -> dict[str, Any]:
        told = {**met.figures(), "pairs": met.pairs()}
        if (chunks := hidden[case].get(name)) is None:
            return told
        every = {
            "together": chunks.together,
            "missing": chunks.missing,
            "every": chunks.every.figures(),
        }
        return {**told, **every}

    return {
        case.text: {name: one(case, name, met) for name, met in rows.items()}
        for case, rows in results.items()
    }
