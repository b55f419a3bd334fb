"""A programme file: the course of a session, as it can be cited and shared. It never holds an amplitude.

Ranges are those of the guard's ceilings and of use; where the numbers of a shipped file come from, it says itself.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nmesd.core.schedule import balanced
from nmesd.core.values import Kind, OnMiss, Programme, Trial
from nmesd.daemon.toml import Section, parse
from nmesd.errors import ConfigError
from nmesd.toml import read_text
from nmesd.units import NS_PER_S, UA_PER_MA, US_PER_S

HEARS_NO_EMG = ("cyclic", "steps")
UNLIMITED_BLOCK = 20  # trials, in which catch trials are balanced where there is no number of them

KINDS = {
    "triggered": Kind.TRIGGERED,
    "triggered-hold": Kind.HOLD,
    "cyclic": Kind.CYCLIC,
    "biofeedback": Kind.BIOFEEDBACK,
    "relaxation": Kind.RELAXATION,
    "steps": Kind.STEPS,
}
ON_MISS = {"nothing": OnMiss.NOTHING, "encourage": OnMiss.ENCOURAGE, "assist": OnMiss.ASSIST}


class TrainSection(Section):
    """One train."""

    rate_hz: Annotated[float, Field(ge=1, le=100)] = 35
    pulse_width_us: Annotated[int, Field(ge=20, le=500)] = 250
    ramp_up_s: Annotated[float, Field(ge=0, le=10)] = 1
    plateau_s: Annotated[float, Field(ge=0, le=1800)] = 5
    ramp_down_s: Annotated[float, Field(ge=0, le=10)] = 1
    hold_off_s: Annotated[float, Field(ge=0.25, le=10)] = 0.5
    step_ma: Annotated[float, Field(gt=0, le=5)] = 1


class TrialSection(Section):
    """One trial."""

    rest_s: Annotated[float, Field(ge=0, le=600)] = 0
    relax_s: Annotated[float, Field(ge=0.1, le=60)] = 1
    who: Literal["muscle", "antagonist"] = "muscle"
    timeout_s: Annotated[float, Field(ge=0, le=600)] = 0
    on_miss: Literal["nothing", "encourage", "assist"] = "nothing"
    assist_delay_s: Annotated[float, Field(ge=0, le=60)] = 0


class CourseSection(Section):
    """The session."""

    trials: Annotated[int, Field(ge=0, le=500)] = 0
    sets: Annotated[int, Field(ge=1, le=20)] = 1
    set_pause_s: Annotated[float, Field(ge=0, le=1800)] = 0
    minutes: Annotated[float, Field(ge=0, le=120)] = 0
    warm_up_trials: Annotated[int, Field(ge=0, le=50)] = 0
    warm_up_from_percent: Annotated[int, Field(ge=10, le=100)] = 100


class AdaptSection(Section):
    """How the threshold follows."""

    target_percent: Annotated[int, Field(ge=20, le=95)]
    step_percent: Annotated[int, Field(ge=1, le=50)]


class CatchSection(Section):
    """Trials that are not what they seem, for research."""

    no_go_percent: Annotated[int, Field(ge=0, le=60)] = 0
    sham_percent: Annotated[int, Field(ge=0, le=60)] = 0
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]


class ProgrammeFile(Section):
    """The whole file."""

    purpose: Annotated[str, Field(min_length=1, max_length=100)]
    kind: Literal["triggered", "triggered-hold", "cyclic", "biofeedback", "relaxation", "steps"]
    train: TrainSection = TrainSection()
    trial: TrialSection = TrialSection()
    session: CourseSection = CourseSection()
    adapt: AdaptSection | None = None
    catch: CatchSection | None = None

    @property
    def hears_emg(self) -> bool:
        """False: a stream is not needed."""
        return self.kind not in HEARS_NO_EMG

    @property
    def gives_current(self) -> bool:
        """False: no output is needed."""
        return self.kind not in ("biofeedback", "relaxation")

    @model_validator(mode="after")
    def _together(self) -> Self:
        self.programme()
        session, trial, triggered = self.session, self.trial, self.kind.startswith("triggered")
        assists, misses = trial.on_miss == "assist", trial.on_miss != "nothing"
        other = f"not {self.kind!r}"
        for wrong, says in (
            (session.sets > 1 and not session.trials, "session.sets needs session.trials of each"),
            (not session.trials and not session.minutes, "session: give trials or minutes, or it never ends"),
            (self.catch and not triggered, f"catch trials are for triggered kinds, {other}"),
            (self.catch and not trial.timeout_s, "catch trials end by trial.timeout_s: give it"),
            (self.adapt and not triggered and self.kind != "biofeedback", f"adapt is for attempts, {other}"),
            (self.adapt and not trial.timeout_s, "adapt: without trial.timeout_s nothing is ever missed"),
            (assists and not triggered, f"on_miss = 'assist' is for triggered kinds, {other}"),
            (misses and not trial.timeout_s, f"on_miss = {trial.on_miss!r} needs trial.timeout_s"),
            (
                trial.who == "antagonist" and self.kind != "relaxation",
                f"who = 'antagonist' is for relaxation, {other}",
            ),
        ):  # fmt: skip
            if wrong:
                raise ValueError(says)
        return self

    def programme(self) -> Programme:
        """What the core runs. Raises ValueError."""
        train, trial, session, adapt, catch = (
            self.train, self.trial, self.session, self.adapt, self.catch,
        )  # fmt: skip
        schedule: tuple[Trial, ...] = ()
        if catch is not None:
            schedule = balanced(
                session.trials or UNLIMITED_BLOCK, session.sets,
                catch.no_go_percent, catch.sham_percent, catch.seed,
            )  # fmt: skip
        return Programme(
            kind=KINDS[self.kind],
            period_us=math.ceil(US_PER_S / train.rate_hz),  # never faster than asked
            ramp_up_ns=_ns(train.ramp_up_s),
            plateau_ns=_ns(train.plateau_s),
            ramp_down_ns=_ns(train.ramp_down_s),
            hold_off_ns=_ns(train.hold_off_s),
            relax_ns=_ns(trial.relax_s),
            # A rest is said from the last pulse on, and the hold-off is the first part of it.
            rest_ns=_ns(max(0.0, trial.rest_s - train.hold_off_s))
            if self.gives_current
            else _ns(trial.rest_s),
            timeout_ns=_ns(trial.timeout_s),
            on_miss=ON_MISS[trial.on_miss],
            assist_delay_ns=_ns(trial.assist_delay_s),
            trials=session.trials,
            sets=session.sets,
            set_pause_ns=_ns(session.set_pause_s),
            session_ns=_ns(60 * session.minutes),
            warm_up_trials=session.warm_up_trials,
            warm_up_from_permille=10 * session.warm_up_from_percent,
            schedule=schedule,
            target_permille=10 * adapt.target_percent if adapt else 0,
            step_permille=10 * adapt.step_percent if adapt else 0,
            step_ua=round(train.step_ma * UA_PER_MA),
        )


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


INSTALLED = Path("/etc/nmesd/programmes")
COMES_WITH_IT = Path(__file__).parents[2] / "config" / "programmes"  # in a checkout


def shipped(folder: Path | None = None) -> dict[str, ProgrammeFile]:
    """Programmes by name: of a folder, of this unit, or else those that come along. Raises ConfigError."""
    chosen = folder or (INSTALLED if INSTALLED.is_dir() else COMES_WITH_IT)
    found = {
        path.stem: parse(path, read_text(path), ProgrammeFile)
        for path in sorted(chosen.glob("*.toml"))
    }
    if not found:
        raise ConfigError(f"{chosen}: no programmes there: name their folder with --folder")
    return found
