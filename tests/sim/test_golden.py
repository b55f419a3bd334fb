"""Each shipped programme as it went: a change of behaviour is a visible difference in tests/golden.

`make test` runs the beginning of each, `make long` all to the end.
"""

import difflib
from pathlib import Path

import pytest

from nmesd.core.values import Mode, ModeChanged, TrialDone
from nmesd.sessions.replay import replay
from nmesd.sim.rehearsal import Session
from tests.sim.golden import GOLDEN, NAMES, begun, ended, events, recorded, told

BEGINNING_S = 150.0  # of sample time: some trials of each


def difference(golden: list[str], now: list[str]) -> str:
    lines = list(difflib.unified_diff(golden, now, "golden", "now", n=1))
    return "\n".join(lines[:40])


def again_in_its_replay(name: str, done: Session, folder: Path) -> None:
    again = replay(recorded(name, done, folder))
    assert again.diverged is None
    assert again.entries == len(done.noted) > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_session_begins_as_it_did_and_again_in_its_replay(name: str, tmp_path: Path) -> None:
    done = begun(name, BEGINNING_S)
    now = events(done)
    golden = (GOLDEN / f"{name}.txt").read_text().splitlines()
    assert len(now) > 3
    assert not (different := difference(golden[: len(now)], now)), different
    again_in_its_replay(name, done, tmp_path / "session")


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", NAMES)
def test_a_session_goes_as_it_went_and_again_in_its_replay(name: str, tmp_path: Path) -> None:
    done = ended(name)
    assert not done.tripped
    last = [entry for entry in done.entries if isinstance(entry, ModeChanged)][-1]
    assert (last.after, last.why.name) == (Mode.DISARMED, "SESSION_OVER")
    trials = [entry for entry in done.entries if isinstance(entry, TrialDone)]
    assert sum(trial.pulses for trial in trials) == done.loop.decider.state.dose.pulses
    golden = (GOLDEN / f"{name}.txt").read_text()
    different = difference(golden.splitlines(), told(done).splitlines())
    assert not different, different
    again_in_its_replay(name, done, tmp_path / "session")


def test_each_golden_session_is_of_a_programme() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {*NAMES, "core"}
