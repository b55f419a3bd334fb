"""What a page shows of each state: in words, with units, and nothing that is not so."""

from typing import Any

import pytest

from nmesd.core.values import CueKind, Mode
from nmesd.errors import EXPLAIN, Reason
from nmesd.monitor.words import CUES, NOTHING, Trip, lost, page
from nmesd.units import NS_PER_S
from tests.monitor.guard_and_daemon import STATUS

CUE = {"event": "cue", "cue": "TRY"}


def shown(**values: Any) -> dict[str, Any]:
    return page({**STATUS, **values}, CUE, None, 0)


def test_numbers_have_their_units() -> None:
    assert shown(amplitude_ma=19.96)["shown"] == {
        "cue": "TRY NOW", "output": "20.0 mA", "envelope": "5.2 µV", "threshold": "12.0 µV", "trials": "4 of 20",
        "left": "12 min", "outcomes": "3 success, 1 miss", "trains": "3", "programme": "activation",
        "patient": "P7", "muscle": "biceps", "guard": "ARMED", "stimulator": "NMESDEMP24",
    }  # fmt: skip
    assert shown(session_left_s=61.9)["shown"]["left"] == "1:01 min"
    assert shown(trials=None)["shown"]["trials"] == "4"


def test_a_programme_without_emg_has_no_plot() -> None:
    assert shown()["plot"] == [5.25, 12.0, 8.0, None]
    said = shown(envelope_uv=None, on_uv=None, off_uv=None, muscle=None)
    assert said["plot"] is None
    assert said["quality"] == "this programme hears no EMG"
    assert said["shown"]["envelope"] == said["shown"]["muscle"] == NOTHING


def test_while_emg_is_not_looked_at_there_is_a_gap_in_the_plot() -> None:
    gaps: list[dict[str, Any]] = [
        {"state": "STIMULATING"}, {"state": "HOLD_OFF"}, {"inhibits": ["EMG_SETTLING"]},
    ]  # fmt: skip
    for values in gaps:
        said = shown(**values)
        train_uv = 12.0 if values.get("state") == "STIMULATING" else None
        assert said["plot"] == [None, 12.0, 8.0, train_uv]
        assert said["shown"]["envelope"] == NOTHING


def test_a_daemon_that_starts_has_little_to_say() -> None:
    said = page({"state": "STARTING", "text": "the engine is starting"}, None, None, 0)
    assert (said["state"], said["text"]) == ("STARTING", "the engine is starting")
    assert set(said["shown"].values()) == {NOTHING}


@pytest.mark.parametrize("mode", Mode)
def test_a_cue_is_shown_only_while_somebody_is_armed(mode: Mode) -> None:
    nobody = mode in (Mode.DISARMED, Mode.TRIPPED)
    assert shown(state=mode.name)["shown"]["cue"] == (NOTHING if nobody else "TRY NOW")


def test_every_cue_has_its_words() -> None:
    assert set(CUES) == {kind.name for kind in CueKind}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.name.startswith("EMG_")])
def test_bad_signal_is_told_with_what_to_do(reason: Reason) -> None:
    said = shown(inhibits=[reason.name])
    if reason is Reason.EMG_SETTLING:  # after every train
        assert (said["quality"], said["signal"]) == ("settling", [])
        return
    assert said["quality"] == "NOT GOOD"
    assert said["signal"] == [f"{EXPLAIN[reason].text}: {EXPLAIN[reason].remedy}"]
    assert said["inhibits"] == []


def test_what_else_forbids_arming_says_nothing_of_the_signal() -> None:
    said = shown(inhibits=["GUARD_GONE", "OF_A_LATER_RELEASE"])
    assert (said["quality"], said["signal"]) == ("good", [])
    remedy = "no connection to the guard: start nmesd-guard, then reset"
    assert said["inhibits"] == [remedy, "OF_A_LATER_RELEASE"]


def test_a_unit_that_gives_nothing_says_so() -> None:
    assert shown()["banner"] == ""
    assert shown(simulated=True)["banner"].startswith("SIMULATED")
    dry = shown(simulated=True, stimulator="GIVES NOTHING (level dry-run): P24")
    assert dry["banner"].startswith("DRY RUN")


def test_the_last_trip_says_when() -> None:
    trip = Trip("stopped by the operator: reset when ready", 10 * NS_PER_S)
    for now_s, ago in ((10, "0 s"), (129, "119 s"), (130, "2 min")):
        said = page(STATUS, None, trip, now_s * NS_PER_S)
        assert said["trip"] == f"{trip.text} ({ago} ago)"
    assert shown()["trip"] == ""


def test_a_daemon_that_is_lost_leaves_nothing_but_the_last_trip() -> None:
    said = lost("it hangs", Trip("x", 0), NS_PER_S)
    assert said == {
        "connected": False, "state": "NOT CONNECTED", "text": "it hangs", "trip": "x (1 s ago)",
    }  # fmt: skip
