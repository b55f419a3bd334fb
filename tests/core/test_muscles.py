"""More than one muscle: whose turn, whose train, who holds back."""

from nmesd.core.machine import step
from nmesd.core.state import State
from nmesd.core.values import (
    Arm,
    Hop,
    Mode,
    ModeChanged,
    SetOutput,
    Vetoed,
)
from nmesd.units import NS_PER_MS
from tests.core.sessions import quiet, session, tries
from tests.core.situations import OFF_NV, ON_NV, VETO_NV, S


def test_the_antagonist_vetoes_and_is_told_of_once() -> None:
    state, seen = session(S, tries((1300, 1500)), 1600, other_nv=VETO_NV)
    assert state.mode is Mode.READY
    assert [c for _, c in seen if isinstance(c, Vetoed)] == [
        Vetoed(1300 * NS_PER_MS, 0, VETO_NV, VETO_NV)
    ]


def test_each_muscle_has_its_own_train() -> None:
    extensor, other = S.muscles[0]._replace(antagonist=-1), S.muscles[0]
    flexor = other._replace(
        emg=1, antagonist=-1, on_nv=30_000, outputs=(other.outputs[0]._replace(channel=5),)
    )
    two = S._replace(muscles=(extensor, flexor))
    state, _ = step(State(), Arm(0, 1, 0), two)
    for t_ms in range(1, 1300):
        state, _ = step(state, Hop(t_ms * NS_PER_MS, (0, 0), (False, False), 0), two)
    state, told = step(state, Hop(1300 * NS_PER_MS, (0, 30_000), (False, True), 0), two)
    assert [(c.channel, c.amplitude_ua) for c in told if isinstance(c, SetOutput)] == [(5, 2000)]
    change = told[-1]
    assert isinstance(change, ModeChanged)
    assert (change.value, change.limit) == (30_000, 30_000)
    both = Hop(1300 * NS_PER_MS, (30_000, 30_000), (True, True), 0)
    ready = state._replace(mode=Mode.READY, train=None, t_ns=1299 * NS_PER_MS)
    _, told = step(ready, both, two)
    assert {c.channel for c in told if isinstance(c, SetOutput)} == {2, 3}  # the first of them


def test_one_tense_muscle_closes_the_gate() -> None:
    flexor = S.muscles[0]._replace(emg=1, antagonist=-1)
    two = S._replace(muscles=(S.muscles[0], flexor))
    state, _ = step(State(), Arm(0, 1, 0), two)
    for t_ms in range(1, 5000):
        state, _ = step(state, Hop(t_ms * NS_PER_MS, (0, OFF_NV), (False, False), 0), two)
    assert state.mode is Mode.REST


# ---- the session --------------------------------------------------------------------------------------


def both(attempt: tuple[bool, bool], envelope_nv: tuple[int, int], t_ms: int) -> Hop:
    return Hop(t_ms * NS_PER_MS, envelope_nv, attempt, 0)


def test_what_is_left_of_a_held_back_attempt_is_no_new_one() -> None:
    state, _ = session(S, quiet, 1200)
    for t_ms, attempt, other_nv in (
        (1201, True, VETO_NV),  # both at once
        (1202, True, 0),  # the antagonist lets go, the muscle not yet
        (1203, True, 0),
    ):
        state, _ = step(state, both((attempt, False), (ON_NV, other_nv), t_ms), S)
        assert state.mode is Mode.READY
    state, _ = step(state, both((False, False), (0, 0), 1204), S)
    state, _ = step(state, both((True, False), (ON_NV, 0), 1205), S)
    assert state.mode is Mode.STIMULATING


def test_the_first_column_may_be_an_antagonist_too() -> None:
    (extensor,) = S.muscles
    settings = S._replace(muscles=(extensor._replace(emg=1, antagonist=0),))
    for other_nv, mode in ((VETO_NV, Mode.READY), (VETO_NV - 1, Mode.STIMULATING)):
        state, _ = session(settings, quiet, 1200)
        state, _ = step(state, both((False, True), (other_nv, ON_NV), 1201), settings)
        assert state.mode is mode
