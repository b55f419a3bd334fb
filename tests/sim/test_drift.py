"""A strength that changes threefold in a session: the staircase keeps the success rate, a fixed threshold not."""

import pytest

from bench.drift import MINUTES, TARGET, THREEFOLD_DB, TRIALS, session_of


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("drift_db", [THREEFOLD_DB, -THREEFOLD_DB], ids=["grows", "tires"])
def test_the_staircase_keeps_the_success_rate_and_a_fixed_threshold_does_not(
    drift_db: float,
) -> None:
    follows, stays = (session_of(drift_db, adapts=adapts) for adapts in (True, False))
    assert follows.trials == stays.trials == TRIALS
    assert follows.minutes == pytest.approx(MINUTES, rel=0.25)
    assert abs(follows.success_percent - TARGET) <= 10
    assert abs(stays.success_percent - TARGET) > 10
