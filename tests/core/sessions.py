"""Sessions of the core, a hop a millisecond, and what was told in them."""

from collections.abc import Callable

from nmesd.core.machine import step
from nmesd.core.state import State
from nmesd.core.values import (
    Arm,
    Command,
    CoreSettings,
    Mode,
    ModeChanged,
    TrialDone,
    Why,
)
from nmesd.units import NS_PER_MS
from tests.core.situations import ON_NV, hop

Emg = Callable[[int], tuple[int, bool]]


def quiet(_: int) -> tuple[int, bool]:
    return 0, False


def tries(*from_to_ms: tuple[int, int]) -> Emg:
    """Relaxed but for these times."""

    def emg(t_ms: int) -> tuple[int, bool]:
        trying = any(a <= t_ms < b for a, b in from_to_ms)
        return (ON_NV if trying else 0), trying

    return emg


def session(
    settings: CoreSettings, emg: Emg, last_ms: int, *, flags: int = 0, other_nv: int = 0
) -> tuple[State, list[tuple[int, Command]]]:
    """Armed at 0, hops of a millisecond."""
    state, told = step(State(), Arm(0, 1, 0), settings)
    seen = [(0, command) for command in told]
    for t_ms in range(1, last_ms + 1):
        envelope_nv, attempt = emg(t_ms)
        event = hop(t_ms * NS_PER_MS, envelope_nv, flags, attempt=attempt, other_nv=other_nv)
        state, told = step(state, event, settings)
        seen += [(t_ms, command) for command in told]
    return state, seen


def of(kind: type[Command], seen: list[tuple[int, Command]]) -> list[tuple[int, Command]]:
    return [(t_ms, command) for t_ms, command in seen if isinstance(command, kind)]


def modes(seen: list[tuple[int, Command]]) -> list[tuple[int, Mode, Why]]:
    return [(t, c.after, c.why) for t, c in seen if isinstance(c, ModeChanged)]


def dones(seen: list[tuple[int, Command]]) -> list[TrialDone]:
    return [c for _, c in seen if isinstance(c, TrialDone)]
