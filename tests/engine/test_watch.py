"""The stream watch: sound streams of any kind never trip it, each fault is found and named."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.engine.watch import (
    BACKLOG_NS,
    DRIFT,
    OVERFLOW_NS,
    STALE_MAX_NS,
    Finding,
    StreamWatch,
    stale_after_ns,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS, NS_PER_S

LEASE_NS = 20 * NS_PER_MS
BOOT_NS = 50_000 * NS_PER_S  # our clock when the stream begins
RATE_HZ, CHUNK = 2000, 20  # 10 ms


class Source:
    """A sender and the way from it to us. Times are nanoseconds since the stream's first sample.

    `drift`: how much longer a sample really is than the sender says. `stretch`: the same, of which
    the sender's stamps tell.
    """

    def __init__(
        self,
        rate_hz: float = RATE_HZ,
        *,
        offset_ns: int = 123_456_789_000,
        speed: int = 1,
        lease_ns: int = LEASE_NS,
        drift: float = 0.0,
        stretch: float = 0.0,
    ) -> None:
        self.watch = StreamWatch(round(rate_hz * 1000), lease_ns, speed)
        self.stamp_step_ns = NS_PER_S / rate_hz * (1 + stretch)
        self.real_step_ns = NS_PER_S / rate_hz * (1 + stretch) * (1 + drift) / speed
        self.offset_ns = offset_ns
        self.sample = 0
        self.arrival_ns = BOOT_NS

    def skip(self, samples: int) -> None:
        """These never arrive."""
        self.sample += samples

    def chunk(
        self, samples: int = CHUNK, *, late_ns: int = 0, stamps_ns: int = 0
    ) -> Finding | None:
        """The next chunk; it arrives when its last sample is taken, and so much later."""
        index = np.arange(self.sample, self.sample + samples)
        self.sample += samples
        stamps = (index * self.stamp_step_ns).astype(np.int64) + self.offset_ns + stamps_ns
        taken_ns = BOOT_NS + int(self.sample * self.real_step_ns)
        self.arrival_ns = max(self.arrival_ns, taken_ns + late_ns)
        return self.watch.chunk(stamps, self.arrival_ns)

    def run(self, seconds: float, samples: int = CHUNK) -> Finding | None:
        """Regular chunks, until something is found."""
        end = BOOT_NS + seconds * NS_PER_S + (self.arrival_ns - BOOT_NS)
        while self.arrival_ns < end:
            finding = self.chunk(samples)
            if finding is not None:
                return finding
        return None

    def since_start_s(self) -> float:
        return (self.arrival_ns - BOOT_NS) / NS_PER_S


def found(finding: Finding | None, reason: Reason) -> Finding:
    assert finding is not None
    assert finding.reason is reason, finding
    assert abs(finding.value - finding.limit) > 0
    return finding


# ---- sound streams ----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_sound_stream_is_never_found_at_fault(data: st.DataObject) -> None:
    rate_hz = data.draw(st.sampled_from([250.0, 2148.148, 10_000.0]) | st.floats(250, 10_000))
    lease_ns = data.draw(st.integers(10, 100)) * NS_PER_MS
    speed = data.draw(st.sampled_from([1, 1, 10]))
    source = Source(
        rate_hz,
        offset_ns=data.draw(st.integers(-(2**61), 2**61)),
        lease_ns=lease_ns,
        speed=speed,
        drift=data.draw(st.floats(-DRIFT / 2, DRIFT / 2)),
    )
    # A chunk and its jitter together stay under what counts as stale.
    stale_ns = stale_after_ns(lease_ns)
    most_ns = min(stale_ns, STALE_MAX_NS // 2)
    longest = max(1, int(0.6 * most_ns * speed * rate_hz / NS_PER_S))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    fixed = data.draw(st.none() | st.integers(1, longest))
    jitter_ns = int(most_ns - longest * NS_PER_S / rate_hz / speed)
    before_ns = 0
    while source.since_start_s() < 5 / speed:
        samples = fixed or int(rng.integers(1, longest + 1))
        late_ns = int(rng.integers(0, max(1, jitter_ns)))
        assert source.chunk(samples, late_ns=late_ns) is None
        if before_ns:
            assert source.arrival_ns - before_ns <= stale_ns + NS_PER_MS
            quiet_ns = min(source.arrival_ns, before_ns + stale_ns)
            assert source.watch.silence(quiet_ns) is None
        before_ns = source.arrival_ns


@settings(max_examples=30, deadline=None)
@given(st.floats(250, 10_000), st.integers(0, 9_000_000), st.integers(0, 2**32))
def test_stamps_that_jitter_by_less_than_the_slack_are_sound(
    rate_hz: float, jitter_ns: int, seed: int
) -> None:
    source, rng = Source(rate_hz), np.random.default_rng(seed)
    samples = max(1, int(rate_hz / 100))
    while source.since_start_s() < 3:
        assert source.chunk(samples, stamps_ns=int(rng.integers(0, jitter_ns + 1))) is None


@pytest.mark.parametrize("drift", [-DRIFT / 2, DRIFT / 2])
def test_clocks_that_drift_apart_for_minutes_are_sound(drift: float) -> None:
    source = Source(250, lease_ns=60 * NS_PER_MS, drift=drift)
    assert source.run(1200, 5) is None
    shift_ns = source.since_start_s() * NS_PER_S * abs(drift)
    assert shift_ns > 2 * BACKLOG_NS


# ---- each fault -------------------------------------------------------------------------------


@pytest.mark.parametrize("lease_ms", [10, 20, 60, 100])
def test_silence_is_stale_before_the_lease_is_over(lease_ms: int) -> None:
    source = Source(lease_ns=lease_ms * NS_PER_MS)
    assert source.watch.silence(BOOT_NS) is None  # nothing came yet
    source.chunk(4)
    source.chunk(4)
    limit_ns = min(50, 0.75 * lease_ms) * NS_PER_MS
    assert source.watch.stale_ns == limit_ns
    assert limit_ns < lease_ms * NS_PER_MS
    last_ns = source.arrival_ns
    assert source.watch.silence(last_ns + int(limit_ns)) is None
    late = source.watch.silence(last_ns + int(limit_ns) + 1)
    assert late == (Reason.EMG_STALE, limit_ns + 1, limit_ns)


@pytest.mark.parametrize("rate_hz", [250, 1000, 2148.148, 10_000])
@pytest.mark.parametrize("speed", [1, 10])
def test_one_missing_chunk_is_a_gap(rate_hz: float, speed: int) -> None:
    source = Source(rate_hz, speed=speed)
    chunk = -(-int(rate_hz * 12) // 1000)  # 12 ms and a bit: over the slack of stamps
    assert source.run(0.5, chunk) is None
    source.skip(chunk)
    gap = found(source.chunk(chunk), Reason.EMG_GAP)
    assert gap.value == pytest.approx((chunk + 1) * NS_PER_S / rate_hz, abs=2)
    assert gap.limit == pytest.approx(10 * NS_PER_MS + NS_PER_S / rate_hz, abs=2)


def test_a_gap_within_a_chunk_is_found() -> None:
    source = Source()
    source.run(0.1)
    stamps = (np.arange(CHUNK) * 500_000 + source.offset_ns).astype(np.int64)
    stamps += int(source.sample * source.stamp_step_ns)
    stamps[CHUNK // 2 :] += 11 * NS_PER_MS
    found(source.watch.chunk(stamps, source.arrival_ns + 10 * NS_PER_MS), Reason.EMG_GAP)


@pytest.mark.parametrize(
    ("step_ns", "is_gap"),
    [(11_000_000, False), (11_000_001, True), (-10_000_000, False), (-10_000_001, True)],
)
@pytest.mark.parametrize("within", [False, True])
def test_how_far_stamps_may_jump(step_ns: int, *, is_gap: bool, within: bool) -> None:
    source = Source(1000, offset_ns=10**12)
    source.chunk(1)
    stamps_ns = [10**12 + NS_PER_MS] if within else []
    stamps_ns.append((stamps_ns or [10**12])[-1] + step_ns)
    finding = source.watch.chunk(np.array(stamps_ns), source.arrival_ns + NS_PER_MS)
    assert finding == ((Reason.EMG_GAP, step_ns, 11_000_000) if is_gap else None)


@pytest.mark.parametrize("back_ms", [11, 1000])
def test_stamps_that_go_backwards_are_a_gap(back_ms: int) -> None:
    source = Source()
    source.run(0.1)
    gap = found(source.chunk(stamps_ns=-back_ms * NS_PER_MS), Reason.EMG_GAP)
    assert gap.value == -back_ms * NS_PER_MS + source.watch.period_ns


def test_a_sender_s_clock_that_leaps_is_a_gap() -> None:
    for leap_ns in (-NS_PER_S, NS_PER_S):
        source = Source()
        source.run(0.1)
        found(source.chunk(stamps_ns=leap_ns), Reason.EMG_GAP)


@pytest.mark.parametrize("speed", [1, 10])
def test_emg_that_waited_on_its_way_is_a_backlog(speed: int) -> None:
    source = Source(speed=speed, lease_ns=100 * NS_PER_MS)
    chunk = CHUNK * speed
    source.run(1.0 / speed, chunk)
    assert source.chunk(chunk, late_ns=BACKLOG_NS - NS_PER_MS) is None
    source = Source(speed=speed, lease_ns=100 * NS_PER_MS)
    source.run(1.0 / speed, chunk)
    late = found(source.chunk(chunk, late_ns=BACKLOG_NS + NS_PER_MS), Reason.EMG_BACKLOG)
    assert late.value == pytest.approx(BACKLOG_NS + NS_PER_MS, abs=0.5 * NS_PER_MS)
    assert late.limit == BACKLOG_NS


@pytest.mark.parametrize("speed", [1, 10])
def test_as_much_as_the_inlet_holds_is_an_overflow(speed: int) -> None:
    most = OVERFLOW_NS * RATE_HZ * speed // NS_PER_S
    assert found(Source(speed=speed).chunk(most + 1), Reason.EMG_OVERFLOW) == (
        Reason.EMG_OVERFLOW,
        most + 1,
        most,
    )
    assert Source(speed=speed).chunk(most) is None
    source = Source(speed=speed)
    source.run(0.2)
    found(source.chunk(most + 1), Reason.EMG_OVERFLOW)


@pytest.mark.parametrize("speed", [1, 10])
@pytest.mark.parametrize("stretch", [-0.02, 0.02])
def test_a_rate_that_is_off_by_2_percent_is_found_within_3_s(stretch: float, speed: int) -> None:
    source = Source(speed=speed, stretch=stretch)
    rate = found(source.run(10, CHUNK * speed), Reason.EMG_RATE)
    assert source.since_start_s() < 3 / speed
    assert rate.limit == RATE_HZ * 1000
    assert rate.value == pytest.approx(RATE_HZ * 1000 / (1 + stretch), rel=1e-3)


@pytest.mark.parametrize("stretch", [-0.005, 0.005])
def test_a_rate_that_is_off_by_half_a_percent_is_let_be(stretch: float) -> None:
    assert Source(stretch=stretch).run(6) is None


def test_delivery_that_lags_more_and_more_behind_nominal_stamps_is_found_within_3_s() -> None:
    source = Source(drift=0.02)
    found(source.run(10), Reason.EMG_BACKLOG)
    assert source.since_start_s() < 3


def test_stamps_that_stand_still_are_found_within_a_second() -> None:
    source = Source()
    source.run(0.5)
    stamp_ns = source.offset_ns + int(source.sample * source.stamp_step_ns)
    stamps = np.full(CHUNK, stamp_ns, np.int64)
    arrivals_ns = [source.arrival_ns + n * 10 * NS_PER_MS for n in range(1, 100)]
    findings = [source.watch.chunk(stamps, arrival_ns) for arrival_ns in arrivals_ns]
    found(next(filter(None, findings), None), Reason.EMG_BACKLOG)


@pytest.mark.parametrize(("lease_ms", "chunk_ms", "limit_ms"), [(100, 30, 25), (20, 16, 15)])
def test_chunks_too_long_for_the_lease_are_found_within_a_second(
    lease_ms: int, chunk_ms: int, limit_ms: int
) -> None:
    source = Source(lease_ns=lease_ms * NS_PER_MS)
    samples = RATE_HZ * chunk_ms // 1000
    found_ = found(source.run(3, samples), Reason.EMG_CHUNK_TOO_LONG)
    assert source.since_start_s() < 1
    assert found_.limit == limit_ms * NS_PER_MS
    assert found_.limit < found_.value <= chunk_ms * NS_PER_MS


FAULTS: list[Callable[[Source], Finding | None]] = [
    lambda source: source.chunk(stamps_ns=NS_PER_S),
    lambda source: source.chunk(late_ns=NS_PER_S),
    lambda source: source.chunk(RATE_HZ),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_restart_it_forgets(fault: Callable[[Source], Finding | None]) -> None:
    source = Source()
    source.run(0.5)
    assert fault(source) is not None
    source.watch.restart()
    assert source.watch.silence(source.arrival_ns + NS_PER_S) is None
    source.skip(RATE_HZ)
    source.offset_ns += 10**15
    assert source.run(3) is None
