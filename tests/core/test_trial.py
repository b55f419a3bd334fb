"""What a trial comes to: each kind of programme, each purpose of a trial, each way to miss."""

from collections.abc import Callable

import pytest

from nmesd.core.machine import step
from nmesd.core.staircase import moved
from nmesd.core.state import State
from nmesd.core.train import Dose
from nmesd.core.values import (
    Arm,
    Command,
    CoreSettings,
    Cue,
    CueKind,
    Hop,
    Kind,
    Mode,
    ModeChanged,
    OnMiss,
    Outcome,
    Release,
    SetOutput,
    ThresholdChanged,
    Trial,
    TrialDone,
    Vetoed,
    Why,
)
from nmesd.units import NS_PER_MS
from tests.core.situations import OFF_NV, ON_NV, PROGRAMME, VETO_NV, S, hop, with_programme

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


def test_a_full_trial() -> None:
    """Armed with a tense muscle; relaxes; attempts, and goes on with effort through the train."""
    state, seen = session(S, tries((1, 1050), (1500, 2200)), 4000)
    assert modes(seen) == [
        (0, Mode.REST, Why.OPERATOR),
        (1250, Mode.READY, Why.RELAXED),  # 200 ms after the first relaxed hop at 1050
        (1500, Mode.STIMULATING, Why.ATTEMPT),
        (1900, Mode.HOLD_OFF, Why.TRAIN_OVER),
        (2200, Mode.REST, Why.HOLD_OFF_OVER),
        (3200, Mode.READY, Why.RELAXED),  # rested for a second
    ]
    first = [
        (t, c.amplitude_ua, c.why) for t, c in seen if isinstance(c, SetOutput) and c.channel == 2
    ]
    assert first == [
        (1500, 2000, Why.ATTEMPT),
        (1520, 4000, Why.RAMP_UP),
        (1540, 6000, Why.RAMP_UP),
        (1560, 8000, Why.RAMP_UP),
        (1580, 10_000, Why.RAMP_UP),
        (1800, 8000, Why.RAMP_DOWN),
        (1820, 6000, Why.RAMP_DOWN),
        (1840, 4000, Why.RAMP_DOWN),
        (1860, 2000, Why.RAMP_DOWN),
        (1880, 0, Why.RAMP_DOWN),
        (1900, 0, Why.TRAIN_OVER),
    ]  # fmt: skip
    assert [(t, c.cue) for t, c in seen if isinstance(c, Cue)] == [
        (0, CueKind.REST), (1250, CueKind.TRY), (2200, CueKind.WELL_DONE), (2200, CueKind.REST),
        (3200, CueKind.TRY),
    ]  # fmt: skip
    (done,) = dones(seen)
    # five pulses up, ten at the plateau, four down, on both channels
    ua = sum((2, 4, 6, 8, 10)) + 10 * 10 + sum((8, 6, 4, 2))
    charge_pc = ua * 1000 * 250 + ua * 500 * 300
    assert done == TrialDone(
        2200 * NS_PER_MS, 0, Trial.GO, Outcome.SUCCESS, 0, 250 * NS_PER_MS, ON_NV, 38, charge_pc,
        19 * 20 * NS_PER_MS,
    )  # fmt: skip
    assert state.dose == Dose(38, charge_pc, 19 * 20 * NS_PER_MS)
    assert state.trains == 1


def test_hold_ends_when_it_is_released() -> None:
    hold = with_programme(kind=Kind.HOLD, plateau_ns=5000 * NS_PER_MS)
    state, _ = session(hold, tries((1300, 1400)), 1700)
    assert state.mode is Mode.STIMULATING
    state, told = step(state, Release(1700 * NS_PER_MS, 1), hold)
    assert told == ()
    ends = []
    for t_ms in range(1701, 2000):
        state, told = step(state, hop(t_ms * NS_PER_MS, 0), hold)
        ends += [t_ms for c in told if isinstance(c, ModeChanged)]
    assert ends == [1800]  # the ramp down later
    again, _ = step(state, Release(state.t_ns, 1), hold)
    assert again == state


def test_release_is_for_hold_alone_and_only_once() -> None:
    state, _ = session(S, tries((1300, 1400)), 1350)
    assert step(state, Release(state.t_ns, 1), S) == (state, ())
    hold = with_programme(kind=Kind.HOLD, plateau_ns=5000 * NS_PER_MS)
    state, _ = step(state, Release(state.t_ns, 1), hold)
    assert step(state, Release(state.t_ns + 5, 1), hold) == (state, ())


