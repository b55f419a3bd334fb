"""From time stamps to figures: when each chunk was decided on, and what was never decided on. Pure.

A receiver that falls behind takes several chunks with one decision. Its figure for the newest of them looks good,
and the others are nowhere: so every chunk that was sent is looked for, and counts from its own stamp to the first
decision that covers it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmesd.units import NS_PER_S, NS_PER_US
from nmesd.wire import Histogram

Times = NDArray[np.int64]

SLACK_NS: Final = 1_000  # time stamps go over the wire as seconds in float64, and are rounded twice


class Decisions(NamedTuple):
    """Of one receiver, in order; nanoseconds."""

    sample_ns: Times  # time stamp of the newest sample that was decided on
    decided_ns: Times
    received_ns: Times  # by the guard, or who stands in its place
    session: Times  # of different sessions nobody decided in between

    @classmethod
    def of_guard(cls, rows: bytes) -> Decisions:
        """As `tapped_guard` saves them."""
        return cls(*np.frombuffer(rows, dtype=np.int64).reshape(-1, 4).T)

    @classmethod
    def of_receiver(cls, rows: bytes) -> Decisions:
        """As `Taken` and `floor.c` save them; it is the same process, or the one that was told, that decides."""
        stamps_s, us = np.frombuffer(rows).reshape(-1, 2).T
        sample_ns = np.rint(stamps_s * NS_PER_S).astype(np.int64)
        received_ns = sample_ns + np.rint(us * NS_PER_US).astype(np.int64)
        return cls(sample_ns, received_ns, received_ns, np.zeros_like(sample_ns))

    def within(self, from_ns: int, to_ns: int) -> Decisions:
        """Those on samples of that time."""
        inside = (self.sample_ns >= from_ns) & (self.sample_ns < to_ns)
        return Decisions(*(column[inside] for column in self))


class Met(NamedTuple):
    """What became of the chunks that were sent."""

    own: NDArray[np.bool_]  # (decided chunks,): it was the newest of its decision
    decided_ns: Times  # (decided chunks,) from time stamp to decision
    received_ns: Times  # (decided chunks,) from time stamp to receipt
    missing: int  # chunks that nobody decided on

    @property
    def together(self) -> int:
        """Chunks that came with a newer one, and have no figure of their own."""
        return int((~self.own).sum())


def meet(sent_ns: Times, made: Decisions) -> Met:
    """Each chunk with the first decision that covers it. sent_ns: time stamps of chunks, in order."""
    at = np.searchsorted(made.sample_ns, sent_ns - SLACK_NS)
    found = at < len(made.sample_ns)
    sent_ns, at = sent_ns[found], at[found]
    own = made.sample_ns[at] <= sent_ns + SLACK_NS
    first = np.diff(made.session, prepend=made.session[:1]) != 0  # of its session
    covered = own | ~first[at]
    missing = len(found) - int(covered.sum())
    sent_ns, at = sent_ns[covered], at[covered]
    return Met(own[covered], made.decided_ns[at] - sent_ns, made.received_ns[at] - sent_ns, missing)


def histogram(ns: Times) -> Histogram:
    """As the tables take it."""
    made = Histogram()
    for one in ns.tolist():
        made.add(one)
    return made
