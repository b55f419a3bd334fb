"""What the stages came to: all of it in the status, each minute of it in the record, none of it twice."""

from typing import Any

import pytest

from nmesd.daemon.timing import KEEP_NS, Timings
from nmesd.units import NS_PER_US
from nmesd.wire import Histogram, Stage, Stages, Timing


def second(stage: Stage, *us: int) -> Timing:
    stages = Stages(stage)
    for one in us:
        stages.met(stage, one * NS_PER_US)
    (frame,) = stages.due(1)
    return frame


def test_seconds_add_up_and_an_engine_begins_anew() -> None:
    kept: list[dict[str, Any]] = []
    timings = Timings(kept.append)
    timings.hear(second(Stage.GUARD, 1, 2))
    timings.hear(second(Stage.FILTER, 50))
    timings.hear(second(Stage.GUARD, 900))
    figures = timings.figures()
    assert list(figures) == ["filter", "guard"]  # in the order of the way, not of coming
    assert figures["guard"]["count"] == 3
    assert figures["guard"]["p50_us"] == pytest.approx(2, rel=1 / 32)
    assert figures["guard"]["max_us"] == 900
    assert kept == []
    timings.begin()
    assert timings.figures() == {}
    assert [list(stages) for stages in kept] == [["filter", "guard"]]
    timings.flush()
    assert len(kept) == 1  # nothing happened since


def test_the_record_has_each_minute_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = [0]
    monkeypatch.setattr("time.monotonic_ns", lambda: now_ns[0])
    kept: list[dict[str, Any]] = []
    timings = Timings(kept.append)
    for _ in range(3):
        timings.hear(second(Stage.GUARD, 10))
        now_ns[0] += KEEP_NS
        timings.hear(second(Stage.GUARD, 30))
    both = [Histogram.of(one["guard"]["pairs"], one["guard"]["max_ns"]) for one in kept]
    assert [one.count for one in both] == [2, 2, 2]
    assert timings.figures()["guard"]["count"] == 6
    timings.flush()
    assert len(kept) == 3
