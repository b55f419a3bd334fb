"""The arithmetics of `make peers`: what a delivery says of the chunks that were sent, and what it hides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.peers.judge import Decisions, Times, histogram, meet

MS = 1_000_000
SENT = np.arange(1, 11, dtype=np.int64) * MS  # ten chunks, a millisecond each


def decisions(samples_ms: list[float], late_ms: list[float], sessions: list[int]) -> Decisions:
    sample_ns = np.array([round(ms * MS) for ms in samples_ms], dtype=np.int64)
    late_ns = np.array([round(ms * MS) for ms in late_ms], dtype=np.int64)
    return Decisions(
        sample_ns, sample_ns + late_ns, sample_ns + 2 * late_ns, np.array(sessions, dtype=np.int64)
    )


def ms_of(ns: Times) -> list[float]:
    return [one / MS for one in ns.tolist()]


def test_a_decision_for_every_chunk_hides_nothing() -> None:
    met = meet(SENT, decisions(list(range(1, 11)), [0.25] * 10, [1] * 10))
    assert (met.together, met.missing) == (0, 0)
    assert ms_of(met.decided_ns) == [0.25] * 10
    assert ms_of(met.received_ns) == [0.5] * 10


def test_chunks_that_share_a_decision_waited_since_they_were_sent() -> None:
    made = decisions([1, 2, 3, 4, 8, 9, 10], [0.5] * 7, [1] * 7)
    met = meet(SENT, made)
    assert (met.together, met.missing) == (3, 0)
    assert ms_of(met.decided_ns) == [0.5, 0.5, 0.5, 0.5, 3.5, 2.5, 1.5, 0.5, 0.5, 0.5]


def test_half_a_chunk_is_no_chunk() -> None:
    whole = decisions(list(range(1, 11)), [0.5] * 10, [1] * 10)
    halved = decisions([1, 1.5, *range(2, 11)], [0.5, 0.1, *[0.5] * 9], [1] * 11)
    expected, met = meet(SENT, whole), meet(SENT, halved)
    assert met.together == expected.together == 0
    assert np.array_equal(met.received_ns, expected.received_ns)


def test_what_nobody_decided_on_is_missing() -> None:
    met = meet(SENT, decisions([1, 2, 3], [0.5] * 3, [1] * 3))
    assert (met.together, met.missing, len(met.own)) == (0, 7, 3)


def test_while_disarmed_nobody_decides() -> None:
    """The first lease of a new session covers its own chunk, and none of those since the trip."""
    met = meet(SENT, decisions([1, 2, 3, 8, 9, 10], [0.5] * 6, [1, 1, 1, 2, 2, 2]))
    assert (met.together, met.missing) == (0, 4)
    assert ms_of(met.decided_ns) == [0.5] * 6


@given(st.sets(st.integers(1, 10)), st.integers(1, 5_000_000))
def test_every_chunk_is_counted_once_and_none_waits_less_than_its_decision(
    ends: set[int], late_ns: int
) -> None:
    made = decisions(sorted(ends), [late_ns / MS] * len(ends), [1] * len(ends))
    met = meet(SENT, made)
    assert len(met.own) + met.missing == len(SENT)
    assert int(met.own.sum()) == len(ends)
    assert (met.decided_ns >= late_ns).all()
    assert (met.decided_ns[met.own] == late_ns).all()


def test_stamps_that_were_rounded_on_the_wire_are_the_same_stamps() -> None:
    stamps_s = SENT / 1e9
    rows = np.stack([stamps_s, np.full(len(SENT), 250.0)], axis=1)
    met = meet(SENT + 1, Decisions.of_receiver(rows.tobytes()))
    assert (met.together, met.missing) == (0, 0)
    assert ms_of(met.received_ns) == pytest.approx([0.25] * 10, abs=1e-4)


def test_rows_of_the_guard_come_back_as_they_were_saved() -> None:
    rows = np.array([[MS, 2 * MS, 3 * MS, 7], [4 * MS, 5 * MS, 6 * MS, 7]], dtype=np.int64)
    made = Decisions.of_guard(rows.tobytes())
    assert made.sample_ns.tolist() == [MS, 4 * MS]
    assert made.received_ns.tolist() == [3 * MS, 6 * MS]
    assert made.within(2 * MS, 9 * MS).sample_ns.tolist() == [4 * MS]


def test_a_histogram_counts_what_it_was_given() -> None:
    made = histogram(np.array([100, 200, 300], dtype=np.int64))
    assert (made.count, made.max_ns) == (3, 300)
