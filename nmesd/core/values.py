"""What goes into a decision and what comes out of it: frozen values of integers and enums.

Times are sample time: nanoseconds since the first sample, counted in samples, so that a replay meets the same
times. Every command carries its reason and the numbers behind it.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import NamedTuple

from nmesd.errors import Reason


@unique
class Mode(IntEnum):
    """What the machine is doing. The words an operator reads. 1 and 3 were used before there were trials."""

    DISARMED = 0
    STIMULATING = 2
    TRIPPED = 4
    REST = 5
    READY = 6
    HOLD_OFF = 7
    PAUSED = 8


ARMED_MODES = frozenset({Mode.STIMULATING, Mode.REST, Mode.READY, Mode.HOLD_OFF, Mode.PAUSED})
"""An operator's arming is in force."""


@unique
class Kind(IntEnum):
    """What a programme does with an attempt."""

    TRIGGERED = 1  # an attempt earns a train
    HOLD = 2  # the same, and the train lasts until it is released, at most its plateau
    CYCLIC = 3  # trains by the clock, without EMG
    BIOFEEDBACK = 4  # attempts are told, nothing is given
    RELAXATION = 5  # to relax is what is asked for
    STEPS = 6  # an operator gives one train after the other, to find amplitudes


@unique
class OnMiss(IntEnum):
    """What follows when the time to try is over."""

    NOTHING = 0
    ENCOURAGE = 1  # a cue
    ASSIST = 2  # a train, after a delay


@unique
class Trial(IntEnum):
    """What a trial is for."""

    GO = 0
    NO_GO = 1  # "do not try": what is detected is a false alarm
    SHAM = 2  # an attempt is answered with a train of no current


@unique
class Outcome(IntEnum):
    """How a trial ended."""

    SUCCESS = 1
    MISS = 2
    ASSISTED = 3
    FALSE_ALARM = 4
    CORRECT_REJECTION = 5
    GIVEN = 6  # cyclic: nobody had to do anything
    ABORTED = 7  # by a pause, a stop or the end of the session


@unique
class CueKind(IntEnum):
    """What the person should do now."""

    REST = 1
    TRY = 2
    DO_NOT_TRY = 3
    RELAX = 4
    ENCOURAGE = 5
    WELL_DONE = 6
    PAUSE = 7
    END = 8


@unique
class Why(IntEnum):
    """Why a command was given."""

    OPERATOR = 1  # an operator's act
    ATTEMPT = 2  # somebody tried
    RAMP_UP = 3
    PLATEAU = 4
    RAMP_DOWN = 5
    TRAIN_OVER = 6
    HOLD_OFF_OVER = 7
    RELAXED = 8  # the envelope stayed below the off threshold for the set time
    TRIP = 9
    TIMEOUT = 10  # the time to try is over
    WORK = 11  # cyclic: the rest is over
    ASSIST = 12
    RELEASED = 13
    SET_OVER = 14
    PAUSE_OVER = 15
    SESSION_OVER = 16
    VETO = 17  # the antagonist was active
    SUCCESS = 18
    MISS = 19
    FALSE_ALARM = 20


class OutputSettings(NamedTuple):
    """One stimulator channel of a muscle."""

    channel: int  # 0-based
    amplitude_ua: int
    pulse_width_us: int


class Muscle(NamedTuple):
    """A muscle: what it is decided on, and what it is given. Indices are columns of the EMG that is decided on."""

    emg: int
    on_nv: int
    off_nv: int
    floor_nv: int  # the threshold never moves below; not below `off_nv`
    ceiling_nv: int
    outputs: tuple[OutputSettings, ...]
    antagonist: int = -1  # -1: none
    veto_nv: int = (
        0  # while the antagonist attempts, or its envelope is at or over it, no attempt counts
    )


class Programme(NamedTuple):
    """The course of a session. Zero times and counts mean: not limited, not done."""

    kind: Kind
    # one train
    period_us: int
    ramp_up_ns: int
    plateau_ns: int
    ramp_down_ns: int
    hold_off_ns: int
    # one trial
    relax_ns: int  # REST: relaxed so long; RELAXATION: what is asked for
    rest_ns: int = 0  # from the trial before, at least
    timeout_ns: int = 0
    on_miss: OnMiss = OnMiss.NOTHING
    assist_delay_ns: int = 0
    # the session
    trials: int = 0  # of a set
    sets: int = 1
    set_pause_ns: int = 0
    session_ns: int = 0
    warm_up_trials: int = 0
    warm_up_from_permille: int = 1000
    schedule: tuple[
        Trial, ...
    ] = ()  # of the trials in order, begun anew when it is over; empty: GO
    # the threshold
    target_permille: int = 0  # of attempts that should succeed; 0: the threshold stays
    step_permille: int = 0
    # STEPS: how much more than the highest so far one train may be
    step_ua: int = 0


