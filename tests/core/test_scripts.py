"""Scripted sessions, number by number, against the ones kept; and that all of it is integers."""

import difflib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from nmesd.core.journal import to_ints
from nmesd.core.machine import step
from nmesd.core.state import State
from nmesd.core.values import Command, Refused
from tests.core.scripts import SCRIPTS, events, text
from tests.core.situations import EVENTS, SITUATIONS, S

GOLDEN = Path(__file__).parents[1] / "golden" / "core.txt"


def test_they_go_as_they_went() -> None:
    difference = list(
        difflib.unified_diff(
            GOLDEN.read_text().splitlines(), text().splitlines(), "golden", "now", n=1
        )
    )
    assert not difference, "\n".join(difference[:30])


def whole(value: Any) -> bool:
    """Integers, truth values, and tuples of them, or nothing."""
    if isinstance(value, tuple):
        return all(map(whole, value))
    return value is None or isinstance(value, int)


def sound(state: State, commands: tuple[Command, ...]) -> None:
    for command in commands:
        assert None not in command
        assert whole(command), command
        assert to_ints(command)
    assert whole(tuple(state))
    assert None not in state._replace(train=(), trip=())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCRIPTS)
def test_everything_in_a_session_is_a_whole_number(name: str) -> None:
    state = State()
    for event in events(SCRIPTS[name]):
        before = state
        state, commands = step(state, event, SCRIPTS[name].settings)
        sound(state, commands)
        if any(not isinstance(command, Refused) for command in commands) or state != before:
            assert state.t_ns == event.t_ns


@pytest.mark.parametrize("situation", SITUATIONS)
def test_everything_in_a_step_is_a_whole_number(situation: str) -> None:
    for state, event in product([SITUATIONS[situation]], EVENTS.values()):
        sound(*step(state, event, S))
