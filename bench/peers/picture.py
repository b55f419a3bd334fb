"""The distributions as a picture: the share of deliveries that took longer, on two logarithmic axes."""

from __future__ import annotations

from pathlib import Path

from bench.peers.latency import DECIDED, EZMSG, FLOORS, MNE, NMESD, PLAIN, Results
from nmesd.wire import Histogram
from nmesd.wire.histogram import bounds_ns

COLOURS = {
    FLOORS[0]: "#999999", FLOORS[1]: "#555555", NMESD: "#0057b7", DECIDED: "#6aa5e0", PLAIN: "#7fb069",
    MNE[0]: "#e07b39", MNE[1]: "#f2b880", EZMSG: "#b0306a",
}  # fmt: skip


def draw(results: Results, path: Path) -> None:
    """A panel for each case."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(
        1, len(results), figsize=(4.2 * len(results), 4.2), sharey=True, squeeze=False
    )
    for axis, (case, rows) in zip(axes[0], results.items(), strict=True):
        for name, taken in rows.items():
            ms, share = survivors(taken)
            wide = 2.2 if name == NMESD else 1.2
            axis.step(ms, share, where="post", label=name, color=COLOURS[name], linewidth=wide)
        axis.set(title=case.text, xscale="log", yscale="log", xlim=(0.05, 50), ylim=(1e-4, 1))
        axis.set_xlabel("milliseconds from the sample's LSL stamp")
        axis.grid(visible=True, which="major", color="#dddddd")
    axes[0][0].set_ylabel("share that took longer")
    figure.legend(
        *axes[0][-1].get_legend_handles_labels(), loc="lower center", ncols=4, frameon=False
    )
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.savefig(path, dpi=110)


def survivors(taken: Histogram) -> tuple[list[float], list[float]]:
    """(milliseconds, share of all that took longer than that), a step for each bucket."""
    left, total = taken.count, max(1, taken.count)
    ms, share = [], []
    for bucket, count in taken.pairs():
        left -= count
        ms.append(bounds_ns(bucket)[1] / 1e6)
        share.append(left / total)
    return ms, share
