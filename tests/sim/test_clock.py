import threading
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmesd.sim.clock import SampleClock, sleep_until

CLOCKS = st.builds(
    SampleClock,
    rate_hz=st.sampled_from([250.0, 1000.0, 2148.148, 4000.0]),
    anchor_ns=st.integers(0, 10**15),
    anchor_index=st.integers(0, 10**6),
)


@given(CLOCKS, st.integers(0, 10**8))
def test_index_and_time_agree(clock: SampleClock, index: int) -> None:
    t_ns = clock.time_ns(index)
    assert clock.index_at(t_ns) == index
    assert clock.index_at(t_ns + 1) == index + 1
    assert clock.due(t_ns) == index + 1
    assert clock.due(t_ns - 1) == index


@given(CLOCKS, st.integers(0, 10**6))
def test_stamps_are_the_times_in_seconds(clock: SampleClock, first: int) -> None:
    stamps_s = clock.stamps_s(first, first + 3)
    times_s = [clock.time_ns(index) / 1e9 for index in range(first, first + 3)]
    assert np.abs(stamps_s - times_s).max() < 1e-6


def test_another_rate_changes_the_future_only() -> None:
    clock = SampleClock(1000.0, 5_000_000_000)
    slow = clock.at_rate(500.0, 100)
    assert slow.time_ns(100) == clock.time_ns(100)
    assert slow.time_ns(101) == clock.time_ns(102)


def test_sleeping_ends_at_the_time_or_when_stopped() -> None:
    stop = threading.Event()
    deadline_ns = time.monotonic_ns() + 20_000_000
    assert sleep_until(deadline_ns, stop)
    assert time.monotonic_ns() >= deadline_ns
    stop.set()
    assert not sleep_until(time.monotonic_ns() + 10**12, stop)
