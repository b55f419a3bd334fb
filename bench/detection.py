"""How soon is an onset detected at one false alarm a minute? nmesd beside the methods of the field.

    python -m bench.detection [--trials 800] [--minutes 120] [--rate 1] [--json FILE] [--markdown FILE]
                              [--picture FILE]

Simulated surface EMG in noise, 1 kHz, in the band of the chain. Every detector gets the threshold at which it
gave `--rate` false alarms a minute on one set of rest, and is judged on another: delay to the sample that decided
(median, 95th percentile, missed ones infinite), missed within a second, false alarms again. The methods of the
field are causal re-implementations (`onsets/methods.py`). Lorden's bound is for the two spectra, asymptotic.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import signal

from bench.onsets import methods, nmesd_detector
from bench.onsets.judge import (
    FiresAt,
    Judged,
    judge,
    lorden_ms,
    per_min,
    per_min_90,
    threshold,
)
from bench.onsets.signals import RATE_HZ, ROOMS, Array, emg, in_band, rise
from dsp.design import ChainSpec, design

SNRS_DB: Final = (-3, 0, 3, 6, 12, 20)
ONSET: Final = 1000  # sample
AFTER: Final = 1100  # samples
SETTLE: Final = 500  # samples of every recording that no detector is judged on
CHANNELS: Final = 60  # rest is so many channels side by side


class Condition(NamedTuple):
    """What the attempts are like."""

    room: str
    ramp_ms: int
    laplace: bool

    def __str__(self) -> str:
        attempt = "step" if not self.ramp_ms else f"ramp of {self.ramp_ms} ms"
        return f"{self.room} noise, {attempt}" + (", heavy-tailed EMG" if self.laplace else "")


MAIN: Final = Condition("white", 0, laplace=False)
OTHERS: Final = (
    Condition("white", 0, laplace=True),
    Condition("white", 50, laplace=False),
    Condition("white", 200, laplace=False),
    Condition("mains", 0, laplace=False),
    Condition("ECG", 0, laplace=False),
    Condition("spontaneous unit", 0, laplace=False),
)
OTHER_SNRS_DB: Final = (0, 6)


class Detector(NamedTuple):
    """A detector with rest to be set on."""

    name: str
    low: float
    high: float

    def fires_at(self, filtered: Array, variance: float, rest: Array) -> FiresAt:
        """Run it over (samples, trials) of filtered EMG; rest of the same room is for whitening and ratios."""
        if self.name in nmesd_detector.DETECTORS:
            return nmesd_detector.DETECTORS[self.name](filtered, variance, rest)
        x = filtered
        if self.name in methods.WHITENED:
            x = methods.whitened(x, rest)
            variance = float(np.mean(methods.whitened(rest, rest) ** 2))
        statistic = methods.METHODS[self.name](x, variance)
        return lambda level: statistic > level


def detectors() -> list[Detector]:
    """Nmesd first."""
    own = [Detector(name, 0.5, 16.0) for name in nmesd_detector.DETECTORS]
    return own + [Detector(name, 1e-4, 1e4) for name in methods.METHODS]


def run(
    options: argparse.Namespace, conditions: dict[Condition, tuple[int, ...]]
) -> Iterator[dict[str, Any]]:
    """One row for each detector and condition."""
    coefficients = design(ChainSpec(rate_mhz=RATE_HZ * 1000, mains_hz=50))
    length = round(options.minutes * 60 * RATE_HZ / CHANNELS) + SETTLE
    rests: dict[str, tuple[Array, Array]] = {}
    levels: dict[tuple[str, str], tuple[float, float, tuple[float, float]]] = {}
    work = [(c, d) for c in conditions for d in detectors()]
    for condition, detector in track(work, console=Console(stderr=True), description="detectors"):
        room = condition.room
        if room not in rests:
            rests.clear()
            rests[room] = tuple(
                in_band(
                    ROOMS[room](np.random.default_rng([options.seed, n]), length, CHANNELS),
                    coefficients,
                )[SETTLE:]
                for n in (1, 2)
            )  # type: ignore[assignment]
        fitted, judged_on = rests[room]
        variance = float(np.mean(fitted**2))
        if (room, detector.name) not in levels:
            fires_at = detector.fires_at(fitted, variance, fitted)
            level = threshold(fires_at, options.rate, detector.low, detector.high)
            del fires_at
            fired = detector.fires_at(judged_on, variance, fitted)(level)
            levels[room, detector.name] = (level, per_min(fired), per_min_90(fired))
        level, counted, counted_90 = levels[room, detector.name]
        for snr_db in conditions[condition]:
            x = trials(condition, snr_db, variance, options.trials, options.seed, coefficients)
            found: Judged = judge(detector.fires_at(x, variance, fitted)(level), ONSET)
            yield {
                "condition": str(condition), "snr_db": snr_db, "detector": detector.name, "threshold": level,
                "false_per_min": counted, "false_per_min_90": counted_90, "median_ms": found.median_ms,
                "median_90_ms": found.median_90_ms, "p95_ms": found.p95_ms, "missed": found.missed,
                "early": found.early,
            }  # fmt: skip


def trials(
    condition: Condition, snr_db: int, variance: float, count: int, seed: int, coefficients: Any
) -> Array:
    """(samples, trials) of filtered EMG with its onset at `ONSET`; the ratio of powers is that in the band."""
    rng = np.random.default_rng([seed, 3, snr_db + 100])
    samples = ONSET + AFTER + SETTLE
    noise = ROOMS[condition.room](rng, samples, count)
    muscle = emg(rng, samples, count, laplace=condition.laplace)
    unit = in_band(muscle, coefficients)[SETTLE:]
    wanted = np.sqrt(10 ** (snr_db / 10) * variance / np.mean(unit**2))
    shaped = wanted * muscle * rise(samples, ONSET + SETTLE, condition.ramp_ms)
    return in_band(noise + shaped, coefficients)[SETTLE:]


def bounds(rate: float, seed: int) -> dict[int, float]:
    """Lorden's bound at every SNR, from the spectra of noise and EMG in the band."""
    coefficients = design(ChainSpec(rate_mhz=RATE_HZ * 1000, mains_hz=50))
    rng = np.random.default_rng([seed, 4])
    both = [
        in_band(make(rng, 200_000, 1), coefficients)[SETTLE:, 0] for make in (ROOMS["white"], emg)
    ]
    noise, muscle = (signal.welch(x, RATE_HZ, nperseg=512)[1] for x in both)
    band = slice(
        15, 231
    )  # 30 to 450 Hz: outside, the two are one filter's skirts, and know of each other nothing
    return {db: lorden_ms(noise[band], muscle[band], 10 ** (db / 10), rate) for db in SNRS_DB}