def test_released_in_the_ramp_it_falls_from_there() -> None:
    hold = with_programme(kind=Kind.HOLD)
    state, _ = session(hold, tries((1300, 1400)), 1330)
    state, _ = step(state, Release(1330 * NS_PER_MS, 1), hold)
    given = []
    for t_ms in range(1331, 1500):
        state, told = step(state, hop(t_ms * NS_PER_MS, 0), hold)
        given += [c.amplitude_ua for c in told if isinstance(c, SetOutput) and c.channel == 2]
    assert given == [3200, 2400, 1600, 800, 0, 0]


def test_cyclic_needs_no_emg_and_keeps_its_rest() -> None:
    cyclic = with_programme(kind=Kind.CYCLIC, trials=2, sets=1)
    state, told = step(State(), Arm(0, 1, 0), cyclic)
    seen = [(0, command) for command in told]
    for t_ms in range(1, 4000):
        state, told = step(state, Hop(t_ms * NS_PER_MS, (), (), 0), cyclic)
        seen += [(t_ms, command) for command in told]
    assert modes(seen) == [
        (0, Mode.REST, Why.OPERATOR),
        (1000, Mode.STIMULATING, Why.WORK),
        (1400, Mode.HOLD_OFF, Why.TRAIN_OVER),
        (1700, Mode.REST, Why.HOLD_OFF_OVER),
        (2700, Mode.STIMULATING, Why.WORK),
        (3100, Mode.HOLD_OFF, Why.TRAIN_OVER),
        (3400, Mode.DISARMED, Why.SESSION_OVER),
    ]
    assert [done.outcome for done in dones(seen)] == [Outcome.GIVEN, Outcome.GIVEN]
    starts = [c for _, c in seen if isinstance(c, ModeChanged) and c.why is Why.WORK]
    assert all((c.value, c.limit) == (0, 0) for c in starts)  # no EMG, no numbers
    assert state.dose.pulses == sum(done.pulses for done in dones(seen)) > 0


def test_biofeedback_gives_nothing() -> None:
    _, seen = session(with_programme(kind=Kind.BIOFEEDBACK), tries((1300, 1400)), 3000)
    assert not of(SetOutput, seen)
    assert [(done.outcome, done.latency_ns) for done in dones(seen)] == [
        (Outcome.SUCCESS, 300 * NS_PER_MS)
    ]
    assert (1300, Mode.REST, Why.ATTEMPT) in modes(seen)


def test_relaxation_asks_to_relax() -> None:
    relax = with_programme(kind=Kind.RELAXATION)
    _, seen = session(relax, tries((1, 2000), (3500, 99_999)), 9300)
    assert not of(SetOutput, seen)
    assert (
        modes(seen)
        == [
            (0, Mode.REST, Why.OPERATOR),
            (1000, Mode.READY, Why.RELAXED),  # tense: that is what it is for
            (2200, Mode.REST, Why.RELAXED),
            (3200, Mode.READY, Why.RELAXED),
            (3401, Mode.REST, Why.RELAXED),
            (4401, Mode.READY, Why.RELAXED),
            (9400, Mode.REST, Why.TIMEOUT),
        ][:6]
    )
    assert [c.cue for _, c in seen if isinstance(c, Cue)][:4] == [
        CueKind.REST, CueKind.RELAX, CueKind.WELL_DONE, CueKind.REST
    ]  # fmt: skip
    assert [done.outcome for done in dones(seen)] == [Outcome.SUCCESS] * 2


@pytest.mark.parametrize(
    ("on_miss", "outcomes", "cues"),
    [
        (OnMiss.NOTHING, [Outcome.MISS], [CueKind.REST, CueKind.TRY, CueKind.REST]),
        (
            OnMiss.ENCOURAGE,
            [Outcome.MISS],
            [CueKind.REST, CueKind.TRY, CueKind.ENCOURAGE, CueKind.REST],
        ),
    ],
)
def test_who_does_not_try(on_miss: OnMiss, outcomes: list[Outcome], cues: list[CueKind]) -> None:
    _, seen = session(with_programme(on_miss=on_miss), quiet, 6500)
    assert not of(SetOutput, seen)
    assert [done.outcome for done in dones(seen)] == outcomes
    assert [c.cue for _, c in seen if isinstance(c, Cue)] == cues
    assert (6000, Mode.REST, Why.TIMEOUT) in modes(seen)


def assisted(emg: Emg, **more: int) -> list[tuple[int, Command]]:
    programme = with_programme(on_miss=OnMiss.ASSIST, assist_delay_ns=500 * NS_PER_MS)
    return session(programme, emg, 7500, **more)[1]


