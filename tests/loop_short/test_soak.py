"""The soak's excuse for a trip: what the witness must have seen, and how often it would have by chance."""

from nmesd.sim.stalls import BEFORE_NS, STOOD_MS, by_chance, stood_ms
from nmesd.sim.witness import Stall
from nmesd.units import NS_PER_MS


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
