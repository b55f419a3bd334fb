"""(c) nmesd from sample to guard over channels, rates and chunks: one thing varied at a time, and its corners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bench.peers.latency import Case, Chunks, Met, own
from nmesd.wire import Histogram

CHANNELS, RATES_HZ, CHUNKS = (
    (1, 8, 32, 64),
    (250.0, 1000.0, 2000.0, 4000.0, 10_000.0),
    (1, 4, 10, 40),
)
MOST_SECONDS = 5.0
HERE = Case(rights=True, loaded=False)


class Point(NamedTuple):
    """A stream."""

    channels: int
    rate_hz: float
    chunk: int


POINTS = tuple(
    dict.fromkeys(
        (
            *(Point(channels, 2000.0, chunk) for channels in CHANNELS for chunk in CHUNKS),
            *(Point(8, rate_hz, chunk) for rate_hz in RATES_HZ for chunk in CHUNKS),
            Point(64, 10_000.0, 1), Point(64, 10_000.0, 40),
        )
    )
)  # fmt: skip


def measure(seconds: float, tick: Callable[[str], None], *, quick: bool) -> dict[Point, Met]:
    """Every point once, a few seconds."""
    found: dict[Point, Met] = {}
    for point in POINTS[::8] if quick else POINTS:
        tick(f"{point.channels} channels, {point.rate_hz:g} Hz, chunks of {point.chunk}")
        try:
            met = own(HERE, min(seconds, MOST_SECONDS), *point)
        except RuntimeError as error:
            met = Met(Histogram(), [str(error)], Chunks(), Histogram())
        found[point] = met
    return found


def markdown(found: dict[Point, Met]) -> str:
    """p50 and p99.9 from the stamp of the sample that decided; what tripped."""
    head = "| channels | rate | chunk | time of a chunk | p50, µs | p99 | p99.9 | longest | |"
    lines = [head, "|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
    for point, (taken, wrong, *_) in found.items():
        _, *us = taken.figures().values()
        figures = " | ".join(f"{one:.0f}" for one in us) if taken.count else "– | – | – | –"
        chunk_ms = 1000 * point.chunk / point.rate_hz
        lines.append(
            f"| {point.channels} | {point.rate_hz:g} Hz | {point.chunk} | {chunk_ms:g} ms | {figures} "
            f"| {'; '.join(sorted(set(wrong)))} |"
        )
    return "\n".join(lines) + "\n"


def plain(found: dict[Point, Met]) -> list[dict[str, Any]]:
    """For --json."""
    return [
        {**point._asdict(), **taken.figures(), "wrong": wrong}
        for point, (taken, wrong, *_) in found.items()
    ]