def table(rows: list[dict[str, Any]], lorden: dict[int, float]) -> str:
    """In Markdown: median (where it lies 9 in 10) / p95 ms, and the share missed where there is any."""
    lines = []
    for condition in dict.fromkeys(row["condition"] for row in rows):
        part = [row for row in rows if row["condition"] == condition]
        snrs = sorted({row["snr_db"] for row in part})
        lines += ["", condition, "", f"| detector | false/min | {' | '.join(f'{db} dB' for db in snrs)} |",
                  f"|---|--:|{'--:|' * len(snrs)}"]  # fmt: skip
        for name in dict.fromkeys(row["detector"] for row in part):
            of = {row["snr_db"]: row for row in part if row["detector"] == name}
            cells = [cell(of[db]) for db in snrs]
            counted, (low, high) = of[snrs[0]]["false_per_min"], of[snrs[0]]["false_per_min_90"]
            lines.append(f"| {name} | {counted:.2f} ({low:.2f}-{high:.2f}) | {' | '.join(cells)} |")
        if condition == str(MAIN):
            cells = [f"{lorden[db]:.0f}" for db in snrs]
            lines.append(f"| Lorden's bound | | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(row: dict[str, Any]) -> str:
    """Median (interval) / p95, missed."""
    low, high = row["median_90_ms"]
    p95 = f"{row['p95_ms']:.0f}" if np.isfinite(row["p95_ms"]) else "-"
    missed = f" ({100 * row['missed']:.0f} % missed)" if row["missed"] > 0.005 else ""
    return f"{row['median_ms']:.0f} ({low:.0f}-{high:.0f}) / {p95}{missed}"


def main() -> None:
    """Run, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--trials", type=int, default=800)
    add(
        "--minutes",
        type=float,
        default=120,
        help="of rest to set thresholds on, and as many to judge on",
    )
    add("--rate", type=float, default=1.0, help="false alarms a minute")
    add("--seed", type=int, default=1)
    add("--main-only", action="store_true", help="white noise and steps only")
    add("--json", type=Path)
    add("--markdown", type=Path)
    add("--picture", type=Path)
    options = parser.parse_args()
    conditions: dict[Condition, tuple[int, ...]] = {MAIN: SNRS_DB}
    if not options.main_only:
        conditions |= dict.fromkeys(OTHERS, OTHER_SNRS_DB)
    rows, lorden = list(run(options, conditions)), bounds(options.rate, options.seed)
    text = table(rows, lorden)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "lorden_ms": lorden}, indent=1) + "\n")
    if options.picture:
        from bench.onsets.picture import draw  # noqa: PLC0415 - matplotlib is an extra

        draw([row for row in rows if row["condition"] == str(MAIN)], lorden, options.picture)


if __name__ == "__main__":
    main()
