"""The threshold that follows success and misses."""

from nmesd.core.machine import step
from nmesd.core.staircase import moved
from nmesd.core.values import (
    Command,
    OnMiss,
    ThresholdChanged,
    Trial,
    Why,
)
from nmesd.units import NS_PER_MS
from tests.core.sessions import dones, quiet, session, tries
from tests.core.situations import PROGRAMME, S, hop, with_programme

STAIRS = {"target_permille": 700, "step_permille": 200}


def thresholds(seen: list[tuple[int, Command]]) -> list[tuple[int, int, Why]]:
    return [(c.before_nv, c.after_nv, c.why) for _, c in seen if isinstance(c, ThresholdChanged)]


def test_the_threshold_rises_with_success_and_falls_with_misses() -> None:
    state, seen = session(with_programme(**STAIRS), tries((1300, 1400)), 9000)
    assert thresholds(seen) == [
        (20_000, 21_200, Why.SUCCESS),  # + 20 % of 30 %
        (21_200, 18_596, Why.MISS),  # - 20 % of 70 %
    ]
    assert state.on_nv == (18_596,)


def test_the_threshold_has_its_bounds() -> None:
    low = S.muscles[0]._replace(floor_nv=19_000)
    _, seen = session(with_programme(**STAIRS)._replace(muscles=(low,)), quiet, 6100)
    assert thresholds(seen) == [(20_000, 19_000, Why.MISS)]
    high = S.muscles[0]._replace(ceiling_nv=20_500)
    _, seen = session(with_programme(**STAIRS)._replace(muscles=(high,)), tries((1300, 1400)), 2200)
    assert thresholds(seen) == [(20_000, 20_500, Why.SUCCESS)]


def test_an_assisted_trial_counts_as_missed() -> None:
    programme = with_programme(on_miss=OnMiss.ASSIST, **STAIRS)
    _, seen = session(programme, quiet, 6900)
    assert [why for *_, why in thresholds(seen)] == [Why.MISS]


def test_disturbed_trials_and_catch_trials_move_nothing() -> None:
    programme = with_programme(**STAIRS)
    state, _ = session(programme, quiet, 1200)
    state, _ = step(state, hop(1201 * NS_PER_MS, 0, 32), programme)
    for t_ms in range(1202, 6100):
        state, told = step(state, hop(t_ms * NS_PER_MS, 0), programme)
        assert not any(isinstance(c, ThresholdChanged) for c in told)
    _, seen = session(with_programme(schedule=(Trial.NO_GO,), **STAIRS), quiet, 6100)
    assert dones(seen)
    assert not thresholds(seen)


def test_whose_success_it_was_moves_and_a_miss_moves_all() -> None:
    flexor = S.muscles[0]._replace(emg=1, antagonist=-1)
    two = with_programme(**STAIRS)._replace(muscles=(S.muscles[0], flexor))
    _, seen = session(two, tries((1300, 1400)), 9000)
    moved = [(c.muscle, c.why) for _, c in seen if isinstance(c, ThresholdChanged)]
    assert moved == [(0, Why.SUCCESS), (0, Why.MISS), (1, Why.MISS)]


def test_without_a_target_the_threshold_stays() -> None:
    assert PROGRAMME.target_permille == 0
    _, seen = session(S, tries((1300, 1400)), 9000)
    assert len(dones(seen)) == 2
    assert not thresholds(seen)


def test_the_staircase_is_exact_in_integers() -> None:
    (extensor,) = S.muscles
    wide = extensor._replace(floor_nv=1, ceiling_nv=10**9)
    moving = S.programme._replace(target_permille=750, step_permille=100)
    assert moved(123_456_789, wide, moving, success=True) == 123_456_789 + 3_086_419
    assert moved(123_456_789, wide, moving, success=False) == 114_843_524  # 123456789 / 1.075
    assert moved(10**9, wide, moving, success=True) == 10**9
    assert moved(1, wide, moving, success=False) == 1