def test_who_does_not_try_is_assisted_later() -> None:
    seen = assisted(quiet)
    assert (6500, Mode.STIMULATING, Why.ASSIST) in modes(seen)
    assert [done.outcome for done in dones(seen)] == [Outcome.ASSISTED]


def test_who_tries_in_the_delay_has_succeeded() -> None:
    seen = assisted(tries((6200, 6300)))
    assert (6200, Mode.STIMULATING, Why.ATTEMPT) in modes(seen)
    assert [done.outcome for done in dones(seen)] == [Outcome.SUCCESS]


def test_nobody_is_assisted_on_disturbed_emg() -> None:
    state, _ = session(with_programme(on_miss=OnMiss.ASSIST), quiet, 1200)
    programme = with_programme(on_miss=OnMiss.ASSIST)
    for t_ms in range(1201, 8000):
        state, told = step(state, hop(t_ms * NS_PER_MS, 0, 32), programme)
        assert not told
    assert state.disturbed
    state, told = step(state, hop(8000 * NS_PER_MS, 0), programme)
    assert state.mode is Mode.STIMULATING


def test_no_trial_waits_for_ever_but_where_it_may() -> None:
    state, seen = session(with_programme(timeout_ns=0), quiet, 20_000)
    assert state.mode is Mode.READY
    assert not dones(seen)


# ---- trials for research ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emg", "outcome", "cue"),
    [
        (quiet, Outcome.CORRECT_REJECTION, CueKind.WELL_DONE),
        (tries((1500, 1600)), Outcome.FALSE_ALARM, CueKind.REST),
    ],
)
def test_a_catch_trial_gives_nothing(emg: Emg, outcome: Outcome, cue: CueKind) -> None:
    catch = with_programme(schedule=(Trial.NO_GO, Trial.GO))
    _, seen = session(catch, emg, 6500)
    assert not of(SetOutput, seen)
    cues = [c.cue for _, c in seen if isinstance(c, Cue)]
    assert cues[1:3] == [CueKind.DO_NOT_TRY, cue]
    first = dones(seen)[0]
    assert (first.outcome, first.purpose) == (outcome, Trial.NO_GO)


def test_a_sham_train_takes_its_time_and_gives_nothing() -> None:
    _, seen = session(with_programme(schedule=(Trial.SHAM,)), tries((1300, 1400)), 2200)
    assert [(t, mode) for t, mode, _ in modes(seen)][2:4] == [
        (1300, Mode.STIMULATING), (1700, Mode.HOLD_OFF)
    ]  # fmt: skip
    assert all(c.amplitude_ua == 0 for _, c in seen if isinstance(c, SetOutput))
    (done,) = dones(seen)
    assert (done.outcome, done.purpose, done[-3:]) == (Outcome.SUCCESS, Trial.SHAM, (0, 0, 0))


# ---- several muscles ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("kind", [Kind.BIOFEEDBACK, Kind.RELAXATION])
def test_without_current_nobody_is_assisted_either(kind: Kind) -> None:
    programme = with_programme(kind=kind, on_miss=OnMiss.ASSIST, assist_delay_ns=NS_PER_MS)
    emg = quiet if kind is Kind.BIOFEEDBACK else tries((1, 99_999))
    _, seen = session(programme, emg, 7000)
    assert not of(SetOutput, seen)
    assert [done.outcome for done in dones(seen)] == [Outcome.MISS]


# ---- the antagonist, to the hop ------------------------------------------------------------------------


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


def test_the_staircase_is_exact_in_integers() -> None:
    (extensor,) = S.muscles
    wide = extensor._replace(floor_nv=1, ceiling_nv=10**9)
    moving = S.programme._replace(target_permille=750, step_permille=100)
    assert moved(123_456_789, wide, moving, success=True) == 123_456_789 + 3_086_419
    assert moved(123_456_789, wide, moving, success=False) == 114_843_524  # 123456789 / 1.075
    assert moved(10**9, wide, moving, success=True) == 10**9
    assert moved(1, wide, moving, success=False) == 1


def test_a_session_may_last_from_a_nanosecond_on() -> None:
    _, seen = session(with_programme(session_ns=1), quiet, 3)
    assert (1, Mode.DISARMED, Why.SESSION_OVER) in modes(seen)
    _, seen = session(with_programme(session_ns=0), quiet, 3)  # 0: as long as it likes
    assert modes(seen) == [(0, Mode.REST, Why.OPERATOR)]
