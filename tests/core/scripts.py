"""Sessions of the core by script, number by number, so that whatever changes is seen.

python -m tests.core.scripts > tests/golden/core.txt      look at the difference before it is committed
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from nmesd.core.flags import MOVEMENT, RAILED
from nmesd.core.machine import step
from nmesd.core.state import State
from nmesd.core.tuning import tuned
from nmesd.core.values import (
    Act,
    Arm,
    CoreSettings,
    Disarm,
    Event,
    Give,
    Hop,
    Kind,
    Muscle,
    OnMiss,
    OutputSettings,
    Pace,
    Pause,
    Programme,
    Release,
    Reset,
    Resume,
    Trial,
    Trip,
    Tune,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS

FROM_MS = 7003  # an arming is seldom at zero
REST, TENSE, TRY, BOTH, SECOND, MOVED, AT_RAIL = range(7)
# Envelopes of two muscles and their antagonists, who attempts, flags.
EMG = {
    REST: ((0, 0, 0), (False,) * 3, 0),
    TENSE: ((10_000, 9_000, 0), (False,) * 3, 0),
    TRY: ((21_000, 0, 14_999), (True, False, False), 0),
    BOTH: ((22_000, 0, 15_000), (True, False, False), 0),
    SECOND: ((0, 31_000, 0), (False, True, False), 0),
    MOVED: ((21_000, 0, 0), (True, False, False), MOVEMENT),
    AT_RAIL: ((0, 0, 0), (False,) * 3, RAILED),
}
FIRST = Muscle(
    emg=0, on_nv=20_000, off_nv=10_000, floor_nv=10_001, ceiling_nv=40_000,
    outputs=(OutputSettings(2, 10_001, 250), OutputSettings(3, 4_999, 301)), antagonist=2, veto_nv=15_000,
)  # fmt: skip
OTHER = Muscle(1, 30_000, 9_500, 9_500, 31_000, (OutputSettings(5, 7_777, 199),), 0, 50_000)
PROGRAMME = Programme(
    kind=Kind.TRIGGERED, period_us=20_000, ramp_up_ns=110 * NS_PER_MS, plateau_ns=77 * NS_PER_MS,
    ramp_down_ns=70 * NS_PER_MS, hold_off_ns=30 * NS_PER_MS, relax_ns=20 * NS_PER_MS, rest_ns=50 * NS_PER_MS,
    timeout_ns=120 * NS_PER_MS, trials=2, sets=2, set_pause_ns=90 * NS_PER_MS, session_ns=60_000 * NS_PER_MS,
    warm_up_trials=3, warm_up_from_permille=333, target_permille=733, step_permille=107,
)  # fmt: skip


class Script(NamedTuple):
    """What happens when, in milliseconds from the arming; EMG goes on until the next."""

    settings: CoreSettings
    emg: tuple[tuple[int, int], ...]
    acts: tuple[tuple[int, Act], ...]
    last_ms: int


def _of(*muscles: Muscle, **programme: object) -> CoreSettings:
    changed = PROGRAMME._replace(**programme)  # type: ignore[arg-type]
    return CoreSettings(1_000_000, 1, muscles or (FIRST,), changed)


def _tries(*at_ms: int, what: int = TRY, ms: int = 30) -> tuple[tuple[int, int], ...]:
    return ((0, REST), *(pair for at in at_ms for pair in ((at, what), (at + ms, REST))))


TWO_INHIBITS = 1 << Reason.EMG_STALE | 1 << Reason.GUARD_GONE
STOP = Trip(0, Reason.OPERATOR_STOP, 5, 6)
SCRIPTS = {
    "triggered, two muscles, sets": Script(
        _of(FIRST, OTHER),
        (*_tries(100), (500, SECOND), (520, REST), (900, BOTH), (940, TRY), (950, REST), (960, TRY), (990, REST),
         (1500, MOVED), (1530, REST)),
        (), 2600,
    ),
    "held, released in plateau and ramp, twice": Script(
        _of(kind=Kind.HOLD, plateau_ns=400 * NS_PER_MS, sets=1, trials=0),
        _tries(100, 700, 1500),
        ((250, Release(0, 7)), (260, Release(0, 7)), (741, Release(0, 7))), 2400,
    ),
    "cyclic, paused and resumed": Script(
        _of(FIRST, OTHER, kind=Kind.CYCLIC), (),
        ((10, Pause(0, 8)), (200, Resume(0, 8)), (300, Pause(0, 8)), (301, Resume(0, 8)), (900, Pause(0, 8)),
         (905, Pause(0, 8)), (990, Resume(0, 8))), 2600,
    ),
    "paused in the pause of a set": Script(
        _of(kind=Kind.CYCLIC, trials=1, sets=2), (), ((390, Pause(0, 8)), (410, Resume(0, 8))), 1200,
    ),
    "catch trials": Script(
        _of(schedule=(Trial.GO, Trial.NO_GO, Trial.SHAM, Trial.NO_GO), trials=3),
        _tries(100, 560, 800), (), 3000,
    ),
    "assisted": Script(
        _of(FIRST, OTHER, on_miss=OnMiss.ASSIST, assist_delay_ns=15 * NS_PER_MS),
        ((0, REST), (165, MOVED), (200, REST)), (), 2400,
    ),
    "encouraged": Script(_of(on_miss=OnMiss.ENCOURAGE, sets=1), ((0, REST),), (), 600),
    "biofeedback": Script(_of(FIRST, OTHER, kind=Kind.BIOFEEDBACK), _tries(100, 300, 500, what=SECOND), (), 1500),
    "relaxation": Script(
        _of(kind=Kind.RELAXATION, on_miss=OnMiss.ENCOURAGE), ((0, TENSE), (110, REST), (150, TENSE)), (), 1200,
    ),
    "steps": Script(
        _of(FIRST._replace(outputs=FIRST.outputs[:1]), OTHER, kind=Kind.STEPS, step_ua=1000, trials=0, sets=1), (),
        ((10, Give(0, 9, 0, 1)), (60, Give(0, 9, 0, 1)), (400, Give(0, 9, 1, 1000)), (800, Give(0, 9, 0, 1002)),
         (801, Give(0, 9, 0, 1001)), (1200, Give(0, 9, 2, 1)), (1201, Disarm(0, 9))), 1300,
    ),
    "stopped in a train, reset, armed again": Script(
        _of(), _tries(100, 700),
        ((200, STOP), (210, Arm(0, 7, 0)), (220, Reset(0, 7)), (230, Arm(0, 7, TWO_INHIBITS)),
         (600, Arm(0, 7, 0))), 1300,
    ),
    "at the rail": Script(_of(), ((0, REST), (90, AT_RAIL)), (), 100),
    "disarmed when ready": Script(_of(), ((0, REST),), ((90, Disarm(0, 7)),), 100),
    "time over in each": Script(
        _of(session_ns=80 * NS_PER_MS), ((0, REST),),
        ((300, Arm(0, 7, 0)), (310, Pause(0, 7)), (500, Arm(0, 7, 0))), 900,
    ),
    "tuned when ready, in a train and in rest; paced": Script(
        _of(FIRST, OTHER, sets=1, trials=4), _tries(100, 300, 600),
        ((90, Tune(0, 9, 0, 19_000, 9_000, 9_000, 40_000, 15_000)), (170, Pace(0, 9, 40 * NS_PER_MS, 1)),
         (250, Tune(0, 9, 1, 30_000, 9_000, 9_000, 31_000, 50_000)),
         (700, Tune(0, 9, 0, 21_000, 9_000, 9_000, 40_000, 14_999))), 1300,
    ),
    "no time, no timeout, no ramps": Script(
        _of(session_ns=0, timeout_ns=0, ramp_up_ns=0, ramp_down_ns=0, target_permille=0, warm_up_trials=0,
            trials=0, sets=1),
        _tries(600), (), 1200,
    ),
}  # fmt: skip


def events(script: Script) -> Iterator[Event]:
    """Armed, then a hop a millisecond, acts before the hop of their time."""
    acts = dict(script.acts)
    yield Arm(FROM_MS * NS_PER_MS, 7, 0)
    for ms in range(1, script.last_ms + 1):
        t_ns = (FROM_MS + ms) * NS_PER_MS
        if ms in acts:
            yield acts[ms]._replace(t_ns=t_ns - NS_PER_MS // 2)
        if script.emg:
            kind = [what for at, what in script.emg if at <= ms][-1]
            yield Hop(t_ns, *EMG[kind])
        else:
            yield Hop(t_ns, (), (), 0)


def told(name: str) -> Iterator[str]:
    """Every command with all its numbers, and the state at the end."""
    script, state = SCRIPTS[name], State()
    settings = script.settings
    yield f"== {name}"
    for event in events(script):
        if isinstance(event, Tune | Pace):
            settings = tuned(settings, event)
        state, commands = step(state, event, settings)
        yield from (repr(command) for command in commands)
    yield repr(state)


def text() -> str:
    """All of them."""
    return "".join(f"{line}\n" for name in SCRIPTS for line in told(name))


if __name__ == "__main__":
    sys.stdout.write(text())