class CoreSettings(NamedTuple):
    """What the core decides with. Written by the daemon from the operator's files, already validated there."""

    rate_mhz: int
    hop_samples: int
    muscles: tuple[Muscle, ...]
    programme: Programme


# ---- events -------------------------------------------------------------------------------------------


class Hop(NamedTuple):
    """One hop of EMG, as integers, an entry for each column. `flags` is dsp's, 0 if all is well.

    Where no EMG is heard it is a tick of the clock, without columns.
    """

    t_ns: int
    envelope_nv: tuple[int, ...]
    attempt: tuple[bool, ...]
    flags: int


class Arm(NamedTuple):
    """An operator arms. `inhibits` has a bit per Reason that forbids it."""

    t_ns: int
    operator: int
    inhibits: int


class Disarm(NamedTuple):
    """An operator disarms: the session is over."""

    t_ns: int
    operator: int


class Pause(NamedTuple):
    """An operator lets everything wait, at zero."""

    t_ns: int
    operator: int


class Resume(NamedTuple):
    """An operator goes on after a pause."""

    t_ns: int
    operator: int


class Release(NamedTuple):
    """The train of a HOLD programme may end."""

    t_ns: int
    operator: int


class Give(NamedTuple):
    """An operator gives one train, in a STEPS programme."""

    t_ns: int
    operator: int
    muscle: int
    amplitude_ua: int


class Tune(NamedTuple):
    """An operator changed a muscle's thresholds in its file: these hold from now on."""

    t_ns: int
    operator: int
    muscle: int
    on_nv: int
    off_nv: int
    floor_nv: int
    ceiling_nv: int
    veto_nv: int


class Pace(NamedTuple):
    """An operator changed the rest between trials and the pause between sets."""

    t_ns: int
    operator: int
    rest_ns: int
    set_pause_ns: int


class Trip(NamedTuple):
    """Somebody (stream watch, guard, operator's stop, daemon watch) found a reason for zero."""

    t_ns: int
    reason: Reason
    value: int
    limit: int


class Reset(NamedTuple):
    """An operator clears a latched trip."""

    t_ns: int
    operator: int


Act = Arm | Disarm | Pause | Resume | Release | Give | Tune | Pace | Trip | Reset
Event = Hop | Act


# ---- commands -----------------------------------------------------------------------------------------


class SetOutput(NamedTuple):
    """Give this on that channel from now on. Amplitude 0 is zero. The rest says why."""

    t_ns: int
    channel: int
    amplitude_ua: int
    pulse_width_us: int
    period_us: int
    why: Why
    envelope_nv: int
    threshold_nv: int


class RestartChain(NamedTuple):
    """Filters and detector start afresh with the next hop (rule 7: nothing of a train is left in them)."""

    t_ns: int
    why: Why


class ModeChanged(NamedTuple):
    """The machine went from one mode to another."""

    t_ns: int
    before: Mode
    after: Mode
    why: Why
    reason: Reason
    value: int
    limit: int


class Cue(NamedTuple):
    """Tell the person this. `muscle` is whose turn it is, -1: everybody's."""

    t_ns: int
    cue: CueKind
    trial: int
    muscle: int


class TrialDone(NamedTuple):
    """A trial is over. Latency from cue to success or false alarm, -1 without; the dose is this trial's."""

    t_ns: int
    trial: int
    purpose: Trial
    outcome: Outcome
    muscle: int
    latency_ns: int
    on_nv: int
    pulses: int
    charge_pc: int
    on_ns: int


class Vetoed(NamedTuple):
    """An attempt did not count: the antagonist was active too."""

    t_ns: int
    muscle: int
    antagonist_nv: int
    veto_nv: int


class ThresholdChanged(NamedTuple):
    """The staircase, or an operator, moved a muscle's on threshold."""

    t_ns: int
    muscle: int
    before_nv: int
    after_nv: int
    why: Why


class Refused(NamedTuple):
    """An act was refused; nothing changed."""

    t_ns: int
    reason: Reason
    value: int
    limit: int = 0


Command = (
    SetOutput | RestartChain | ModeChanged | Cue | TrialDone | Vetoed | ThresholdChanged | Refused
)
