"""What `nmesd tune` found, as a picture: success and latency against false triggers, a line for each chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nmesd.sessions.sweep import Candidate, Tried

LEAST_PER_MIN: Final = 0.1
"""Below it the axis is straight: none at all must have its place."""
_CHOSEN, _RECORDED = "#e45756", "#222222"


def tune_picture(
    candidates: Sequence[Candidate],
    tried: Sequence[Tried],
    recorded: Tried,
    chosen: Tried,
    false_per_min: float,
    path: Path,
) -> bool:
    """Written to `path`. False: no matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - half a second, and an extra
    except ImportError:
        return False
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    rates, latencies = figure.subplots(1, 2, sharex=True)
    for number, candidate in enumerate(candidates):
        of = sorted(
            (one for one in tried if one.candidate == number), key=lambda one: one.level.on_uv
        )
        x = [one.score.false_per_min for one in of]
        y = [100 * one.score.success_rate for one in of]
        rates.plot(x, y, marker=".", linewidth=1, label=candidate.name)
        late = [(one.score.false_per_min, one.score.latency_s) for one in of if one.score.success]
        latencies.plot(*zip(*late, strict=True), marker=".", linewidth=1) if late else None
    for one, colour, marker, name in (
        (recorded, _RECORDED, "x", "as recorded"), (chosen, _CHOSEN, "*", "suggested"),
    ):  # fmt: skip
        at = one.score.false_per_min
        said = f"{name}: {one.level.on_uv:.3g} µV"
        style = {"color": colour, "marker": marker, "markersize": 13, "linestyle": "none"}
        rates.plot([at], [100 * one.score.success_rate], label=said, zorder=5, **style)
        if one.score.latency_s is not None:
            latencies.plot([at], [one.score.latency_s], zorder=5, **style)
    for axes in (rates, latencies):
        axes.axvline(false_per_min, color=_RECORDED, linestyle="--", linewidth=0.8)
        axes.set_xscale("symlog", linthresh=LEAST_PER_MIN)
        axes.set_xlim(left=0)
        axes.set_xlabel("false triggers a minute")
        axes.grid(alpha=0.3)
    rates.set(ylabel="success, % of the known trials", ylim=(0, 103))
    latencies.set(ylabel="from cue to decision, median, s", ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=110)
    return True
