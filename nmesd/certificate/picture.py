"""Histograms of every stage as one SVG: idle and loaded over each other, both axes logarithmic."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from nmesd.wire.histogram import bounds_ns

LEAST_NS, MOST_NS = 1_000, 100_000_000  # 1 µs to 100 ms: five decades
BINS: Final = 60  # over them: 12 to a decade
LEAST_SHARE: Final = 1e-6
WIDTH, HEIGHT = 520, 150  # of a panel's plot
LEFT, TOP, GAP, BELOW = 46, 24, 40, 34
COLOURS: Final = {"idle": "#4c78a8", "loaded": "#e8773d"}
GRID, TEXT, LIMIT = "#d5dce4", "#1c2733", "#b02a2a"
TICKS: Final = (
    (1_000, "1 µs"), (10_000, "10 µs"), (100_000, "0.1 ms"), (1_000_000, "1 ms"),
    (10_000_000, "10 ms"), (100_000_000, "100 ms"),
)  # fmt: skip
SHARES: Final = ((1.0, "1"), (1e-2, "1 %"), (1e-4, "0.01 %"), (1e-6, "1e-6"))

Pairs = Sequence[Sequence[int]]


def histograms(
    parts: Mapping[str, Mapping[str, Any]], stages: Sequence[str], lease_ms: float
) -> str:
    """parts: name -> its `histograms`. A panel for each stage; the lease is marked in the last."""
    rows = -(-len(stages) // 2)
    width, height = 2 * (WIDTH + LEFT) + GAP, rows * (TOP + HEIGHT + BELOW)
    body = []
    for number, stage in enumerate(stages):
        x = LEFT + number % 2 * (WIDTH + LEFT + GAP)
        y = TOP + number // 2 * (TOP + HEIGHT + BELOW)
        found = {name: part[stage]["pairs"] for name, part in parts.items() if stage in part}
        marks = [lease_ms / 2, lease_ms] if stage == stages[-1] else []
        inside = "".join(_panel(stage.replace("_", " "), found, marks))
        body.append(f'<g transform="translate({x},{y})">{inside}</g>')
    return (
        f'<svg viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="11" role="img">'
        f"{''.join(body)}</svg>"
    )


def bins(pairs: Pairs) -> list[float]:
    """The share of each of BINS; what is outside counts at the ends."""
    counts: Counter[int] = Counter()
    for bucket, count in pairs:
        low, high = bounds_ns(bucket)
        place = math.log((low + high) / 2 / LEAST_NS) / math.log(MOST_NS / LEAST_NS) * BINS
        counts[min(BINS - 1, max(0, int(place)))] += count
    total = max(1, sum(counts.values()))
    return [counts[number] / total for number in range(BINS)]


def _panel(title: str, found: Mapping[str, Pairs], marks: Sequence[float]) -> Iterator[str]:
    yield f'<text x="0" y="-8" fill="{TEXT}" font-weight="600">{escape(title)}</text>'
    for ns, label in TICKS:
        x = _x(ns)
        yield f'<path d="M{x:.1f} 0V{HEIGHT}" stroke="{GRID}"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT + 15}" fill="{TEXT}" text-anchor="middle">{label}</text>'
    for share, label in SHARES:
        y = _y(share)
        yield f'<path d="M0 {y:.1f}H{WIDTH}" stroke="{GRID}"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" fill="{TEXT}" text-anchor="end">{label}</text>'
    for number, mark in enumerate(marks):
        x = _x(round(mark * 1_000_000))
        yield f'<path d="M{x:.1f} 0V{HEIGHT}" stroke="{LIMIT}" stroke-dasharray="4 3"/>'
        yield f'<text x="{x - 3:.1f}" y="{11 + 12 * number}" fill="{LIMIT}" text-anchor="end">{mark:g} ms</text>'
    for name, pairs in found.items():
        colour = COLOURS[name]
        yield (
            f'<path d="{_outline(bins(pairs))}" fill="{colour}" fill-opacity="0.25" stroke="{colour}" '
            f'stroke-width="1.3"><title>{escape(title)}, {name}</title></path>'
        )


def _outline(shares: Sequence[float]) -> str:
    """Steps from the floor up and back to it."""
    step = WIDTH / BINS
    points = [f"M0 {HEIGHT}"]
    for number, share in enumerate(shares):
        points.append(f"V{_y(share):.1f}H{(number + 1) * step:.1f}")
    return "".join([*points, f"V{HEIGHT}Z"])


def _x(ns: int) -> float:
    share = math.log(ns / LEAST_NS) / math.log(MOST_NS / LEAST_NS)
    return WIDTH * min(1.0, max(0.0, share))


def _y(share: float) -> float:
    if share <= LEAST_SHARE:
        return float(HEIGHT)
    return HEIGHT * math.log(share) / math.log(LEAST_SHARE)
