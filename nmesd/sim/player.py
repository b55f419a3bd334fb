"""Plays a recording over LSL as if it were being measured: `python -m nmesd.sim.player FILE`.

Time stamps are recording time: sample i has `start + i / rate`, whatever the speed. At speed 1 they
are the time of sending; at speed N samples come N times faster than their time stamps say, and the
receiver must be told. On stdout, one JSON object a line:

{"event": "ready", "name", "source_id", "rate_hz", "channels", "samples", "speed"}   can be found
{"event": "started", "lsl_start"}                                    LSL time stamp of sample 0
{"event": "ended", "samples"}                                        the last sample was sent, or
stopped
"""

from __future__ import annotations

import argparse
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nmesd.errors import ConfigError, NmesdError, StreamError
from nmesd.realtime import SOURCE_PRIORITY, try_priority
from nmesd.sessions.recording import Recording, read_recording
from nmesd.sim.clock import SampleClock, sleep_until
from nmesd.sim.lines import complain, emit, stop_on_signals
from nmesd.sim.outlets import EmgOutlet, MarkerOutlet, unique_source_id
from nmesd.units import NS_PER_S

_LINGER_NS = NS_PER_S  # the outlet outlives the last sample by this, so that it is still delivered
_WAIT_S = 0.2  # how often a player waiting for a receiver looks at `stop`


def play(
    recording: Recording,
    *,
    speed: float = 1.0,
    chunk_ms: float = 4.0,
    name: str | None = None,
    source_id: str | None = None,
    loop: bool = False,
    wait_s: float = math.inf,
    stop: threading.Event | None = None,
    on_event: Callable[..., None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Send a recording, with its onsets as markers where known; return when it is delivered.

    Chunks of `chunk_ms` of wall time go out when their last sample is due; a late one takes along
    all that is due by then, and nothing is skipped. `wait_s` is how long to wait for a first
    receiver (0: do not wait), so that the beginning is not lost. `loop` plays again and again, time
    stamps going on. `on_event(event, **values)` gets the events listed above, `on_progress(sent,
    total)` a call per chunk.

    Raises ConfigError on an impossible speed, chunk or recording, StreamError when nobody came to
    listen.
    """
    if not (speed > 0 and math.isfinite(speed) and chunk_ms > 0 and math.isfinite(chunk_ms)):
        raise ConfigError(f"speed {speed}, chunk {chunk_ms} ms: both must be above 0")
    total = len(recording.emg_uv)
    if total == 0:
        raise ConfigError(f"{recording.name} has no samples: nothing to play")
    stop = stop or threading.Event()
    tell = on_event or (lambda *_, **__: None)
    name = name or recording.name
    source_id = source_id or unique_source_id(name)
    rate_hz = recording.fs_hz
    outlet = EmgOutlet(
        name=name, source_id=source_id, rate_hz=rate_hz, labels=recording.labels, model="player"
    )
    markers = _Markers(recording, name, source_id) if recording.onsets_s else None
    tell(
        "ready",
        name=name,
        source_id=source_id,
        rate_hz=rate_hz,
        channels=len(recording.labels),
        samples=total,
        speed=speed,
    )
    _wait(outlet, wait_s, stop)

    start_ns = time.monotonic_ns()
    delivery = SampleClock(rate_hz * speed, start_ns)
    recorded = SampleClock(rate_hz, start_ns)
    tell("started", lsl_start=start_ns / NS_PER_S)
    chunk = max(1, round(rate_hz * speed * chunk_ms / 1000))
    sent = 0
    while loop or sent < total:
        through = sent + chunk if loop else min(sent + chunk, total)
        if not sleep_until(delivery.time_ns(through - 1), stop):
            break
        due = max(through, delivery.due(time.monotonic_ns()))
        due = due if loop else min(due, total)
        rows = recording.emg_uv.take(np.arange(sent, due), axis=0, mode="wrap")
        outlet.push(rows, recorded.stamps_s(sent, due))
        if markers:
            markers.push_before(due, recorded)
        sent = due
        if on_progress:
            on_progress(sent, total)
    tell("ended", samples=sent)
    sleep_until(time.monotonic_ns() + _LINGER_NS, stop)


class _Markers:
    """The true onsets and offsets of a recording, sent with the samples they belong to."""

    def __init__(self, recording: Recording, name: str, source_id: str) -> None:
        self._outlet = MarkerOutlet(
            name=f"{name}-truth", source_id=f"{source_id}-truth", model="player"
        )
        self._length = len(recording.emg_uv)
        marks = []
        for number, (onset_s, offset_s) in enumerate(recording.onsets_s, 1):
            marks.append((round(onset_s * recording.fs_hz), f"onset {number}"))
            marks.append((round(offset_s * recording.fs_hz), f"offset {number}"))
        self._marks = sorted(marks)
        self._next = 0  # counts on through repetitions

    def push_before(self, stop: int, clock: SampleClock) -> None:
        """Send the markers of the samples before number `stop` that have not been sent."""
        while True:
            repeat, at = divmod(self._next, len(self._marks))
            sample, text = self._marks[at]
            # An offset may be the end of the recording itself: mark its last sample.
            sample = repeat * self._length + min(sample, self._length - 1)
            if sample >= stop:
                return
            self._outlet.push(text, float(clock.stamps_s(sample, sample + 1)[0]))
            self._next += 1


def _wait(outlet: EmgOutlet, wait_s: float, stop: threading.Event) -> None:
    give_up_s = time.monotonic() + wait_s
    while wait_s > 0 and not stop.is_set() and not outlet.wait_for_consumers(_WAIT_S):
        if time.monotonic() >= give_up_s:
            raise StreamError(
                f"nobody listened to the stream within {wait_s:g} s: start the receiver, "
                "or wait longer"
            )


def main(argv: list[str] | None = None) -> int:
    """Process entry; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m nmesd.sim.player", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("file", type=Path, help="XDF, CSV or NPZ")
    add("--speed", type=float, default=1.0)
    add("--chunk-ms", type=float, default=4.0, help="chunks of this much wall time")
    add("--name", help="name of the LSL stream, default the recording's; markers: NAME-truth")
    add("--source-id", help="default: unique")
    add("--loop", action="store_true", help="again and again")
    add(
        "--wait",
        type=float,
        default=math.inf,
        help="seconds to wait for a receiver; 0: do not wait",
    )
    add("--fs-hz", type=float, help="sampling rate of a CSV file that does not say it")
    options = parser.parse_args(argv)
    try_priority(SOURCE_PRIORITY)
    stop = stop_on_signals()
    try:
        play(
            read_recording(options.file, fs_hz=options.fs_hz),
            speed=options.speed,
            chunk_ms=options.chunk_ms,
            name=options.name,
            source_id=options.source_id,
            loop=options.loop,
            wait_s=options.wait,
            stop=stop,
            on_event=emit,
        )
    except NmesdError as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
