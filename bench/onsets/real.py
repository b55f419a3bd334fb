"""Real recordings: thresholds from rest found without the labels, one set of defaults for all. Labels only judge.

    python -m bench.onsets.real FOLDER [--rate 1] [--json FILE]

An attempt is detected if a decision falls between 150 ms before its labelled onset (the labels' own error) and its
offset; every other decision is false. Then the prediction is tried: for each channel, rest is calibrated on every
second stretch of ten seconds and the false triggers of the others are counted, at several rates.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.onsets.judge import poisson_90
from dsp.calibration import calibrate
from dsp.cusum import FULL, Cusum
from dsp.design import ChainSpec, design
from dsp.measured import measure
from nmesd.sessions.detect import detect, rest_of
from nmesd.sessions.recording import Recording, read_recording

EARLY_S: Final = 0.15
PART_S: Final = 10.0


def judged(recording: Recording, rate: float, **spec: Any) -> dict[str, Any]:
    """Of the first channel."""
    coefficients = design(ChainSpec(rate_mhz=round(recording.fs_hz * 1000), mains_hz=50, **spec))
    first = Recording(
        recording.emg_uv[:, :1],
        recording.fs_hz,
        recording.labels[:1],
        recording.onsets_s,
        recording.name,
    )
    (found,) = detect(first, coefficients, unit="false_per_min", value=rate)
    decided = [onset.decided_s for onset in found.onsets]
    delays, true = [], 0
    for onset_s, offset_s in recording.onsets_s:
        hits = [s for s in decided if onset_s - EARLY_S <= s <= offset_s]
        true += len(hits)
        if hits:
            delays.append(1000 * (hits[0] - onset_s))
    errors = [
        min((o.onset_s - onset_s for o in found.onsets), key=abs, default=np.inf)
        for onset_s, _ in recording.onsets_s[: len(found.onsets)]
    ]
    active_s = sum(off - on for on, off in recording.onsets_s)
    false, rest_min = len(decided) - true, (recording.duration_s - active_s) / 60
    return {
        "recording": recording.name, "attempts": len(recording.onsets_s), "detected": len(delays), "false": false,
        "false_per_min": round(false / rest_min, 2), "predicted_per_min": found.predicted_false_per_min,
        "again": true - len(delays), "threshold_uv": found.threshold_uv, "off_uv": found.off_uv,
        "rest_s": round(sum(b - a for a, b in found.rest_s), 1),
        "delay_ms": [round(float(q)) for q in np.percentile(delays, (0, 50, 95))] if delays else [],
        "onset_error_ms": [round(1000 * error) for error in np.percentile(errors, (10, 50, 90))] if errors else [],
        "inhibits": sorted({i.reason for i in found.inhibits}),
    }  # fmt: skip


def predicted(recording: Recording, **spec: Any) -> list[dict[str, Any]]:
    """False triggers a minute as predicted from one half of the rest, and as counted on the other."""
    coefficients = design(ChainSpec(rate_mhz=round(recording.fs_hz * 1000), mains_hz=50, **spec))
    measured = measure(np.asarray(recording.emg_uv[:, 0], dtype=np.float64), coefficients)
    part = round(PART_S / measured.hop_s)
    halves: list[list[tuple[int, int]]] = [[], []]
    place = 0
    for first, last in rest_of(measured, None):
        at = first
        while at < last:
            step = min(last - at, part - place % part)
            halves[place // part % 2].append((at, at + step))
            at, place = at + step, place + step
    rows = []
    for fit, held in (halves, halves[::-1]):
        try:
            calibration = calibrate(measured, fit, (), coefficients)
        except ValueError as error:
            return [{"recording": recording.name, "skipped": str(error)}]
        for rate in (10.0, 5.0, 2.0, 1.0, 0.5):
            on_uv = calibration.on_uv("false_per_min", rate)
            count = sum(
                _fires(
                    measured.energy_uv2[a:b], on_uv, measured.hop_s, calibration.fit(coefficients)
                )
                for a, b in held
            )
            minutes = sum(b - a for a, b in held) * measured.hop_s / 60
            low, high = (n / minutes for n in poisson_90(count))
            rows.append({
                "recording": recording.name, "predicted": rate, "counted": round(count / minutes, 2),
                "count": count,
                "counted_90": [round(low, 2), round(high, 2)],
                "within_3": low <= 3 * rate and high >= rate / 3,
            })  # fmt: skip
    return rows


def _fires(energy_uv2: Any, on_uv: float, hop_s: float, coefficients: Any) -> int:
    detector, on_nv = Cusum(coefficients, 1), (round(1000 * on_uv),)
    count, closed, one = 0, 0, np.zeros(1)
    for value in energy_uv2:
        one[0] = value
        fired = detector.run(one, on_nv)[0] >= FULL
        if fired and not closed:
            count, closed = count + 1, round(1.0 / hop_s)
        closed = max(0, closed - 1)
    return count


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--rate", type=float, default=1.0, help="false triggers a minute to set thresholds to"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows, predictions = [], []
    for path in sorted(options.folder.glob("*.xdf")):
        recording = read_recording(path)
        rows.append(judged(recording, options.rate))
        sys.stdout.write(json.dumps(rows[-1]) + "\n")
        predictions += predicted(recording)
        for row in predictions:
            if row["recording"] == recording.name:
                sys.stdout.write("   " + json.dumps(row) + "\n")
    if options.json:
        options.json.write_text(
            json.dumps({"recordings": rows, "predictions": predictions}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
