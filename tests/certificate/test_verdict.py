"""Held or not: each figure against the lease, one at a time."""

from typing import Any

import pytest

from nmesd.certificate.verdict import judge
from tests.certificate.made_up import certificate, histogram, trip, unjudged

LEASE_MS = 20.0


def zero(**changed: Any) -> dict[str, Any]:
    return {"zero": {**unjudged()["zero"], **changed}}


def way(*us: int, most_us: int = 0) -> dict[str, Any]:
    return {"histograms": {"sample_to_guard": histogram(*us, most_us=most_us)}}


def test_what_holds_has_nothing_to_be_said() -> None:
    verdict = judge(unjudged(), LEASE_MS)
    assert (verdict.reasons, verdict.notes) == ([], [])
    assert verdict.word == "held"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"trips": [trip()]}, "LEASE_EXPIRED: the engine was late"),
        ({"trips": [trip("LIMIT_RATE")]}, "LIMIT_RATE"),
        ({"trips": [trip(), trip(), trip(explained=True)]}, "LEASE_EXPIRED: 2 times, first: the engine"),
        (zero(frozen_ms=[19.0, 25.1]), "frozen in mid-train: zero after 25.1 ms, limit 25 ms"),
        (zero(killed_ms=[30.0]), "killed in mid-train: zero after 30.0 ms"),
        (zero(frozen_ms=[19.0]), "frozen in mid-train: 1 times no zero was seen"),
        (zero(frozen_ms=[], tries={"frozen": 0, "killed": 1}), "frozen in mid-train: 0 times"),
        (zero(pulses_after=1), "1 pulses came after the output had been commanded to zero"),
        (way(10_001), "99.9 % within 10"),
        (way(900, most_us=20_000), "20.00 ms at most, must be under the lease of 20 ms"),
        ({"detection": {"attempts": 9, "missed": 9, "false": 0}}, "none of 9 attempts"),
        ({"stages": {}, "counts": {}}, "nothing was measured"),
    ],
)  # fmt: skip
def test_each_figure_can_fail_it(changed: dict[str, Any], says: str) -> None:
    verdict = judge(unjudged(**changed), LEASE_MS)
    assert verdict.word == "not held"
    assert any(says in reason for reason in verdict.reasons), verdict


@pytest.mark.parametrize(
    "changed",
    [zero(frozen_ms=[25.0, 25.0]), way(9_500), way(900, most_us=19_999), zero(pulses_after=None)],
)
def test_at_its_limit_it_holds(changed: dict[str, Any]) -> None:
    assert judge(unjudged(**changed), LEASE_MS).reasons == []


def test_a_trip_of_the_whole_machine_is_told_and_does_not_fail_it() -> None:
    verdict = judge(unjudged(trips=[trip(explained=True)]), LEASE_MS)
    assert verdict.word == "held"
    assert "the whole machine had stood still for 12.0 ms" in verdict.notes[0]


@pytest.mark.parametrize(
    ("stood_ms", "witnessed", "held"), [(6.0, True, True), (4.0, True, False), (6.0, False, False)]
)
def test_the_longest_is_excused_by_as_much_as_the_machine_stood(
    stood_ms: float, witnessed: bool, held: bool
) -> None:
    longest = {"stood_ms": stood_ms, "witnessed": witnessed}
    verdict = judge(unjudged(**way(900, most_us=25_000), longest=longest), LEASE_MS)
    assert (verdict.word == "held") is held
    assert len(verdict.notes) == held


def test_few_leases_are_said_to_be_few() -> None:
    few = unjudged()
    few["counts"]["sample_to_guard"] = 999
    assert "only 999 leases" in judge(few, LEASE_MS).notes[0]


def test_a_part_begins_with_what_scripts_look_for() -> None:
    part = certificate(trips=[trip(), trip(explained=True), trip("LIMIT_RATE")])["loaded"]
    asked = (
        "stages", "lease_misses", "time_to_zero_ms", "cpu_pct", "rss_mb", "verdict",
    )  # fmt: skip
    assert set(asked) <= set(part)
    assert (part["lease_misses"], part["lease_misses_explained"]) == (2, 1)
    assert (part["time_to_zero_ms"], part["cpu_pct"], part["rss_mb"]) == (19.5, 15.0, 60.0)
    assert part["verdict"] == "not held"
    for figures in part["stages"].values():
        assert list(figures) == ["p50_us", "p99_us", "p999_us", "max_us"]
