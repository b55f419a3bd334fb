"""The report of one person over weeks: the course of success, effort, threshold, latency and dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from nmesd.errors import RecordError
from nmesd.sessions.page import page, part, table
from nmesd.sessions.session_report import dose_in_words, rate_in_words
from nmesd.sessions.story import Story
from nmesd.sessions.trial_picture import figure_of, from_zero, svg
from nmesd.sessions.trials import report, wilson
from nmesd.units import NV_PER_UV

COLUMNS = (
    "started", "programme", "trials", "success_percent", "hits", "asked", "effort_uv", "threshold_uv", "latency_s",
    "pulses", "charge_mc", "current_s", "faults",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One session in a row."""

    started: datetime
    patient: str
    programme: str
    found: dict[str, Any]
    """Of `nmesd.sessions.trials.report`."""
    effort_uv: float | None
    """Median over the trials."""
    threshold_uv: float | None
    """Median over the trials that were asked for."""
    faults: int


def summary(story: Story) -> Summary:
    """Raises RecordError if the record does not say when it began."""
    try:
        started = datetime.fromisoformat(str(story.facts["started"]))
    except (KeyError, ValueError):
        raise RecordError(
            f"a session of {story.facts.get('patient')} has no date: leave it out"
        ) from None
    efforts = [trial.effort_uv for trial in story.trials if trial.effort_uv is not None]
    levels = [trial.done.on_nv / NV_PER_UV for trial in story.trials if trial.asked]
    return Summary(
        started=started,
        patient=str(story.facts.get("patient", "")),
        programme=str(story.facts.get("programme", "")),
        found=report(story.done),
        effort_uv=median(efforts) if efforts else None,
        threshold_uv=median(levels) if levels else None,
        faults=len(story.faults),
    )


def patient_page(code: str, sessions: Sequence[Summary]) -> str:
    """HTML. Raises ConfigError without matplotlib."""
    first, last = sessions[0], sessions[-1]
    days = (last.started - first.started).days
    under = f"{len(sessions)} sessions in {days} days, {first.started:%Y-%m-%d} to {last.started:%Y-%m-%d}"
    total = {
        key: sum(one.found[key] for one in sessions) for key in ("pulses", "charge_uc", "on_s")
    }
    tiles = [
        ("success, first session", *rate_in_words(first.found["success"])),
        ("success, last session", *rate_in_words(last.found["success"])),
        ("dose in all", *dose_in_words(total)),
        ("trials in all", str(sum(one.found["trials"] for one in sessions)), ""),
        ("faults in all", str(sum(one.faults for one in sessions)), "each stopped its session"),
    ]
    rows = [[_cell(value) for value in row.values()] for row in patient_rows(sessions)]
    key = (
        "A point a session. Bars: 95 % interval of the share. Effort: median of the strongest envelopes before "
        "current; electrodes placed anew change it, and the threshold, as much as a muscle does."
    )
    parts = [
        part("Course", course_picture(sessions), key=key),
        part("Sessions", table([name.replace("_", " ") for name in COLUMNS], rows)),
    ]
    return page(f"Patient {code}", under, tiles, parts)


def patient_rows(sessions: Sequence[Summary]) -> list[dict[str, Any]]:
    """A row for each session, with the columns of `COLUMNS`."""
    return [dict(zip(COLUMNS, _values(one), strict=True)) for one in sessions]


def course_picture(sessions: Sequence[Summary]) -> str:
    """Success, effort with threshold, latency and dose over the days, as SVG."""
    figure = figure_of(11.5, 7.5)
    success, effort, latency, dose = figure.subplots(4, 1, sharex=True)
    colour = "#1f4e79"
    at: list[Any] = [one.started for one in sessions]
    rates = [(a, one.found["success"]) for a, one in zip(at, sessions, strict=True)]
    for when, rate in rates:
        if rate is not None:
            low, high = (100 * share for share in wilson(rate["hits"], rate["n"]))
            success.plot([when, when], [low, high], color=colour, alpha=0.4)
    for axes, values, said in (
        (success, [rate and 100 * rate["rate"] for _, rate in rates], "success, %"),
        (effort, [one.effort_uv for one in sessions], "effort, µV"),
        (latency, [one.found["latency_s"] for one in sessions], "latency, s"),
        (dose, [one.found["charge_uc"] / 1000 for one in sessions], "dose, mC"),
    ):
        known = [(a, value) for a, value in zip(at, values, strict=True) if value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), color=colour, marker="o", linewidth=1)
        axes.set(ylabel=said)
        axes.grid(alpha=0.3)
    known = [(a, one.threshold_uv) for a, one in zip(at, sessions, strict=True) if one.threshold_uv]
    if known:
        effort.plot(*zip(*known, strict=True), color="#222222", linestyle="--", label="threshold")
        effort.legend(loc="upper right", fontsize="small")
    for axes in (effort, latency, dose):
        from_zero(axes)
    success.set_ylim(0, 103)
    return svg(figure)


def _values(one: Summary) -> tuple[Any, ...]:
    rate = one.found["success"] or {}
    return (
        one.started.isoformat(timespec="minutes"),
        one.programme,
        one.found["trials"],
        round(100 * rate["rate"], 1) if rate else None,
        rate.get("hits"),
        rate.get("n"),
        None if one.effort_uv is None else round(one.effort_uv, 2),
        None if one.threshold_uv is None else round(one.threshold_uv, 2),
        one.found["latency_s"],
        one.found["pulses"],
        round(one.found["charge_uc"] / 1000, 3),
        round(one.found["on_s"], 1),
        one.faults,
    )


def _cell(value: Any) -> str:
    return "–" if value is None else str(value)
