"""What a recorded session would have come to under other settings, trial by trial beside what it came to.

The person's EMG is as it was: what more or other trains would have done to it, no record can tell.
"""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import Any, NamedTuple

from nmesd.core.plain import core_settings
from nmesd.core.values import Mode, ModeChanged, TrialDone
from nmesd.sessions.folder import Folder
from nmesd.sessions.replay import Again, Noted, Progress, decide_again
from nmesd.units import NS_PER_S, NV_PER_UV, sample_time_ns


class WhatIf(NamedTuple):
    """Both sides."""

    recorded: Again
    other: Again
    hop_s: tuple[float, float]  # a hop's time on either side


def what_if(folder: Folder, settings: dict[str, Any], progress: Progress | None = None) -> WhatIf:
    """Decide a session again under other settings. Raises RecordError where they do not fit its EMG."""
    journal = list(folder.entries())
    hops = max((hop for hop, _ in journal), default=0)
    other = decide_again(folder, settings, progress)
    cores = [core_settings(one["core"]) for one in (folder.settings, settings)]
    hop_s = [sample_time_ns(core.hop_samples, core.rate_mhz) / NS_PER_S for core in cores]
    return WhatIf(Again(hops, journal), other, (hop_s[0], hop_s[1]))


def to_dict(found: WhatIf) -> dict[str, Any]:
    """For --json."""
    sides = zip(("recorded", "other"), (found.recorded, found.other), found.hop_s, strict=True)
    return {
        name: {"trials": _trials(again.journal, hop_s), **_counts(again.journal)}
        for name, again, hop_s in sides
    }


def in_words(found: WhatIf) -> list[str]:
    """A line a trial: what it came to, and what it would have."""
    facts = to_dict(found)
    one, other = facts["recorded"], facts["other"]
    lines = [f"{'trial':>5}  {'recorded':44}  with these settings"]
    for number, pair in enumerate(zip_longest(one["trials"], other["trials"]), 1):
        lines.append(f"{number:5}  {_said(pair[0]):44}  {_said(pair[1])}")
    counts = [
        f"{key:>8}: {_count(one[key])}  ->  {_count(other[key])}"
        for key in ("trains", "trips", "outcomes")
    ]
    return [*lines, *counts]


def _trials(journal: list[Noted], hop_s: float) -> list[dict[str, Any]]:
    return [
        {
            "at_s": round(hop * hop_s, 3),
            "outcome": entry.outcome.name,
            "latency_s": entry.latency_ns / NS_PER_S if entry.latency_ns >= 0 else None,
            "on_uv": entry.on_nv / NV_PER_UV,
            "pulses": entry.pulses,
        }
        for hop, entry in journal
        if isinstance(entry, TrialDone)
    ]


def _counts(journal: list[Noted]) -> dict[str, Any]:
    changes = [entry for _, entry in journal if isinstance(entry, ModeChanged)]
    trials = [entry for _, entry in journal if isinstance(entry, TrialDone)]
    return {
        "trains": sum(change.after is Mode.STIMULATING for change in changes),
        "trips": sum(change.after is Mode.TRIPPED for change in changes),
        "outcomes": dict(Counter(trial.outcome.name for trial in trials)),
    }


def _said(trial: dict[str, Any] | None) -> str:
    if trial is None:
        return "-"
    latency = "" if trial["latency_s"] is None else f" after {trial['latency_s']:.3f} s"
    return f"{trial['at_s']:9.3f} s {trial['outcome']}{latency} over {trial['on_uv']:.4g} µV"


def _count(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{n} {name}" for name, n in sorted(value.items())) or "none"
    return str(value)
