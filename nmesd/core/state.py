"""Everything the machine remembers between two events."""

from __future__ import annotations

from typing import NamedTuple

from nmesd.core.train import Dose, Train
from nmesd.core.values import ARMED_MODES, CoreSettings, Mode, Trial, Trip


class State(NamedTuple):
    """Of one session, and what stays of it when it is over."""

    mode: Mode = Mode.DISARMED
    t_ns: int = 0  # of the last event
    since_ns: int = 0  # the mode's start
    session_ns: int = 0  # the session's start
    trial: int = 0  # how many are done
    muscle: int = -1  # whose attempt it was
    outcome: int = 0  # of the trial under way, as far as it is known
    latency_ns: int = -1  # from the cue to the attempt
    relaxed_since_ns: int = (
        -1
    )  # REST, READY of RELAXATION: since when below the off threshold, -1 if not
    disturbed: bool = False  # the EMG was, in this trial
    vetoed: bool = False  # an attempt was, in this trial
    held_back: tuple[int, ...] = ()  # muscles whose attempt was vetoed and goes on
    held: bool = False  # PAUSED: until an operator resumes
    wait_until_ns: int = 0  # PAUSED: the pause between two sets
    train: Train | None = None
    on_nv: tuple[int, ...] = ()  # the on threshold of each muscle
    highest_ua: tuple[int, ...] = ()  # STEPS: the most each muscle was given
    trial_dose: Dose = Dose()
    dose: Dose = Dose()  # of the session, this trial's included
    trains: int = 0
    trip: Trip | None = None

    def kept(self, mode: Mode, t_ns: int, trip: Trip | None = None) -> State:
        """When the session is over: what it came to."""
        return State(mode, t_ns, t_ns, trains=self.trains, dose=self.dose, trip=trip)

    def next_trial(self, mode: Mode, t_ns: int) -> State:
        """In the same session, without anything of the trial before."""
        return State(
            mode, t_ns, t_ns, session_ns=self.session_ns, trial=self.trial, on_nv=self.on_nv,
            highest_ua=self.highest_ua, dose=self.dose, trains=self.trains,
        )  # fmt: skip


def armed(state: State) -> bool:
    """True while an operator's arming is in force."""
    return state.mode in ARMED_MODES


def listening(state: State) -> bool:
    """True while EMG means something: no train runs, nor the hold-off after it."""
    return state.mode not in (Mode.STIMULATING, Mode.HOLD_OFF)


def purpose(state: State, settings: CoreSettings) -> Trial:
    """What the trial under way, or the next, is for."""
    schedule = settings.programme.schedule
    return schedule[state.trial % len(schedule)] if schedule else Trial.GO


def time_over(state: State, settings: CoreSettings) -> bool:
    """The session has lasted as long as it may."""
    cap_ns = settings.programme.session_ns
    return cap_ns > 0 and state.t_ns - state.session_ns >= cap_ns
