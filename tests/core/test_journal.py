"""Journal entries: integers for the wire, JSON for the record, and back without loss."""

import json
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.core.journal import Entry, from_ints, from_json, to_ints, to_json
from nmesd.core.values import (
    Act,
    Arm,
    Command,
    CueKind,
    Mode,
    ModeChanged,
    Outcome,
    Trial,
    Trip,
    Why,
)
from nmesd.errors import Reason, RecordError
from nmesd.wire import NOTE_ARGS

KINDS: tuple[type[Any], ...] = get_args(Entry)
ENUMS = (Mode, Reason, Why, CueKind, Outcome, Trial)
I64 = st.integers(-(2**63), 2**63 - 1)


def entries_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    fields = [st.sampled_from(hints[n]) if hints[n] in ENUMS else I64 for n in kind._fields]
    return st.tuples(*fields).map(kind._make)


entries = st.one_of([entries_of(kind) for kind in KINDS])


def test_entries_are_all_acts_and_all_commands() -> None:
    assert set(KINDS) == {*get_args(Act), *get_args(Command)}
    assert len({to_ints(kind._make([1] * len(kind._fields)))[0] for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_fits_a_note(kind: type[Any]) -> None:
    assert len(kind._fields) <= NOTE_ARGS


@given(entries)
def test_integers_round_trip(entry: Entry) -> None:
    code, args = to_ints(entry)
    assert all(type(arg) is int for arg in args)
    back = from_ints(code, args)
    assert back == entry
    assert [type(value) for value in back] == [type(value) for value in entry]


@given(entries)
def test_json_round_trips(entry: Entry) -> None:
    back = from_json(json.loads(json.dumps(to_json(entry))))
    assert type(back) is type(entry)
    assert back == entry
    assert [type(value) for value in back] == [type(value) for value in entry]


def test_json_is_for_people_too() -> None:
    change = ModeChanged(5, Mode.READY, Mode.TRIPPED, Why.TRIP, Reason.EMG_GAP, 7, 3)
    assert to_json(change) == {
        "entry": "ModeChanged",
        "t_ns": 5,
        "before": "READY",
        "after": "TRIPPED",
        "why": "TRIP",
        "reason": "EMG_GAP",
        "value": 7,
        "limit": 3,
    }


def test_a_key_of_a_newer_nmesd_is_ignored() -> None:
    arm = Arm(1, 2, 3)
    assert from_json({**to_json(arm), "colour": "green"}) == arm


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (0, ()),
        (99, (1, 2, 3)),
        (1, (1, 2)),
        (1, (1, 2, 3, 4)),
        (3, (1, 5555, 0, 0)),  # no such reason
        (12, (1, 99, 0, 1, 0, 0, 0)),  # no such mode
    ],
)
def test_unknown_integers_are_refused(code: int, args: tuple[int, ...]) -> None:
    with pytest.raises(RecordError):
        from_ints(code, args)


TRIP = to_json(Trip(1, Reason.EMG_GAP, 2, 3))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"entry": "Hop"},
        {"entry": "arm", "t_ns": 1, "operator": 1, "inhibits": 0},
        {"entry": None},
        {"entry": ["Trip"]},
        {**TRIP, "reason": "EMG_GAPS"},
        {**TRIP, "reason": 5555},
        {**TRIP, "reason": None},
        {**TRIP, "value": "2"},
        {**TRIP, "value": [2]},
        {**TRIP, "value": float("inf")},
        {key: value for key, value in TRIP.items() if key != "limit"},
    ],
)
def test_unknown_json_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        from_json(data)
