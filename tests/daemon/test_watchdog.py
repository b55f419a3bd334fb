"""systemd's watchdog is fed by an engine that works, and by nothing else."""

from pathlib import Path

import pytest

from nmesd.core.values import ARMED_MODES, Mode
from nmesd.daemon import process
from nmesd.daemon.process import Daemon
from nmesd.wire import Snapshot
from tests.daemon.three import write

SHOT = Snapshot(*[0] * len(Snapshot._fields))


class Counted:
    def __init__(self) -> None:
        self.beats = 0

    def beat(self, _: int) -> None:
        self.beats += 1


@pytest.fixture
def fed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Daemon, Counted]:
    counted = Counted()
    monkeypatch.setattr(process, "Beacon", lambda: counted)
    return Daemon(write(tmp_path), None), counted


@pytest.mark.parametrize("mode", sorted(ARMED_MODES))
def test_armed_it_is_fed_by_completed_steps_alone(mode: Mode, fed: tuple[Daemon, Counted]) -> None:
    daemon, counted = fed
    for hop, beats in ((5, 1), (5, 1), (5, 1), (6, 2), (6, 2)):
        daemon._hear(SHOT._replace(mode=mode, hop=hop))
        assert counted.beats == beats


@pytest.mark.parametrize("mode", [Mode.DISARMED, Mode.TRIPPED])
def test_else_an_engine_that_speaks_is_enough(mode: Mode, fed: tuple[Daemon, Counted]) -> None:
    """There may be no stream, and so no step: that is no reason to restart anything."""
    daemon, counted = fed
    for _ in range(3):
        daemon._hear(SHOT._replace(mode=mode))
    assert counted.beats == 3
    daemon._engine_changed("engine ended", 1)
    assert counted.beats == 3
