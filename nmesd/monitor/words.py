"""What the page shows, from what the daemon says: sentences and numbers with their units, ready to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nmesd.errors import EXPLAIN, Reason
from nmesd.units import NS_PER_S

CUES = {
    "REST": "REST",
    "TRY": "TRY NOW",
    "DO_NOT_TRY": "DO NOT TRY",
    "RELAX": "RELAX",
    "ENCOURAGE": "KEEP GOING",
    "WELL_DONE": "WELL DONE",
    "PAUSE": "PAUSE",
    "END": "THE END",
}
ARMED = ("REST", "READY", "STIMULATING", "HOLD_OFF", "PAUSED")
BLANKED = ("STIMULATING", "HOLD_OFF")  # the envelope is of the stimulation then
FINE_MIN, FINE_S = 10, 120  # seconds are shown of what is shorter
NOTHING = "\u2013"  # shown where there is no such thing


class Trip(NamedTuple):
    """The last one seen, kept after its reset."""

    text: str
    t_ns: int


def page(
    status: Mapping[str, Any], cue: Mapping[str, Any] | None, trip: Trip | None, now_ns: int
) -> dict[str, Any]:
    """All that a page shows of a daemon that answers.

    status: what it answered. cue: its last event of that name. What is given as `plot` is envelope, on and off
    threshold and the height of a train, in µV; without an envelope while EMG is not looked at.
    """
    state = str(status["state"])
    emg, others = inhibits(status.get("inhibits", ()))
    hears = status.get("on_uv") is not None
    settling = "EMG_SETTLING" in status.get("inhibits", ())
    envelope_uv = None if settling or state in BLANKED else status.get("envelope_uv")
    return {
        "connected": True,
        "state": state.replace("_", "-"),
        "text": status["text"],
        "banner": banner(status),
        "quality": quality(emg, settling=settling, hears=hears),
        "signal": emg,
        "inhibits": others,
        "trip": _trip(trip, now_ns),
        "plot": _plot(status, envelope_uv) if hears else None,
        "shown": {
            "cue": CUES.get(str(cue["cue"]), NOTHING) if cue and state in ARMED else NOTHING,
            "output": _number(status.get("amplitude_ma"), "mA"),
            "envelope": _number(envelope_uv, "µV"),
            "threshold": _number(status.get("on_uv"), "µV"),
            "trials": _trials(status),
            "left": _clock(status.get("session_left_s")),
            "outcomes": ", ".join(
                f"{count} {name.lower().replace('_', ' ')}"
                for name, count in status.get("outcomes", {}).items()
            )
            or NOTHING,
            "trains": str(status.get("trains", NOTHING)),
            "programme": str(status.get("programme", NOTHING)),
            "patient": str(status.get("patient", NOTHING)),
            "muscle": str(status.get("muscle") or NOTHING),
            "guard": str(status.get("guard", NOTHING)),
            "stimulator": str(status.get("stimulator") or NOTHING),
        },
    }


def lost(text: str, trip: Trip | None, now_ns: int) -> dict[str, Any]:
    """The page of a daemon that does not answer: why, and nothing that was true before."""
    return {
        "connected": False,
        "state": "NOT CONNECTED",
        "text": text,
        "trip": _trip(trip, now_ns),
    }


def inhibits(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is wrong with the EMG, and what else forbids arming, with what to do."""
    emg = [name for name in names if name.startswith("EMG_") and name != "EMG_SETTLING"]
    others = [name for name in names if not name.startswith("EMG_")]
    return [explain_name(name) for name in emg], [explain_name(name) for name in others]


def quality(emg: Sequence[str], *, settling: bool, hears: bool) -> str:
    """Of the EMG, in a word. Filters settle after every train: that is no fault."""
    if not hears:
        return "this programme hears no EMG"
    if emg:
        return "NOT GOOD"
    return "settling" if settling else "good"


def explain_name(name: str) -> str:
    """A reason in a sentence; one that this release does not know, as it is."""
    if name not in Reason.__members__:
        return name
    text, remedy, _ = EXPLAIN[Reason[name]]
    return f"{text}: {remedy}"


def banner(status: Mapping[str, Any]) -> str:
    """What must be said of a unit that gives a person nothing."""
    if "GIVES NOTHING" in str(status.get("stimulator", "")):
        return "DRY RUN: no current comes out"
    return "SIMULATED STIMULATOR: no current comes out" if status.get("simulated") else ""


def _plot(status: Mapping[str, Any], envelope_uv: float | None) -> list[float | None]:
    on_uv, off_uv = status["on_uv"], status["off_uv"]
    return [envelope_uv, on_uv, off_uv, on_uv if status["state"] == "STIMULATING" else None]


def _number(value: float | None, unit: str) -> str:
    return NOTHING if value is None else f"{value:.1f} {unit}"


def _trials(status: Mapping[str, Any]) -> str:
    done, wanted = status.get("trials_done"), status.get("trials")
    if done is None:
        return NOTHING
    return f"{done} of {wanted}" if wanted else f"{done}"


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min" if minutes >= FINE_MIN else f"{minutes}:{rest:02} min"


def _trip(trip: Trip | None, now_ns: int) -> str:
    if trip is None:
        return ""
    ago_s = (now_ns - trip.t_ns) // NS_PER_S
    return (
        f"{trip.text} ({ago_s} s ago)" if ago_s < FINE_S else f"{trip.text} ({ago_s // 60} min ago)"
    )
