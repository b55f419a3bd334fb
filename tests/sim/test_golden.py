"""Each shipped programme, run to its end: a change of behaviour is a visible difference in tests/golden."""

import difflib

import pytest

from nmesd.core.values import Mode, ModeChanged, TrialDone
from tests.sim.golden import GOLDEN, NAMES, session, told


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", NAMES)
def test_a_session_goes_as_it_went(name: str) -> None:
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


def test_each_golden_session_is_of_a_programme() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {*NAMES, "core"}
