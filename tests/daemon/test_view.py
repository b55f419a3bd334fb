"""The state as people and scripts get it."""

from typing import Any

import pytest

from nmesd.core.values import Mode, ModeChanged, Outcome, Trial, TrialDone, Why
from nmesd.daemon.files import Files
from nmesd.daemon.view import Tally, view
from nmesd.errors import EXPLAIN, Reason
from nmesd.sim.session_files import files_of, one_muscle
from nmesd.units import NS_PER_S
from nmesd.wire import GuardState, Snapshot

NUMBERS = ("trip_value", "trip_limit", "trip_unit", "trip_channel")


def snapshot(**values: Any) -> Snapshot:
    fields: dict[str, Any] = {
        "mode": Mode.DISARMED,
        "guard_state": GuardState.DISARMED,
        "hop": 0,
        "inhibits": 0,
        "muscle": 0,
        "trial": 5,
        "mode_ns": 1_500_000_000,
        "session_ns": 60_000_000_000,
        "envelope_nv": 1500,
        "on_nv": 12_000,
        "off_nv": 8000,
        "amplitude_ua": 0,
        "trip_reason": 0,
        "trip_value": 0,
        "trip_limit": 0,
        "trip_channel": -1,
        "trains": 3,
        "pulses": 4,
        "charge_pc": 5_000_000,
        "latency_first_ns": 0,
        "latency_guard_ns": 0,
        "step_max_ns": 0,
        "dropped": 0,
        "guard_connected": 1,
        "guard_real_time": 1,
        "guard_simulated": 1,
        "limits_hash": 10,
    }
    return Snapshot(**{**fields, **values})


STREAM = {"name": "x", "rate_hz": 1000, "labels": ["biceps"]}
FILES = files_of({"stream": STREAM, **one_muscle("biceps", {"on_uv": 12, "off_uv": 8}, {})})
CYCLIC = files_of(
    {
        "patient": {"code": "P7", "muscle": [{"label": "calf", "output": [{"channel": 1}]}]},
        "programme": {"purpose": "x", "kind": "cyclic", "session": {"trials": 15, "sets": 2}},
    }
)


def seen_by(shot: Snapshot, files: Files = FILES, tally: Tally | None = None) -> dict[str, Any]:
    return view(shot, files, tally or Tally(), [], 1, {})


def tripped(reason: Reason, value: int = 0, limit: int = 0, channel: int = -1) -> dict[str, Any]:
    trip = {
        "trip_reason": reason,
        "trip_value": value,
        "trip_limit": limit,
        "trip_channel": channel,
    }
    return seen_by(snapshot(mode=Mode.TRIPPED, **trip))


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason])
def test_a_trip_is_told_with_its_numbers(reason: Reason) -> None:
    seen = tripped(reason, 31_000_000, 30_000_000, 1)
    assert seen["state"] == "TRIPPED"
    assert seen["trip_reason"] == reason.name
    unit = EXPLAIN[reason].unit
    assert tuple(seen[name] for name in NUMBERS) == (31_000_000, 30_000_000, unit, 2)
    assert seen["text"].startswith(EXPLAIN[reason].text)


def test_a_trip_of_no_channel_names_none() -> None:
    assert tripped(Reason.OPERATOR_STOP)["trip_channel"] is None


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.TRIPPED])
def test_without_a_trip_there_are_no_numbers(mode: Mode) -> None:
    seen = seen_by(snapshot(mode=mode, trip_value=3, trip_channel=2))
    assert [seen[name] for name in ("trip_reason", *NUMBERS)] == [None] * 5


@pytest.mark.parametrize("files", [FILES, CYCLIC])
@pytest.mark.parametrize("mode", Mode)
def test_every_state_has_its_words(mode: Mode, files: Files) -> None:
    assert seen_by(snapshot(mode=mode), files)["text"]


@pytest.mark.parametrize(
    ("mode", "says"),
    [(Mode.DISARMED, "cannot be armed: "), (Mode.READY, "nothing counts: "), (Mode.REST, "rest, ")],
)
def test_what_forbids_it_is_told_where_it_does(mode: Mode, says: str) -> None:
    heart, hum = EXPLAIN[Reason.EMG_HEART], EXPLAIN[Reason.EMG_MAINS]
    seen = seen_by(snapshot(mode=mode, inhibits=1 << Reason.EMG_HEART | 1 << Reason.EMG_MAINS))
    assert seen["text"].startswith(says)
    for one in (heart, hum):
        assert (one.text in seen["text"] and one.remedy in seen["text"]) == (mode is not Mode.REST)


def test_the_course_of_the_session_is_told() -> None:
    seen = seen_by(snapshot(mode=Mode.REST), CYCLIC)
    assert (seen["programme"], seen["patient"]) == ("rehearsal", "P7")
    assert (seen["trials_done"], seen["trials"]) == (5, 30)
    assert (seen["session_s"], seen["session_left_s"], seen["mode_s"]) == (60.0, None, 1.5)
    assert (seen["muscle"], seen["envelope_uv"], seen["on_uv"]) == (
        None,
        None,
        None,
    )  # none is heard
    assert seen_by(snapshot(mode=Mode.REST))["muscle"] == "biceps"


def test_what_is_left_of_the_session_ends_at_nothing() -> None:
    for session_s, left_s in ((0, 7200.0), (60, 7140.0), (7300, 0.0)):
        seen = seen_by(snapshot(session_ns=session_s * NS_PER_S))
        assert seen["session_left_s"] == left_s


def test_what_the_trials_came_to_is_counted_from_the_arming_on() -> None:
    tally = Tally()
    done = TrialDone(1, 0, Trial.GO, Outcome.SUCCESS, 0, 1, 1, 1, 1, 1)
    for outcome in (Outcome.SUCCESS, Outcome.SUCCESS, Outcome.MISS):
        tally.hear(done._replace(outcome=outcome))
    tally.hear(ModeChanged(1, Mode.REST, Mode.DISARMED, Why.SESSION_OVER, Reason.NONE, 0, 0))
    assert seen_by(snapshot(), tally=tally)["outcomes"] == {"SUCCESS": 2, "MISS": 1}
    tally.hear(ModeChanged(1, Mode.DISARMED, Mode.REST, Why.OPERATOR, Reason.NONE, 0, 0))
    assert seen_by(snapshot(), tally=tally)["outcomes"] == {}
