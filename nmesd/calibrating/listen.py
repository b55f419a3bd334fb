"""Rest and best efforts: live from LSL with a word on what to do now, or from a recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pylsl
from numpy.typing import NDArray

from nmesd.daemon.engine_config import lsl_config, stream_spec
from nmesd.daemon.settings import LslSection, StreamSection
from nmesd.engine.stream import Stream
from nmesd.errors import EXPLAIN, Reason, RecordError, StreamError
from nmesd.sessions.recording import Recording
from nmesd.units import NS_PER_MS

EFFORT_S: Final = 4.0
PAUSE_S: Final = 5.0
EFFORTS: Final = 3
FIND_S: Final = 10.0
LEASE_NS: Final = 100 * NS_PER_MS  # the longest: nobody waits for a decision

LATE: Final = {Reason.EMG_STALE, Reason.EMG_BACKLOG, Reason.EMG_CHUNK_TOO_LONG}
"""Of no account here: nothing is lost, and nobody waits for a decision."""

Span = tuple[float, float]
Show = Callable[[str, float], None]
"""Told what the person should do, and the share of its time that is over."""


class Heard(NamedTuple):
    """One muscle's EMG, and what it did when: seconds from the first sample."""

    emg_uv: NDArray[np.float64]
    rest_s: tuple[Span, ...] | None
    """None: to be found."""
    efforts_s: tuple[Span, ...]


def listen(
    section: StreamSection, lsl: LslSection, muscle: str, show: Show, *, rest_s: float
) -> Heard:
    """Rest, then three efforts, live from LSL. Raises StreamError."""
    spec = stream_spec(section, (muscle,))
    pylsl.util.set_config_content(lsl_config(lsl))
    stream = Stream(spec, LEASE_NS)
    _find(stream, section, show)
    (channel,) = spec.channels
    plan = [("REST: relax, do not move", rest_s, False)]
    for number in range(1, EFFORTS + 1):
        plan.append((f"EFFORT {number} of {EFFORTS}: as strongly as you can, NOW", EFFORT_S, True))
        plan.append(("relax", PAUSE_S, False))
    parts, spans, done = [], [], 0
    for says, seconds, _ in plan[:-1]:
        wanted = round(seconds * section.rate_hz)
        got = 0
        while got < wanted:
            samples = _more(stream, channel)
            parts.append(samples)
            got += len(samples)
            show(says, min(1.0, got / wanted))
        spans.append((done / section.rate_hz, (done + got) / section.rate_hz))
        done += got
    efforts = tuple(span for span, (_, _, effort) in zip(spans, plan, strict=False) if effort)
    return Heard(np.concatenate(parts), (spans[0],), efforts)


def _find(stream: Stream, section: StreamSection, show: Show) -> None:
    until_s = time.monotonic() + FIND_S
    reason, there = Reason.EMG_NO_STREAM, tuple[str, ...]()
    while not stream.open:
        show("looking for the EMG stream", 1 - (until_s - time.monotonic()) / FIND_S)
        found = stream.search(time.monotonic_ns())
        if found is not None:
            reason, there = found
        if time.monotonic() > until_s:
            words = EXPLAIN[reason]
            raise StreamError(
                f"{section.name}: {words.text}: {words.remedy}; found: {'; '.join(there) or 'none'}"
            )
        time.sleep(0.02)


def _more(stream: Stream, channel: int) -> NDArray[np.float64]:
    heard, _ = stream.listen(0.1)
    if heard.finding is not None and heard.finding.reason in LATE:
        stream.restart()
    elif heard.finding is not None:
        words = EXPLAIN[heard.finding.reason]
        raise StreamError(f"{words.text}: {words.remedy}; then calibrate again")
    return np.array(heard.samples[:, channel], dtype=np.float64)


def of_recording(
    recording: Recording, muscle: str, rest_s: Span | None, efforts_s: Sequence[Span]
) -> Heard:
    """From a file: spans in seconds from its first sample. Raises RecordError."""
    if muscle not in recording.labels:
        raise RecordError(
            f"{recording.name}: no channel {muscle!r}: has {', '.join(recording.labels)}"
        )
    for first, last in [*([rest_s] if rest_s else []), *efforts_s]:
        if not 0 <= first < last <= recording.duration_s:
            raise RecordError(
                f"{recording.name}: {first:g} to {last:g} s must lie in its {recording.duration_s:.1f} s"
            )
    emg_uv = np.asarray(recording.emg_uv[:, recording.labels.index(muscle)], dtype=np.float64)
    return Heard(emg_uv, (rest_s,) if rest_s else None, tuple(efforts_s))
