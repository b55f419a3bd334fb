"""The report of one session: what was done and what it came to, on a page and as rows for a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nmesd.core.values import Kind, Outcome
from nmesd.sessions.page import page, part, table
from nmesd.sessions.story import Story, TrialStory
from nmesd.sessions.trial_picture import WORDS, course_picture, trials_picture
from nmesd.sessions.trials import report
from nmesd.units import NS_PER_S, NV_PER_UV

DONE = {
    Kind.TRIGGERED: "attempts, each answered with a train of pulses",
    Kind.HOLD: "attempts, each answered with a train of pulses until it is released",
    Kind.CYCLIC: "trains of pulses by the clock",
    Kind.BIOFEEDBACK: "attempts with cue and reward, without current",
    Kind.RELAXATION: "relaxing on cue",
    Kind.STEPS: "single trains, to find amplitudes",
}
COLUMNS = (
    "trial", "purpose", "outcome", "muscle", "cue_s", "end_s", "latency_s", "effort_uv", "on_uv", "off_uv",
    "pulses", "charge_uc", "current_s",
)  # fmt: skip
_KEY = (
    "Seconds from the cue; microvolts, from the recorded EMG run again through the filters. Grey: filtered EMG, "
    "its size to both sides. Blue: envelope. Dashed: threshold. Orange: current, of the strongest channel; EMG "
    "during it is artefact and M-wave, and is not looked at. All panels of a muscle have one scale; higher is cut "
    "off."
)
_TIMING_KEY = (
    "How long each stage took, of every step of the session. Filter and decision: of one hop. Arrival counts from "
    "the sample's LSL time stamp, as does sample to guard, which is the whole way."
)


def session_page(story: Story) -> str:
    """HTML. Raises ConfigError without matplotlib."""
    facts = story.facts
    found = report(story.done)
    started = str(facts.get("started", ""))[:16].replace("T", " ")
    code, programme = facts.get("patient", "nobody named"), facts.get("programme", "no name")
    under = f"{started} UTC · programme {programme}: {DONE[story.core.programme.kind]}"
    parts = []
    if story.trials:
        key = "Effort: the strongest envelope from the cue to the first pulse, else to 0.5 s after the decision."
        parts.append(part("Course of the session", course_picture(story), key=key))
        parts.append(part("Every trial", trials_picture(story), key=_KEY if story.labels else ""))
    else:
        parts.append(part("Course of the session", "<p>No trial was finished.</p>"))
    parts.append(part("Faults", _faults(story)))
    if story.timing:
        parts.append(part("From sample to stimulator", _timing(story), key=_TIMING_KEY))
    return page(f"Session of {code}", under, _tiles(story, found), parts)


def session_rows(story: Story) -> list[dict[str, Any]]:
    """A row for each trial, with the columns of `COLUMNS`."""
    return [_row(story, trial) for trial in story.trials]


def rate_in_words(rate: dict[str, Any] | None) -> tuple[str, str]:
    """A share as a figure, and what stands behind it."""
    if rate is None:
        return "–", "no attempt was asked for"
    low, high = 100 * rate["low"], 100 * rate["high"]
    return (
        f"{100 * rate['rate']:.0f} %",
        f"{rate['hits']} of {rate['n']}; 95 %: {low:.0f} to {high:.0f} %",
    )


def dose_in_words(found: dict[str, Any]) -> tuple[str, str]:
    """Charge as a figure, and pulses and time behind it."""
    return f"{found['charge_uc'] / 1000:.1f} mC", f"{found['pulses']} pulses, {found['on_s']:.0f} s"


def _tiles(story: Story, found: dict[str, Any]) -> list[tuple[str, str, str]]:
    late = "–" if found["latency_s"] is None else f"{found['latency_s']:.2f} s"
    tiles = [
        ("success", *rate_in_words(found["success"])),
        ("latency", late, "from cue to decision, median"),
        ("dose", *dose_in_words(found)),
        ("trials", str(found["trials"]), f"in {story.armed_s / 60:.1f} min armed"),
        ("faults", str(len(story.faults)), "stopped and latched" if story.faults else "none"),
    ]
    if found["false_positive"] is not None:
        tiles.insert(1, ("false alarms", *rate_in_words(found["false_positive"])))
    return tiles


def _faults(story: Story) -> str:
    if not story.faults:
        return "<p>None: nothing stopped this session.</p>"
    rows = [(f"{one.at_s / 60:.1f} min", one.name, one.text, one.remedy) for one in story.faults]
    return table(("when", "reason", "what it means", "what to do"), rows)


def _timing(story: Story) -> str:
    rows = []
    for name, stage in story.timing.items():
        count, *us = stage.figures().values()
        rows.append((name.replace("_", " "), str(count), *(f"{one / 1000:.3g}" for one in us)))
    return table(("stage", "count", "median ms", "99 %", "99.9 %", "longest"), rows)


def _row(story: Story, trial: TrialStory) -> dict[str, Any]:
    done = trial.done
    label = story.labels[story.column(trial)] if story.labels else ""
    values: Sequence[Any] = (
        done.trial + 1,
        done.purpose.name.lower(),
        WORDS[Outcome(done.outcome)],
        label,
        round(trial.cue_s, 3),
        round(trial.end_s, 3),
        None if trial.latency_s is None else round(trial.latency_s, 3),
        None if trial.effort_uv is None else round(trial.effort_uv, 2),
        done.on_nv / NV_PER_UV,
        trial.off_uv,
        done.pulses,
        done.charge_pc / 1e6,
        done.on_ns / NS_PER_S,
    )
    return dict(zip(COLUMNS, values, strict=True))
