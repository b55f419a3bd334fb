"""What the engine tells the daemon: journal, raw EMG, snapshots. Never waits; what cannot be sent is counted.

EMG and steps are gathered for some milliseconds; an entry of the journal goes as soon as the lease is sent.
"""

from __future__ import annotations

import json
import time

import numpy as np
import numpy.typing as npt

from nmesd.core.journal import Entry, to_ints
from nmesd.engine.steps import Steps
from nmesd.errors import Reason
from nmesd.wire import (
    MAX_FRAME,
    NOTE_ARGS,
    ActReply,
    Capabilities,
    Found,
    Frame,
    Gatherer,
    Link,
    Note,
    Opened,
    Raw,
    Snapshot,
    Timing,
)


class Teller:
    """Frames for the daemon."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._gathered = Gatherer(link)
        self._last_found = b""
        self.steps = Steps()

    def note(self, hop: int, entry: Entry) -> None:
        """One entry of the journal."""
        code, args = to_ints(entry)
        padded = args + (0,) * (NOTE_ARGS - len(args))
        stamp_ns = self.steps.stamp_ns(hop)
        note = Note(hop, args[0], stamp_ns, code, len(args), padded)
        self._gathered.add(note, time.monotonic_ns(), urgent=True)

    def raw(
        self,
        epoch: int,
        first_sample: int,
        samples: npt.NDArray[np.float32],
        stamps_ns: npt.NDArray[np.int64],
        arrival_ns: int,
    ) -> None:
        """EMG as received (n, channels), cut into frames that fit."""
        channels = samples.shape[1]
        piece = (MAX_FRAME - 128) // (8 + 4 * channels)
        for start in range(0, len(samples), piece):
            part, stamps = samples[start : start + piece], stamps_ns[start : start + piece]
            payload = stamps.tobytes() + part.tobytes()
            raw = Raw(epoch, first_sample + start, len(part), channels, arrival_ns, payload)
            self._gathered.add(raw, arrival_ns)

    def hops(self) -> None:
        """What the steps of this turn came to."""
        now_ns = time.monotonic_ns()
        for frame in self.steps.frames():
            self._gathered.add(frame, now_ns)

    def opened(self, xml: str) -> None:
        """What the stream that was opened says of itself; of one that says too much, what is most needed."""
        if len(xml.encode()) > MAX_FRAME - 128:
            xml = xml[: xml.index("<desc")] + "</info>"
        self._send(Opened(xml.encode()))

    def found(self, reason: Reason, lines: tuple[str, ...]) -> None:
        """What the search for the stream came to, when that changes."""
        text = json.dumps([int(reason), *lines]).encode()[: MAX_FRAME - 128]
        if text != self._last_found:
            self._last_found = text
            self._send(Found(reason, json.dumps(lines).encode()))

    def timing(self, frame: Timing) -> None:
        """How long a stage took, here or in the guard."""
        self._send(frame)

    def device(self, device: Capabilities) -> None:
        """What the guard's stimulator is, and can be told."""
        self._send(device)

    def reply(
        self, request: int, reason: Reason = Reason.NONE, value: int = 0, limit: int = 0
    ) -> None:
        """What became of an act."""
        self._send(ActReply(request, reason, value, limit))

    def snapshot(self, snapshot: Snapshot) -> None:
        """State for people."""
        self._send(snapshot)

    def turned(self, now_ns: int) -> None:
        """A turn is over: what is urgent, or has waited long enough, goes."""
        self._gathered.flush_if_due(now_ns)

    def flush(self) -> None:
        """Nothing is held back any longer."""
        self._gathered.flush()

    def _send(self, frame: Frame) -> None:
        """At once, after what was gathered before it."""
        self._gathered.flush()
        self._link.send(frame)
