"""The load: what this unit has not is named, and all of it ends."""

import time
from pathlib import Path

import pytest

from nmesd.certificate import load as loading
from nmesd.certificate.bench import densest_ms
from nmesd.sim.rig import Rig
from nmesd.sim.stalls import BEFORE_NS
from nmesd.sim.witness import Stall

MS = 1_000_000


class NoMonitor(Rig):
    """A rig that is not there: without uvicorn nobody asks it for its page."""

    def __init__(self) -> None:
        """Starts nothing."""


def test_what_is_missing_is_named_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    monkeypatch.setattr(loading, "found", lambda: None)
    with loading.broker(wanted=True) as mqtt:
        assert mqtt == {}
        with loading.load(NoMonitor(), tmp_path, mqtt) as said:
            time.sleep(0.5)
    assert "MQTT: not part of this load: no mosquitto on this unit" in said
    assert "monitor: not part of this load: nmesd[monitor] is not installed" in said
    assert any(line.startswith("disk: ") for line in said)
    assert any(line.startswith("core ") for line in said)
    assert list(tmp_path.iterdir()) == []


def test_no_broker_where_none_is_wanted() -> None:
    with loading.broker(wanted=False) as mqtt:
        assert mqtt == {}


def test_the_densest_is_of_one_core_within_the_window() -> None:
    window_ms = BEFORE_NS // MS
    stalls = [
        Stall(cpu, from_ms * MS, (from_ms + long_ms) * MS)
        for cpu, from_ms, long_ms in (
            (0, 0, 2), (0, window_ms - 1, 3), (0, window_ms + 1, 4), (1, window_ms, 6),
        )
    ]  # fmt: skip
    assert densest_ms(stalls) == 7  # of core 0, from the second on
    assert densest_ms(stalls[:1]) == 2
    assert densest_ms([]) == 0
