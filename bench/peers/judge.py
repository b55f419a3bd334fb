"""From time stamps to figures: when each chunk was decided on, and what was never decided on. Pure.

A receiver that falls behind takes several chunks with one decision. Its figure for the newest of them looks good,
and the others are nowhere: so every chunk that was sent is looked for, and counts from its own stamp to the first
decision that covers it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

SLACK_NS: Final = 1_000  # time stamps go over the wire as seconds in float64, and are rounded twice
QUANTILES: Final = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999}


class Decisions(NamedTuple):
    """Of one receiver, in order; nanoseconds."""

    sample_ns: Times  # time stamp of the newest sample that was decided on
    decided_ns: Times
    received_ns: Times  # by the guard, or who stands in its place
    session: Times  # of different sessions nobody decided in between

    @classmethod
    def of(cls, rows: bytes) -> Decisions:
        """As a sink saves them."""
        table = np.frombuffer(rows, dtype=np.int64).reshape(-1, 4)
        return cls(*(column.copy() for column in table.T))


class Met(NamedTuple):
    """What became of the chunks that were sent."""

    own: NDArray[np.bool_]  # (decided chunks,): it was the newest of its decision
    decided_ns: Times  # (decided chunks,) from time stamp to decision
    received_ns: Times  # (decided chunks,) from time stamp to receipt
    missing: int  # chunks that nobody decided on


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


def joined(parts: list[Met]) -> Met:
    """Several slices as one."""
    own, decided_ns, received_ns = (
        np.concatenate([part[n] for part in parts]) for n in range(3)
    )  # fmt: skip
    return Met(own, decided_ns, received_ns, sum(part.missing for part in parts))


def figures(ns: Times) -> dict[str, Any]:
    """Count, quantiles and the longest, in microseconds. A quantile is a figure that was measured."""
    if not len(ns):
        return {"count": 0}
    ordered = np.sort(ns)
    rank = {name: min(len(ns), int(np.ceil(q * len(ns)))) - 1 for name, q in QUANTILES.items()}
    told = {name: float(ordered[at]) / 1000 for name, at in rank.items()}
    return {"count": len(ns), **told, "max_us": float(ordered[-1]) / 1000}


def told(met: Met) -> dict[str, Any]:
    """All figures of a receiver under one condition.

    newest: of decisions, from their newest chunk, as a guard's histograms have it; every: of all chunks.
    """
    return {
        "chunks": len(met.own) + met.missing,
        "missing": met.missing,
        "with_another": int((~met.own).sum()),
        "received": figures(met.received_ns[met.own]),
        "decided": figures(met.decided_ns[met.own]),
        "received_every": figures(met.received_ns),
        "decided_every": figures(met.decided_ns),
    }
