"""The events of a session as BIDS wants them: cues, trials, current, thresholds, trips, modes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from nmesd.core.journal import Entry
from nmesd.core.values import Cue, Mode, ModeChanged, SetOutput, ThresholdChanged, TrialDone
from nmesd.units import NS_PER_S, NV_PER_UV, UA_PER_MA

COLUMNS: Final = (
    "onset", "duration", "trial_type", "trial", "purpose", "outcome", "latency", "channel", "amplitude",
    "threshold",
)  # fmt: skip

DESCRIPTION: Final[dict[str, Any]] = {
    "trial_type": {
        "LongName": "What happened",
        "Levels": {
            "cue": "the person was told something: outcome says what",
            "trial": "from the last cue to the end of the trial, with what it came to",
            "current": "the commanded amplitude of a stimulator channel, until the next command to it",
            "threshold": "the on threshold of a muscle was moved",
            "mode": "the machine went to the mode that outcome names",
            "trip": "zero, latched, for the reason that outcome names",
            "not_finite": "samples that were not numbers stand as 0 in the recording",
            "padding": "the last value, repeated to fill the file's last record: not recorded",
        },
    },
    "trial": {"Description": "Number of the trial, from 1"},
    "purpose": {"Description": "go: try; no_go: do not try; sham: try, answered with a train without current"},
    "outcome": {"Description": "Of a trial, or the cue, mode or reason"},
    "latency": {"Description": "From the cue to the decision", "Units": "s"},
    "channel": {"Description": "Of the stimulator, from 1"},
    "amplitude": {"Description": "As commanded; the current itself was not measured", "Units": "mA"},
    "threshold": {"Description": "On threshold, microvolts r.m.s. of the filtered EMG", "Units": "uV"},
}  # fmt: skip

Row = dict[str, Any]


def rows(entries: Iterable[tuple[int, Entry]], first: int, last: int, hop_s: float) -> list[Row]:
    """Of the run of hops `first` to `last` (not counted), in order of their onset."""
    found: list[Row] = []
    cue_s, given = 0.0, dict[int, Row]()
    for hop, entry in entries:
        if not first <= hop <= last:
            continue
        at_s = (hop - first) * hop_s
        if isinstance(entry, SetOutput) and (before := given.pop(entry.channel, None)) is not None:
            before["duration"] = round(at_s - before["onset"], 6)
        row = _of_entry(entry, at_s, cue_s)
        if row is None:
            continue
        found.append(row)
        if isinstance(entry, SetOutput):
            given[entry.channel] = row
        elif isinstance(entry, Cue):
            cue_s = at_s
    return sorted(found, key=lambda row: float(row["onset"]))


def _of_entry(entry: Entry, at_s: float, cue_s: float) -> Row | None:
    match entry:
        case Cue():
            return _row(at_s, "cue", trial=entry.trial + 1, outcome=entry.cue.name.lower())
        case TrialDone():
            return _trial(cue_s, at_s, entry)
        case SetOutput(amplitude_ua=ua) if ua:
            return _row(at_s, "current", channel=entry.channel + 1, amplitude=ua / UA_PER_MA)
        case ThresholdChanged():
            return _row(at_s, "threshold", threshold=entry.after_nv / NV_PER_UV)
        case ModeChanged(after=Mode.TRIPPED):
            return _row(at_s, "trip", outcome=entry.reason.name)
        case ModeChanged():
            return _row(at_s, "mode", outcome=entry.after.name.lower())
        case _:
            return None


def span(kind: str, first: int, samples: int, rate_hz: float) -> Row:
    """A stretch of samples."""
    return {**_row(first / rate_hz, kind), "duration": round(samples / rate_hz, 6)}


def tsv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """A table as BIDS wants it: tabs, n/a for what is not known."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(row.get(column)) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _trial(cue_s: float, at_s: float, done: TrialDone) -> Row:
    latency = round(done.latency_ns / NS_PER_S, 6) if done.latency_ns >= 0 else None
    row = _row(
        min(cue_s, at_s), "trial", trial=done.trial + 1, purpose=done.purpose.name.lower(),
        outcome=done.outcome.name.lower(), latency=latency, threshold=done.on_nv / NV_PER_UV,
    )  # fmt: skip
    return {**row, "duration": round(at_s - row["onset"], 6)}


def _row(at_s: float, kind: str, **values: Any) -> Row:
    return {"onset": round(at_s, 6), "duration": 0, "trial_type": kind, **values}


def _cell(value: Any) -> str:
    return "n/a" if value is None or value == "" else str(value)
