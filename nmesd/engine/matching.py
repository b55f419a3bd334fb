"""Which of the streams on the network is the one? Exactly one may fit, and it must fit in everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nmesd.engine.settings import StreamSpec
from nmesd.errors import Reason
from nmesd.units import MHZ_PER_HZ

OURS = "nmesd-"  # what the names of our own streams begin with
FLOAT32 = 1  # LSL's cf_float32; other formats are refused, so that a record holds what was sent


class StreamFacts(NamedTuple):
    """What a stream says of itself. `labels` and `units` are known only after it was opened."""

    name: str
    type: str
    source_id: str
    host: str
    channels: int
    rate_hz: float
    format: int
    uid: str
    labels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


class Match(NamedTuple):
    """The stream that fits, or why none does and what was found, for people."""

    stream: StreamFacts | None
    reason: Reason
    found: tuple[str, ...]


MICROVOLTS = {
    "microvolts",
    "microvolt",
    "uv",
    "µv",
    "μv",
}  # the XDF wiki's word and its common spellings


def mismatches(spec: StreamSpec, facts: StreamFacts) -> list[str]:
    """What of a resolved stream does not fit, in words; [] if it fits as far as can be seen before opening."""
    wrong = [
        f"{what} is {has!r}, wanted {wants!r}"
        for what, wants, has in (
            ("name", spec.name, facts.name),
            ("type", spec.type, facts.type),
            ("source_id", spec.source_id, facts.source_id),
            ("host", spec.host, facts.host),
        )
        if wants and wants != has
    ]
    if facts.channels != len(spec.labels):
        wrong.append(f"{facts.channels} channels, wanted {len(spec.labels)}")
    if not abs(facts.rate_hz * MHZ_PER_HZ - spec.rate_mhz) <= 0.5:  # noqa: PLR2004 - also NaN: half a millihertz
        wrong.append(f"rate is {facts.rate_hz:g} Hz, wanted {spec.rate_mhz / MHZ_PER_HZ:g} Hz")
    if facts.format != FLOAT32:
        wrong.append("samples are not float32")
    return wrong


def opened_mismatches(spec: StreamSpec, facts: StreamFacts) -> list[str]:
    """The same for what is known only of an opened stream: labels and units. Missing ones are a mismatch."""
    wrong = mismatches(spec, facts)
    if facts.labels != spec.labels:
        wrong.append(f"labels are {list(facts.labels)}, wanted {list(spec.labels)}")
    if (
        any(unit.lower() not in MICROVOLTS for unit in facts.units)
        or len(facts.units) != facts.channels
    ):
        wrong.append(f"units are {list(facts.units)}, wanted microvolts")
    return wrong


def describe(spec: StreamSpec, streams: Sequence[StreamFacts]) -> tuple[str, ...]:
    """A line for people about each stream, and what of it does not fit. Ours, and markers, are nobody's EMG."""
    return tuple(
        f"{s.name!r} type {s.type!r} source_id {s.source_id!r} on {s.host!r}, {s.channels} channels at "
        f"{s.rate_hz:g} Hz: " + ("; ".join(mismatches(spec, s)) or "fits")
        for s in streams
        if s.type != "Markers" and not s.name.startswith(OURS)
    )


def rivals(spec: StreamSpec, streams: Sequence[StreamFacts], open_uid: str) -> list[StreamFacts]:
    """Streams that fit, but for the open one, which is itself among them."""
    return [s for s in streams if s.uid != open_uid and not mismatches(spec, s)]


def match(spec: StreamSpec, streams: Sequence[StreamFacts], *, seen_before: bool) -> Match:
    """Choose among resolved streams. `seen_before`: a fitting one was open earlier in this run."""
    found = describe(spec, streams)
    fitting = [stream for stream in streams if not mismatches(spec, stream)]
    if len(fitting) == 1:
        return Match(fitting[0], Reason.NONE, found)
    if fitting:
        return Match(None, Reason.EMG_AMBIGUOUS, found)
    same_name = any(s.name == spec.name for s in streams)
    if not same_name:
        return Match(None, Reason.EMG_NO_STREAM, found)
    return Match(None, Reason.EMG_STREAM_CHANGED if seen_before else Reason.EMG_MISMATCH, found)
