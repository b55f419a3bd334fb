"""What a trial comes to: each kind of programme, each purpose of a trial, each way to miss."""

import pytest

from nmesd.core.machine import step
from nmesd.core.state import State
from nmesd.core.train import Dose
from nmesd.core.values import (
    Arm,
    Command,
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
    Trial,
    TrialDone,
    Why,
)
from nmesd.units import NS_PER_MS
from tests.core.sessions import Emg, dones, modes, of, quiet, session, tries
from tests.core.situations import ON_NV, S, hop, with_programme


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


@pytest.mark.parametrize("kind", [Kind.BIOFEEDBACK, Kind.RELAXATION])
def test_without_current_nobody_is_assisted_either(kind: Kind) -> None:
    programme = with_programme(kind=kind, on_miss=OnMiss.ASSIST, assist_delay_ns=NS_PER_MS)
    emg = quiet if kind is Kind.BIOFEEDBACK else tries((1, 99_999))
    _, seen = session(programme, emg, 7000)
    assert not of(SetOutput, seen)
    assert [done.outcome for done in dones(seen)] == [Outcome.MISS]


# ---- the antagonist, to the hop ------------------------------------------------------------------------
