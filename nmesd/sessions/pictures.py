"""Pictures for people. matplotlib is an extra (`pip install nmesd[plot]`): without it there is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from dsp.measured import Measured
from nmesd.sessions.calibration import CalibrationFile

_REST, _EFFORT, _LINE = "#4c78a8", "#e45756", "#222222"
_MOST_POINTS: Final = 4000


def calibration_picture(
    file: CalibrationFile,
    on_uv: float,
    measured: Measured,
    rest: Sequence[tuple[int, int]],
    efforts: Sequence[tuple[int, int]],
    path: Path,
) -> bool:
    """Rest and efforts over time with the threshold; beside it what rest would fire. False: no matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - half a second, and an extra
    except ImportError:
        return False
    tail = file.calibration.tail
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    over_time, rates = figure.subplots(1, 2, width_ratios=(3, 2))

    step = max(1, len(measured.envelope_nv) // _MOST_POINTS)
    t_s = np.arange(len(measured.envelope_nv))[::step] * measured.hop_s
    over_time.plot(t_s, measured.envelope_nv[::step] / 1000, color=_LINE, linewidth=0.7)
    for spans, colour, name in ((rest, _REST, "rest"), (efforts, _EFFORT, "effort")):
        for n, (a, b) in enumerate(spans):
            over_time.axvspan(
                a * measured.hop_s, b * measured.hop_s, color=colour, alpha=0.2, label=name if n == 0 else None
            )  # fmt: skip
    over_time.axhline(on_uv, color=_LINE, linestyle="--", label=f"on {on_uv:.3g} µV")
    over_time.set(
        xlabel="s", ylabel="envelope, µV", yscale="log", title=f"{file.muscle}, {file.made[:16]}"
    )
    over_time.set_ylim(bottom=max(0.1, float(np.percentile(measured.envelope_nv, 5)) / 2000))
    over_time.legend(loc="upper left")

    levels = np.geomspace(
        min(file.calibration.critical_uv), 2 * max(on_uv, *file.calibration.critical_uv), 100
    )
    low, high = np.array([tail.interval_per_min(uv) for uv in levels]).T
    critical = np.sort(file.calibration.critical_uv)
    counted = 60 / file.calibration.block_s * np.arange(len(critical), 0, -1) / len(critical)
    rates.fill_between(levels, low, high, color=_REST, alpha=0.25, label="expected, 9 in 10")
    rates.plot(levels, [tail.false_per_min(uv) for uv in levels], color=_REST, label="expected")
    rates.step(critical, counted, color=_LINE, where="pre", linewidth=0.8, label="this rest")
    rates.axvline(on_uv, color=_LINE, linestyle="--")
    rates.set(
        xlabel="threshold, µV", ylabel="false triggers a minute", xscale="log", yscale="log", ylim=(0.01, 200),
        title=f"{tail.false_per_min(on_uv):.2g} a minute at {on_uv:.3g} µV",
    )  # fmt: skip
    rates.legend()
    figure.savefig(path, dpi=110)
    return True
