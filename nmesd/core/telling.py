"""The commands of the machine, built from what they tell."""

from __future__ import annotations

from nmesd.core.staircase import moved
from nmesd.core.state import State, purpose
from nmesd.core.values import (
    Command,
    CoreSettings,
    Cue,
    CueKind,
    Hop,
    Mode,
    ModeChanged,
    OnMiss,
    Outcome,
    SetOutput,
    ThresholdChanged,
    TrialDone,
    Why,
)
from nmesd.errors import Reason

_TOLD = {
    Outcome.SUCCESS: CueKind.WELL_DONE,
    Outcome.CORRECT_REJECTION: CueKind.WELL_DONE,
    Outcome.MISS: CueKind.ENCOURAGE,
    Outcome.ASSISTED: CueKind.ENCOURAGE,
}


def zeros(t_ns: int, why: Why, settings: CoreSettings) -> tuple[Command, ...]:
    """Zero on every channel that may have had an output."""
    channels = dict.fromkeys(o.channel for muscle in settings.muscles for o in muscle.outputs)
    return tuple(SetOutput(t_ns, channel, 0, 0, 0, why, 0, 0) for channel in channels)


def outputs(
    before: State, after: State, hop: Hop, why: Why, settings: CoreSettings
) -> tuple[Command, ...]:
    """What the train of `after` gives that the one of `before` did not."""
    train = after.train
    assert train is not None  # noqa: S101 - whoever asks has just made it
    muscle, period_us = settings.muscles[train.muscle], settings.programme.period_us
    was_ua = before.train.given_ua if before.train else (0,) * len(train.given_ua)
    value, limit = heard(after, hop, settings)
    return tuple(
        SetOutput(hop.t_ns, output.channel, ua, output.pulse_width_us, period_us, why, value, limit)
        for was, ua, output in zip(was_ua, train.given_ua, muscle.outputs, strict=True)
        if ua != was
    )


def heard(state: State, hop: Hop, settings: CoreSettings) -> tuple[int, int]:
    """Envelope and on threshold of the muscle of this trial; 0, 0 where no EMG is heard."""
    if not hop.envelope_nv or state.muscle < 0:
        return 0, 0
    return hop.envelope_nv[settings.muscles[state.muscle].emg], state.on_nv[state.muscle]


def changed(before: State, after: State, why: Why, value: int = 0, limit: int = 0) -> ModeChanged:
    """From one mode to another."""
    return ModeChanged(after.t_ns, before.mode, after.mode, why, Reason.NONE, value, limit)


def cue(state: State, kind: CueKind) -> Cue:
    """To the person, now."""
    return Cue(state.t_ns, kind, state.trial, state.muscle)


def trial_done(state: State, outcome: Outcome, settings: CoreSettings) -> TrialDone:
    """What a trial came to."""
    on_nv = state.on_nv[max(state.muscle, 0)]
    return TrialDone(
        state.t_ns, state.trial, purpose(state, settings), outcome, state.muscle, state.latency_ns,
        on_nv, *state.trial_dose,
    )  # fmt: skip


def aborted(state: State, settings: CoreSettings) -> tuple[Command, ...]:
    """A trial that was under way and is no more."""
    if state.mode not in (Mode.READY, Mode.STIMULATING, Mode.HOLD_OFF):
        return ()
    return (trial_done(state, Outcome.ABORTED, settings),)


def verdict(state: State, settings: CoreSettings) -> tuple[Command, ...]:
    """The end of a trial that was not aborted: what it came to, and a word to the person."""
    outcome = Outcome(state.outcome)
    done = trial_done(state, outcome, settings)
    word = _TOLD.get(outcome)
    if word is None or (word is CueKind.ENCOURAGE and settings.programme.on_miss is OnMiss.NOTHING):
        return (done,)
    return done, cue(state, word)


def staircase(state: State, settings: CoreSettings) -> tuple[State, tuple[Command, ...]]:
    """After a trial: whose attempt it was moves up; a miss was everybody's. Disturbed EMG moves nothing."""
    success = state.outcome == Outcome.SUCCESS
    if state.disturbed or not (success or state.outcome in (Outcome.MISS, Outcome.ASSISTED)):
        return state, ()
    why, on_nv = (Why.SUCCESS if success else Why.MISS), list(state.on_nv)
    told: list[Command] = []
    for number, muscle in enumerate(settings.muscles):
        if not success or number == state.muscle:
            on_nv[number] = moved(on_nv[number], muscle, settings.programme, success=success)
            if on_nv[number] != state.on_nv[number]:
                told.append(
                    ThresholdChanged(state.t_ns, number, state.on_nv[number], on_nv[number], why)
                )
    return state._replace(on_nv=tuple(on_nv)), tuple(told)
