"""The course of a session: warming up, sets, its time."""

from nmesd.core.values import (
    Mode,
    Outcome,
    SetOutput,
    Why,
)
from nmesd.units import NS_PER_MS
from tests.core.sessions import dones, modes, quiet, session, tries
from tests.core.situations import with_programme


def test_a_session_warms_up() -> None:
    warm = with_programme(warm_up_trials=2, warm_up_from_permille=500, trials=3, sets=1)
    times = tuple((1300 + n * 2000, 1350 + n * 2000) for n in range(3))
    _, seen = session(warm, tries(*times), 8000)
    most = [0, 0, 0]
    for t_ms, command in seen:
        if isinstance(command, SetOutput) and command.channel == 2:
            most[(t_ms - 1300) // 2000] = max(most[(t_ms - 1300) // 2000], command.amplitude_ua)
    assert most == [5000, 7500, 10_000]


def test_sets_have_their_pause() -> None:
    sets = with_programme(trials=1, sets=2, timeout_ns=100 * NS_PER_MS)
    _, seen = session(sets, quiet, 8000)
    assert modes(seen) == [
        (0, Mode.REST, Why.OPERATOR),
        (1000, Mode.READY, Why.RELAXED),
        (1100, Mode.PAUSED, Why.SET_OVER),
        (3100, Mode.REST, Why.PAUSE_OVER),
        (4100, Mode.READY, Why.RELAXED),
        (4200, Mode.DISARMED, Why.SESSION_OVER),
    ]


def test_the_session_s_time_is_up_between_trains() -> None:
    short = with_programme(session_ns=1500 * NS_PER_MS)
    _, seen = session(short, tries((1400, 1450)), 4000)
    assert modes(seen)[-3:] == [
        (1800, Mode.HOLD_OFF, Why.TRAIN_OVER),
        (2100, Mode.REST, Why.HOLD_OFF_OVER),
        (2101, Mode.DISARMED, Why.SESSION_OVER),
    ]
    assert [done.outcome for done in dones(seen)] == [Outcome.SUCCESS]


# ---- the threshold ------------------------------------------------------------------------------------

STAIRS = {"target_permille": 700, "step_permille": 200}


def test_a_session_may_last_from_a_nanosecond_on() -> None:
    _, seen = session(with_programme(session_ns=1), quiet, 3)
    assert (1, Mode.DISARMED, Why.SESSION_OVER) in modes(seen)
    _, seen = session(with_programme(session_ns=0), quiet, 3)  # 0: as long as it likes
    assert modes(seen) == [(0, Mode.REST, Why.OPERATOR)]
