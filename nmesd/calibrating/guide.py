"""The whole of a calibration: listen, evaluate, write, report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from nmesd.calibrating.evaluate import Outcome, evaluate
from nmesd.calibrating.listen import Heard, Show, Span, listen, of_recording
from nmesd.daemon.patient import MuscleSection, PatientFile
from nmesd.daemon.record import now_utc
from nmesd.daemon.settings import read_settings
from nmesd.daemon.toml import parse
from nmesd.errors import ConfigError
from nmesd.sessions.recording import read_recording
from nmesd.toml import read_text


def guide(
    config: Path,
    label: str,
    folder: Path,
    recording: Path | None,
    rest_s: Span | None,
    efforts_s: Sequence[Span | None],
    live_rest_s: float,
) -> dict[str, Any]:
    """What came of it as facts, with `text` for people. Raises NmesdError, having written nothing."""
    settings = read_settings(config)
    path = config.parent / settings.session.patient
    patient = parse(path, read_text(path), PatientFile)
    muscle, stream = _muscle(patient, label, path), settings.stream
    if stream is None:
        raise ConfigError(f"{config}: there is no [stream] to calibrate on: give one")
    if muscle.label not in stream.labels:
        raise ConfigError(
            f"{path}: muscle {muscle.label!r} must be one of labels of [stream]: {list(stream.labels)}"
        )
    if recording is None:
        with _bars() as show:
            heard = listen(stream, settings.lsl, muscle.label, show, rest_s=live_rest_s)
    else:
        efforts = [span for span in efforts_s if span is not None]
        heard = of_recording(read_recording(recording), muscle.label, rest_s, efforts)
    made = now_utc().isoformat(timespec="seconds")
    outcome = evaluate(heard, stream, settings.filter, muscle, made)
    files = write(outcome, heard, folder, patient.code, stream.rate_hz)
    return report(outcome, files)


def _muscle(patient: PatientFile, label: str, path: Path) -> MuscleSection:
    """The muscle of that label, or the only one. Raises ConfigError."""
    found = [muscle for muscle in patient.muscle if label in ("", muscle.label)]
    if len(found) != 1:
        labels = ", ".join(repr(muscle.label) for muscle in patient.muscle)
        raise ConfigError(f"{path}: which muscle? Name one of {labels} with --muscle")
    return found[0]


@contextmanager
def _bars() -> Iterator[Show]:
    """What to do now and for how much longer, on standard error."""
    columns = (TextColumn("{task.description:44}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(says: str, share: float) -> None:
            if says not in tasks:
                tasks[says] = bars.add_task(says, total=1.0)
            bars.update(tasks[says], completed=share)

        yield show


def report(outcome: Outcome, files: Sequence[Path]) -> dict[str, Any]:
    """Facts, and the same in words."""
    found, calibration = outcome.found, outcome.file.calibration
    assert found.false_per_min is not None  # noqa: S101 - of a calibration
    assert found.range_per_min is not None  # noqa: S101
    low, high = found.range_per_min
    lines = [
        f"CALIBRATED {outcome.file.muscle}: on {found.on_uv:.4g} µV, off {found.off_uv:.4g} µV",
        f"  false triggers at rest: {found.false_per_min:.2g} a minute, 9 in 10: {low:.2g} to {high:.2g}",
    ]
    if calibration.mvc_uv:
        share = 100 * found.on_uv / calibration.mvc_uv
        lines.append(
            f"  best effort {calibration.mvc_uv:.4g} µV; the threshold is {share:.0f} % of it"
        )
    if outcome.detected < len(outcome.efforts):
        lines.append(
            f"  ONLY {outcome.detected} OF {len(outcome.efforts)} EFFORTS ARE OVER IT: check the electrodes, "
            "or allow more false triggers"
        )
    lines += [f"  {path}" for path in files]
    if not any(path.suffix == ".png" for path in files):
        lines.append("  no picture: pip install 'nmesd[plot]' for one")
    lines.append(f'  in patient.toml, at this muscle: calibration = "{files[0]}"')
    return {
        "on_uv": found.on_uv, "off_uv": found.off_uv, "false_per_min": found.false_per_min,
        "range_per_min": [low, high], "mvc_uv": calibration.mvc_uv, "efforts": len(outcome.efforts),
        "efforts_over": outcome.detected, "files": [str(path) for path in files], "text": "\n".join(lines),
    }  # fmt: skip


def write(outcome: Outcome, heard: Heard, folder: Path, patient: str, rate_hz: float) -> list[Path]:
    """The file, the EMG it came from, and the picture if it can be drawn. Raises ConfigError."""
    stem = "-".join(
        "".join(c if c.isalnum() else "_" for c in part)
        for part in (outcome.file.made[:16], patient, outcome.file.muscle)
        if part
    )
    toml, raw, picture = (folder / f"{stem}{suffix}" for suffix in (".toml", ".npz", ".png"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with toml.open("x", encoding="utf-8") as file:
            file.write(outcome.file.to_toml())
        np.savez_compressed(
            raw,
            emg_uv=heard.emg_uv.astype(np.float32)[:, None],
            fs_hz=rate_hz,
            labels=np.array([outcome.file.muscle]),
        )
    except OSError as error:
        raise ConfigError(f"{toml}: cannot be written: {error}") from None
    from nmesd.sessions.pictures import calibration_picture  # noqa: PLC0415 - matplotlib, an extra

    drawn = calibration_picture(
        outcome.file, outcome.found.on_uv, outcome.measured, outcome.rest, outcome.efforts, picture
    )
    return [toml, raw, *([picture] if drawn else [])]
