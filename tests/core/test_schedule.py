"""Catch trials: as many as asked in every set, in an order that cannot be guessed but told again."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.core.schedule import MOST_IN_A_ROW, balanced
from nmesd.core.values import Trial

percents = st.integers(0, 40)


@given(st.integers(1, 60), st.integers(1, 5), percents, percents, st.integers(0, 99))
def test_every_set_has_its_share_and_no_long_run(
    trials: int, sets: int, no_go: int, sham: int, seed: int
) -> None:
    wanted = [round(trials * no_go / 100), round(trials * sham / 100)]
    if not any(wanted):
        assert balanced(trials, sets, no_go, sham, seed) == ()
        return
    go = trials - sum(wanted)
    if go < 1 or sum(wanted) > MOST_IN_A_ROW * go:
        with pytest.raises(ValueError, match="at least a third must be go"):
            balanced(trials, sets, no_go, sham, seed)
        return
    order = balanced(trials, sets, no_go, sham, seed)
    assert len(order) == trials * sets
    for first in range(0, len(order), trials):
        part = order[first : first + trials]
        assert [part.count(Trial.NO_GO), part.count(Trial.SHAM)] == wanted
        assert part[0] is Trial.GO
        runs = [len(list(run)) for go, run in groupby(part, lambda t: t is Trial.GO) if not go]
        assert max(runs, default=0) <= MOST_IN_A_ROW
    assert balanced(trials, sets, no_go, sham, seed) == order


def test_seeds_and_sets_differ_and_every_place_is_taken_alike() -> None:
    orders = [balanced(20, 2, 20, 0, seed) for seed in range(2000)]
    assert len(set(orders)) > 1500
    assert sum(order[:20] != order[20:] for order in orders) > 1900
    at = [sum(order[place] is Trial.NO_GO for order in orders) for place in range(20)]
    assert at[0] == 0
    assert max(at[1:]) < 2 * min(at[2:])  # 4 of 19 places each: about 420


@pytest.mark.parametrize(("no_go", "sham"), [(60, 40), (60, 20), (0, 100)])
def test_too_many_are_refused(no_go: int, sham: int) -> None:
    with pytest.raises(ValueError, match="at least a third must be go"):
        balanced(10, 1, no_go, sham, 1)


def test_the_least_that_must_be_go() -> None:
    assert len(balanced(3, 1, 66, 0, 1)) == 3  # two of three, beside one
    assert len(balanced(9, 1, 66, 0, 1)) == 9  # six of nine, beside three: just so many
    assert balanced(250, 1, 1, 0, 1).count(Trial.NO_GO) == 2  # 2.5, rounded to even
    assert balanced(150, 1, 1, 0, 1).count(Trial.NO_GO) == 2
