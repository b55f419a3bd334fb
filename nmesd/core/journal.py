"""Core events and commands as integers (for the wire) and as JSON (for the record), and back, without loss.

Hops are not journalled: the raw EMG and the coefficients reproduce them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, get_type_hints

from nmesd.core.values import (
    Act,
    Arm,
    Command,
    Cue,
    Disarm,
    Give,
    ModeChanged,
    Pace,
    Pause,
    Refused,
    Release,
    Reset,
    RestartChain,
    Resume,
    SetOutput,
    ThresholdChanged,
    TrialDone,
    Trip,
    Tune,
    Vetoed,
)
from nmesd.errors import RecordError

Entry = Act | Command

# The numbers are part of the record: never reuse one.
_KINDS: dict[int, type[Entry]] = {
    1: Arm,
    2: Disarm,
    3: Trip,
    4: Reset,
    5: Pause,
    6: Resume,
    7: Release,
    8: Give,
    9: Tune,
    10: SetOutput,
    11: RestartChain,
    12: ModeChanged,
    13: Refused,
    14: Cue,
    15: TrialDone,
    16: Vetoed,
    17: ThresholdChanged,
    18: Pace,
}
_CODES = {kind: code for code, kind in _KINDS.items()}
_NAMES = {kind.__name__: kind for kind in _KINDS.values()}
_HINTS = {kind: get_type_hints(kind) for kind in _KINDS.values()}


def to_ints(entry: Entry) -> tuple[int, tuple[int, ...]]:
    """(code, fields) of an entry."""
    return _CODES[type(entry)], tuple(int(value) for value in entry)


def from_ints(code: int, args: tuple[int, ...]) -> Entry:
    """The entry of a code and its fields. Raises RecordError if there is none such."""
    kind = _KINDS.get(code)
    if kind is None:
        raise RecordError(f"journal entry of unknown code {code}: written by a newer nmesd?")
    return _build(kind, args)


def to_json(entry: Entry) -> dict[str, Any]:
    """{"entry": name, field: integer or enum name, ...}."""
    values = {
        name: value.name if isinstance(value, IntEnum) else int(value)
        for name, value in zip(entry._fields, entry, strict=True)
    }
    return {"entry": type(entry).__name__, **values}


def from_json(data: dict[str, Any]) -> Entry:
    """The entry of a JSON object; keys it does not know are ignored. Raises RecordError."""
    kind = _NAMES.get(str(data.get("entry")))
    if kind is None:
        raise RecordError(f"no journal entry is called {data.get('entry')!r}")
    hints = _HINTS[kind]
    try:
        args = tuple(
            hints[name][data[name]] if isinstance(data[name], str) else data[name]
            for name in kind._fields
        )
    except (KeyError, TypeError) as error:
        raise RecordError(f"{kind.__name__}: {error} is missing or unknown") from None
    return _build(kind, args)


def _build(kind: type[Entry], args: tuple[int, ...]) -> Entry:
    hints = _HINTS[kind]
    if len(args) != len(kind._fields):
        raise RecordError(f"{kind.__name__}: {len(args)} fields, {len(kind._fields)} expected")
    try:
        return kind._make(hints[n](a) for n, a in zip(kind._fields, args, strict=True))
    except (ValueError, TypeError, OverflowError) as error:
        raise RecordError(f"{kind.__name__}: {error}") from None
