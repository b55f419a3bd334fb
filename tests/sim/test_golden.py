"""Each shipped programme, run to its end: a change of behaviour is a visible difference in tests/golden."""

import difflib
from pathlib import Path

import pytest

from nmesd.core.values import Mode, ModeChanged, TrialDone
from nmesd.sessions.replay import replay
from tests.sim.golden import GOLDEN, NAMES, recorded, session, told


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", NAMES)
def test_a_session_goes_as_it_went_and_again_in_its_replay(name: str, tmp_path: Path) -> None:
    done = session(name)
    assert not done.tripped
    last = [entry for entry in done.entries if isinstance(entry, ModeChanged)][-1]
    assert (last.after, last.why.name) == (Mode.DISARMED, "SESSION_OVER")
    trials = [entry for entry in done.entries if isinstance(entry, TrialDone)]
    assert sum(trial.pulses for trial in trials) == done.loop.decider.state.dose.pulses
    golden = (GOLDEN / f"{name}.txt").read_text()
    difference = list(
        difflib.unified_diff(golden.splitlines(), told(done).splitlines(), "golden", "now", n=1)
    )
    assert not difference, "\n".join(difference[:40])
    again = replay(recorded(name, done, tmp_path / "session"))
    assert again.diverged is None
    assert again.entries == len(done.noted) > 100


def test_each_golden_session_is_of_a_programme() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {*NAMES, "core"}
