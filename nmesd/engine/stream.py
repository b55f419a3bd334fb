"""The engine's ear: search, open, watch, and again from the start when the stream is lost.

The search goes on while a stream is open: a second one that fits may be the one that should have been taken.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pylsl

from nmesd.engine.inlet import Inlet, Search
from nmesd.engine.matching import Match, StreamFacts, describe, match, rivals
from nmesd.engine.settings import StreamSpec
from nmesd.engine.watch import Finding, StreamWatch
from nmesd.errors import Reason, StreamError
from nmesd.units import NS_PER_MS, NS_PER_S

SEARCH_NS = 100 * NS_PER_MS
# How long a stream must be the only one that fits: liblsl asks by multicast, and half a second later by unicast,
# and of two senders one may answer the first question and one the second.
ALONE_NS = NS_PER_S
LOOK_NS = 500 * NS_PER_MS  # how often liblsl's resolver asks around
GIVE_UP_NS = 5 * NS_PER_S  # a stream silent for so long is let go and searched anew


class Heard(NamedTuple):
    """What came of listening once. `finding` is what is wrong; `samples` may be empty."""

    samples: npt.NDArray[np.float32]
    stamps_ns: npt.NDArray[np.int64]
    finding: Finding | None
    lost: bool  # the stream is no longer open


class Stream:
    """One EMG stream, or the search for it."""

    def __init__(self, spec: StreamSpec, lease_ns: int) -> None:
        self.spec = spec
        self._watch = StreamWatch(spec.rate_mhz, lease_ns, spec.speed)
        self._search, self._search_anew = Search(), False
        self._inlet: Inlet | None = None
        self._next_search_ns = self._next_look_ns = 0
        self._last_sample_ns = 0
        self._seen_before = False
        self._candidate = ""  # uid of the stream that fits, and since when it is alone
        self._alone_since_ns = 0
        self._nothing = (np.empty((0, len(self.spec.labels)), np.float32), np.empty(0, np.int64))

    @property
    def open(self) -> bool:
        """True while a stream is open."""
        return self._inlet is not None

    @property
    def host(self) -> str:
        """Host of the open stream."""
        return self._inlet.facts.host if self._inlet else ""

    @property
    def xml(self) -> str:
        """What the open stream says of itself, as LSL's XML."""
        return self._inlet.xml if self._inlet else ""

    def search(self, now_ns: int) -> tuple[Reason, tuple[str, ...]] | None:
        """Look for the stream now and then, and open it: (NONE, ...) when it opened, None if not due."""
        sought = self.seek(now_ns)
        if sought is None:
            return None
        chosen, results = sought
        if chosen.stream is None:
            return chosen.reason, chosen.found
        if now_ns - self._alone_since_ns < ALONE_NS:
            return None
        info = next(info for facts, info in results if facts == chosen.stream)
        try:
            self._inlet = Inlet(info, self.spec)
        except StreamError as error:
            reason = Reason.EMG_STREAM_CHANGED if self._seen_before else Reason.EMG_MISMATCH
            return reason, (f"{chosen.stream.name!r} on {chosen.stream.host!r}: {error}",)
        self._seen_before = True
        self._last_sample_ns = now_ns
        self.restart()
        return Reason.NONE, chosen.found

    def seek(self, now_ns: int) -> tuple[Match, list[tuple[StreamFacts, pylsl.StreamInfo]]] | None:
        """What fits, if it is due, of what is there; how long it has been the only one counts from here."""
        if now_ns < self._next_search_ns:
            return None
        self._next_search_ns = now_ns + SEARCH_NS
        if self._search_anew:  # the old one would remember the stream that went
            self._search, self._search_anew = Search(), False
        results = self._search.results()
        chosen = match(self.spec, [facts for facts, _ in results], seen_before=self._seen_before)
        uid = "" if chosen.stream is None else chosen.stream.uid
        if uid != self._candidate:
            self._candidate, self._alone_since_ns = uid, now_ns
        return chosen, results

    def look(self, now_ns: int) -> tuple[int, tuple[str, ...]] | None:
        """(how many others fit beside the open stream, what is there in words); None if not due.

        Costs 0.2 ms with 4 streams about (p99 0.3): call it when the lease is sent.
        """
        if self._inlet is None or now_ns < self._next_look_ns:
            return None
        self._next_look_ns = now_ns + LOOK_NS
        streams = [facts for facts, _ in self._search.results()]
        others = rivals(self.spec, streams, self._inlet.facts.uid)
        return len(others), describe(self.spec, streams)

    def listen(self, timeout_s: float) -> tuple[Heard, int]:
        """Pull what is there, waiting at most `timeout_s` for a first sample. Also gives the time it arrived."""
        if self._inlet is None:
            return Heard(*self._nothing, None, lost=True), time.monotonic_ns()
        try:
            samples, stamps_ns = self._inlet.pull(timeout_s)
        except StreamError:
            return self._let_go(), time.monotonic_ns()
        arrival_ns = time.monotonic_ns()
        if len(samples):
            self._last_sample_ns = arrival_ns
            return Heard(
                samples, stamps_ns, self._watch.chunk(stamps_ns, arrival_ns), lost=False
            ), arrival_ns
        if arrival_ns - self._last_sample_ns > GIVE_UP_NS:
            return self._let_go(), arrival_ns
        return Heard(*self._nothing, self._watch.silence(arrival_ns), lost=False), arrival_ns

    def _let_go(self) -> Heard:
        self._inlet = None
        self._search_anew = True
        return Heard(*self._nothing, Finding(Reason.EMG_STREAM_GONE, 0, 0), lost=True)

    def restart(self) -> None:
        """The sample stream starts afresh."""
        self._watch.restart()

    def flush(self) -> None:
        """Drop what waits, and start afresh."""
        if self._inlet is not None:
            self._inlet.flush()
        self.restart()
