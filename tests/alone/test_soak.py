"""The soak's arithmetic: its excuse for a trip, what is growth and what is not, latency piece by piece."""

import math
import os
import subprocess
from typing import Any

import pytest

from bench.soaking.memory import MOST_KB, Memory, Sample, growth
from bench.soaking.pieces import counted
from bench.soaking.report import failures
from bench.soaking.run import Soak, piece_of
from nmesd.sim.stalls import BEFORE_NS, STOOD_MS, by_chance, stood_ms
from nmesd.sim.witness import Stall
from nmesd.units import NS_PER_MS
from nmesd.wire import Histogram


def stall(cpu: int, from_ms: float, long_ms: float) -> Stall:
    return Stall(cpu, int(from_ms * NS_PER_MS), int((from_ms + long_ms) * NS_PER_MS))


def test_slices_count_together_on_one_core_and_not_on_two() -> None:
    assert stood_ms([]) == 0.0
    assert stood_ms([stall(0, 10, 2), stall(0, 20, 1.5), stall(1, 30, 2)]) == 3.5
    assert stood_ms([stall(0, 10, 2), stall(1, 10, 2)]) == 2.0 < STOOD_MS


def test_by_chance_is_the_share_of_windows_with_an_excuse() -> None:
    window_ms = BEFORE_NS // NS_PER_MS
    stalls = [
        stall(0, 10, 2),
        stall(0, 20, 1.5),  # with the one before: an excuse
        stall(1, window_ms + 5, 2.5),  # none
        stall(0, 4 * window_ms - 1, 4),  # across two windows: in both
    ]
    assert by_chance(stalls, 0, 10 * BEFORE_NS) == 0.3
    assert by_chance([], 0, 10 * BEFORE_NS) == 0.0


# ---- memory ---------------------------------------------------------------------------------------

HOUR_S = 3600
PIECE_S = 600.0


def series(kb_h: float, wave_kb: float = 0.0, first_kb: float = 50_000.0) -> list[Sample]:
    """Two hours, a sample every ten seconds: a slope, a slow wave over it, and a start that allocates."""
    made = []
    for at_s in range(0, 2 * HOUR_S, 10):
        starting_kb = -5000 * max(0, 60 - at_s) / 60
        kb = first_kb + starting_kb + kb_h * at_s / HOUR_S + wave_kb * math.sin(at_s / 40)
        made.append(Sample(float(at_s), round(kb), round(kb)))
    return made


def test_a_leak_is_found_by_its_slope_and_by_its_ends() -> None:
    found = growth(series(700, wave_kb=200), PIECE_S, PIECE_S)
    assert found is not None
    assert found.slope_kb_h == pytest.approx(700, rel=0.05)
    # 110 minutes less a piece lie between the middles of the first and the last.
    assert found.hours == pytest.approx(100 / 60, rel=0.01)
    assert found.last_kb - found.first_kb == pytest.approx(700 * 100 / 60, rel=0.1)
    assert found.kb > MOST_KB


@pytest.mark.parametrize("wave_kb", [0.0, 400.0])
def test_what_only_wavers_and_starts_does_not_grow(wave_kb: float) -> None:
    found = growth(series(0, wave_kb), PIECE_S, PIECE_S)
    assert found is not None
    assert abs(found.last_kb - found.first_kb) < 0.1 * MOST_KB
    assert found.kb < 0.2 * MOST_KB


def test_a_step_near_the_end_counts_by_the_ends() -> None:
    samples = [
        one._replace(rss_kb=one.rss_kb + (1500 if one.at_s > 6500 else 0)) for one in series(0)
    ]
    found = growth(samples, PIECE_S, PIECE_S)
    assert found is not None
    assert found.kb == pytest.approx(1500)


def test_what_is_too_short_says_nothing() -> None:
    assert growth([], PIECE_S, PIECE_S) is None
    assert growth(series(700)[:100], PIECE_S, PIECE_S) is None


def test_a_process_that_was_started_anew_begins_again() -> None:
    memory = Memory()
    with subprocess.Popen(["sleep", "60"]) as other:
        memory.sample({"one": os.getpid(), "two": other.pid}, 0.0)
        memory.sample({"one": other.pid, "two": other.pid}, 10.0)
        other.kill()
    memory.sample({"one": other.pid, "two": other.pid}, 20.0)
    assert memory.restarts == {"one": 1}
    assert {name: [s.at_s for s in of] for name, of in memory.samples.items()} == {
        "one": [10.0],
        "two": [0.0, 10.0],
    }
    assert all(0 < s.pss_kb <= s.rss_kb for of in memory.samples.values() for s in of)


# ---- latency --------------------------------------------------------------------------------------


def stages(*times_ns: int) -> dict[str, Any]:
    met = Histogram()
    for ns in times_ns:
        met.add(ns)
    return {"sample_to_guard": {"max_ns": met.max_ns, "pairs": met.pairs()}}


def test_a_piece_is_what_was_counted_in_it() -> None:
    before = [200_000] * 1000 + [90_000_000]
    inside = [400_000] * 98 + [3_000_000] * 2
    took = counted(stages(*before), stages(*before, *inside))
    assert took.count == 100
    assert took.quantile_ns(0.5) == pytest.approx(400_000, rel=0.04)
    assert took.quantile_ns(0.99) == pytest.approx(3_000_000, rel=0.04)
    assert took.quantile_ns(1.0) < 4_000_000  # the longest of before is none of this


def test_an_engine_that_began_anew_counts_from_zero() -> None:
    took = counted(stages(*[200_000] * 1000), stages(*[400_000] * 10))
    assert took.count == 10
    assert counted({}, {}).count == 0
    assert counted({}, stages(5)).quantile_ns(0.5) == 5


# ---- the verdict ----------------------------------------------------------------------------------


def soak(kb_h: float, minutes: float = 120.0) -> Soak:
    done = Soak(minutes, trains=1, piece_s=piece_of(minutes))
    found = growth(series(kb_h), PIECE_S, PIECE_S)
    assert found is not None
    done.growth = {"engine": found}
    return done


def test_it_fails_for_growth_a_trip_without_a_stall_and_a_process_that_ended() -> None:
    assert failures(soak(0)) == []
    grown = f"the engine grew by {soak(700).growth['engine'].kb:.0f} kB, allowed are 1000"
    assert failures(soak(700)) == [grown]
    assert failures(soak(700, minutes=39)) == []  # too short to judge
    tripped = soak(0)
    tripped.trips = [{"reason": "LEASE_EXPIRED", "stood_ms": ms} for ms in (STOOD_MS, 0.0)]
    assert failures(tripped) == ["1 trips without a stall of the machine"]
    ended = soak(0)
    ended.restarts = {"engine": 1}
    assert failures(ended) == ["the engine ended, and was started anew"]
    assert failures(Soak(120.0, piece_s=PIECE_S)) == ["no train was given"]
