"""Delay over signal-to-noise ratio at one rate of false alarms: every detector, and Lorden's bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

_OWN: Final = {"nmesd, cusum": "#e45756", "nmesd, envelope": "#f2a297"}
_OTHERS: Final = "#8c9bab"


def draw(rows: Sequence[Mapping[str, Any]], lorden: Mapping[int, float], path: Path) -> None:
    """Median and 95th percentile side by side; what is missed has no delay and no point."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    parts = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(row["detector"] for row in rows))
    for axes, key, title in zip(
        parts, ("median_ms", "p95_ms"), ("median", "95th percentile"), strict=True
    ):
        for n, name in enumerate(names):
            of = [row for row in rows if row["detector"] == name]
            own = name in _OWN
            axes.plot(
                [row["snr_db"] for row in of], [row[key] for row in of], label=name,
                color=_OWN.get(name, _OTHERS), linewidth=2.2 if own else 1.0, zorder=3 if own else 2,
                marker="o" if own else "sv^<>dphx+*1"[n % 12], markersize=4,
            )  # fmt: skip
        if key == "median_ms":
            axes.plot(
                list(lorden), list(lorden.values()), "k--", linewidth=1.2, label="Lorden's bound"
            )
        axes.set(xlabel="SNR in the band, dB", title=title, yscale="log")
        axes.grid(visible=True, which="both", alpha=0.25)
    parts[0].set_ylabel("from onset to decision, ms")
    figure.legend(
        *parts[0].get_legend_handles_labels(), fontsize="small", loc="outside right upper"
    )
    figure.savefig(path, dpi=110)
