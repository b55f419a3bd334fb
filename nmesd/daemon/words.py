"""What the three files mean, in sentences for whoever wrote them."""

from __future__ import annotations

from nmesd.core.values import CoreSettings
from nmesd.daemon.files import Files
from nmesd.daemon.patient import MuscleSection
from nmesd.daemon.thresholds import thresholds


def meaning(files: Files, core: CoreSettings) -> list[str]:
    """Programme, then each muscle: when it counts, and what it is given."""
    programme = files.programme
    lines = [f"programme {files.name}: {programme.purpose}", f"  {_course(files)}"]
    for muscle in files.patient.muscle:
        lines.append(f"muscle {muscle.label!r} of {files.patient.code}")
        if programme.hears_emg and programme.trial.who == "muscle":
            lines.append(f"  {_threshold(files, muscle)}")
        if muscle.antagonist and programme.hears_emg and programme.trial.who == "muscle":
            lines.append(f"  {muscle.antagonist!r} over {muscle.veto_uv:g} µV holds it back")
        if programme.gives_current:
            lines += [
                f"  {output.amplitude_ma:g} mA on channel {output.channel}"
                + ("" if output.amplitude_ma else ": nothing is given; see `nmesd amplitude`")
                for output in muscle.output
            ]
    schedule = core.programme.schedule
    if schedule:
        shares = ", ".join(f"{schedule.count(kind)} {kind.name}" for kind in sorted(set(schedule)))
        lines.append(f"trials: {shares}")
    return lines


def _course(files: Files) -> str:
    train, trial, session = (
        files.programme.train, files.programme.trial, files.programme.session,
    )  # fmt: skip
    parts = []
    if files.programme.gives_current:
        parts.append(
            f"trains of {train.rate_hz:g} Hz, {train.pulse_width_us} µs, "
            f"{train.ramp_up_s:g} + {train.plateau_s:g} + {train.ramp_down_s:g} s, rest {trial.rest_s:g} s"
        )
    if session.trials:
        parts.append(f"{session.sets} x {session.trials} trials")
    if session.minutes:
        parts.append(f"at most {session.minutes:g} min")
    return "; ".join(parts)


def _threshold(files: Files, muscle: MuscleSection) -> str:
    settings = files.settings
    assert settings.stream is not None  # noqa: S101 - of a programme that hears EMG: checked before
    found = thresholds(muscle, settings.stream.rate_hz, settings.filter, files.folder)
    rate = "" if found.false_per_min is None else f" ({found.false_per_min:.2g} false a minute)"
    moves = ""
    if files.programme.adapt is not None and found.bounds_uv is not None:
        low, high = found.bounds_uv
        moves = f"; it moves between {low:.4g} and {high:.4g} µV"
    return (
        f"an attempt over {found.on_uv:.4g} µV{rate} for {settings.filter.min_duration_ms:g} ms, relaxed below "
        f"{found.off_uv:.4g} µV{moves}"
    )
