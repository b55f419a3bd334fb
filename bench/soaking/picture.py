"""The soak as a picture: what each process grew by, and the latency, both over time; each trip a line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from bench.soaking.memory import MOST_KB
from bench.soaking.pieces import STAGE
from bench.soaking.run import Soak

_COLOURS: Final = {
    "guard": "#e45756",
    "engine": "#4c78a8",
    "daemon": "#f2a93b",
    "monitor": "#8c9bab",
}
_KB_PER_MB: Final = 1000


def draw(soak: Soak, path: Path) -> None:
    """Two pictures, one over the other, on one axis of minutes."""
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    memory, latency = figure.subplots(2, 1, sharex=True)
    for name, samples in soak.memory.items():
        settled = [one for one in samples if one.at_s >= soak.piece_s]
        if not settled:
            continue
        base_kb = settled[0].rss_kb
        memory.plot(
            [one.at_s / 60 for one in samples],
            [(one.rss_kb - base_kb) / _KB_PER_MB for one in samples],
            color=_COLOURS[name], linewidth=1.8, label=f"{name}, {base_kb / _KB_PER_MB:.0f} MB",
        )  # fmt: skip
    memory.axhline(MOST_KB / _KB_PER_MB, color="k", linestyle="--", linewidth=1, label="allowed")
    memory.axvspan(0, soak.piece_s / 60, color="k", alpha=0.05)
    memory.set_ylabel("resident memory, MB\nover that when settled")
    minutes = [0.0, *(one.ends_s / 60 for one in soak.pieces)]
    for key, colour in (("p50_us", "#4c78a8"), ("p99_us", "#e45756")):
        figures_ms = [getattr(one, key) / 1000 for one in soak.pieces]
        latency.stairs(
            figures_ms,
            minutes,
            baseline=None,
            color=colour,
            linewidth=1.8,
            label=key.partition("_")[0],
        )
    latency.set(xlabel="minutes", ylabel=f"{STAGE}, ms", ylim=(0, None))
    for axes in (memory, latency):
        for one in soak.trips:
            axes.axvline(one["minute"], color="#b0413e", linewidth=0.8, alpha=0.5)
        axes.grid(visible=True, alpha=0.25)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize="small")
    figure.savefig(path, dpi=110)
