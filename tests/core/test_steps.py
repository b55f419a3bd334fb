"""STEPS: an operator gives one train after the other, each at most a step over the highest so far."""

import pytest

from nmesd.core.machine import step
from nmesd.core.state import State
from nmesd.core.values import (
    Arm,
    Command,
    Give,
    Hop,
    Kind,
    Mode,
    ModeChanged,
    Outcome,
    Refused,
    SetOutput,
    Trial,
    TrialDone,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS
from tests.core.situations import EXTENSOR, S, with_programme

ONE = EXTENSOR._replace(outputs=EXTENSOR.outputs[:1])
SETTINGS = with_programme(
    kind=Kind.STEPS, step_ua=1000, rest_ns=500 * NS_PER_MS, warm_up_trials=9, warm_up_from_permille=100,
    schedule=(Trial.SHAM,),
)._replace(muscles=(ONE, ONE))  # fmt: skip


class Run:
    """A session whose clock ticks."""

    def __init__(self) -> None:
        self.told: list[Command] = []
        self.state, _ = step(State(), Arm(0, 7, 0), SETTINGS)

    def ticks(self, ms: int) -> None:
        for _ in range(ms):
            hop = Hop(self.state.t_ns + NS_PER_MS, (), (), 0)
            self.state, commands = step(self.state, hop, SETTINGS)
            self.told += commands

    def give(self, ua: int, muscle: int = 0) -> tuple[Command, ...]:
        self.state, commands = step(self.state, Give(self.state.t_ns, 7, muscle, ua), SETTINGS)
        return commands


def test_a_train_is_given_as_asked_whatever_warm_up_and_schedule_say() -> None:
    run = Run()
    run.ticks(2000)
    assert run.told == []  # nothing comes by itself
    commands = run.give(1000)
    assert [type(command) for command in commands] == [SetOutput, ModeChanged]
    assert run.state.mode is Mode.STIMULATING
    assert all(c.why is Why.OPERATOR for c in commands if isinstance(c, ModeChanged))
    run.ticks(800)
    amplitudes = [c.amplitude_ua for c in (*commands, *run.told) if isinstance(c, SetOutput)]
    assert max(amplitudes) == 1000
    (done,) = [c for c in run.told if isinstance(c, TrialDone)]
    assert (done.outcome, done.muscle, done.latency_ns) == (Outcome.GIVEN, 0, -1)


def test_it_climbs_by_steps_from_zero_and_falls_as_it_likes() -> None:
    run = Run()
    for ua, given in (
        (1001, False),
        (1000, True),
        (2001, False),
        (2000, True),
        (500, True),
        (3000, True),
    ):
        run.ticks(1500)
        commands = run.give(ua)
        if given:
            assert run.state.mode is Mode.STIMULATING
        else:
            most = run.state.highest_ua[0] + 1000
            assert commands == (Refused(run.state.t_ns, Reason.LIMIT_AMPLITUDE, ua, most),)
    assert run.state.highest_ua == (3000, 0)


@pytest.mark.parametrize(("ua", "muscle"), [(0, 0), (-1, 0), (1, 2), (1, -1)])
def test_nothing_and_nobody_are_refused(ua: int, muscle: int) -> None:
    run = Run()
    run.ticks(1500)
    (refused,) = run.give(ua, muscle)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.LIMIT_AMPLITUDE


def test_each_muscle_climbs_on_its_own() -> None:
    run = Run()
    run.ticks(1500)
    run.give(1000, 1)
    assert run.state.highest_ua == (0, 1000)
    assert run.state.muscle == 1


def test_the_rest_is_kept_to_the_nanosecond() -> None:
    run = Run()
    run.ticks(499)
    assert run.give(1000) == (
        Refused(499 * NS_PER_MS, Reason.LIMIT_REST, 499 * NS_PER_MS, 500 * NS_PER_MS),
    )
    run.ticks(1)
    run.give(1000)
    assert run.state.mode is Mode.STIMULATING
    assert run.give(1000) == ()  # one at a time


def test_other_kinds_take_no_trains_from_anybody() -> None:
    state, _ = step(State(), Arm(0, 7, 0), S)
    later = 2 * NS_PER_MS
    assert step(state, Give(later, 7, 0, 1), S) == (state, ())
