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
    """What the machine is doing. The words an operator reads."""

    DISARMED = 0
    ARMED = 1
    STIMULATING = 2
    REFRACTORY = 3
    TRIPPED = 4


ARMED_MODES = frozenset(
    {Mode.ARMED, Mode.STIMULATING, Mode.REFRACTORY}
)  # an operator's arming is in force


@unique
class Why(IntEnum):
    """Why a command was given."""

    OPERATOR = 1  # an operator's act
    ATTEMPT = 2  # the envelope stayed over the on threshold for the minimum duration
    RAMP_UP = 3
    PLATEAU = 4
    RAMP_DOWN = 5
    TRAIN_OVER = 6
    HOLD_OFF_OVER = 7
    RELAXED = 8  # the envelope stayed below the off threshold for the set time
    TRIP = 9


class CoreSettings(NamedTuple):
    """What the core decides with. Written by the daemon from the operator's files, already validated there."""

    rate_mhz: int
    hop_samples: int
    on_nv: int
    off_nv: int
    channel: int  # stimulator channel, 0-based
    amplitude_ua: int
    pulse_width_us: int
    period_us: int
    ramp_up_ns: int
    plateau_ns: int
    ramp_down_ns: int
    hold_off_ns: int
    relax_ns: int


# ---- events -------------------------------------------------------------------------------------------


class Hop(NamedTuple):
    """One hop of EMG, as integers. `attempt` is an onset that lasted; `flags` is dsp's, 0 if all is well."""

    t_ns: int
    envelope_nv: int
    active: bool
    attempt: bool
    flags: int


class Arm(NamedTuple):
    """An operator arms. `inhibits` has a bit per Reason that forbids it."""

    t_ns: int
    operator: int
    inhibits: int


class Disarm(NamedTuple):
    """An operator disarms."""

    t_ns: int
    operator: int


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


Event = Hop | Arm | Disarm | Trip | Reset


# ---- commands -----------------------------------------------------------------------------------------


class SetOutput(NamedTuple):
    """Give this from now on. Amplitude 0 is zero. The rest says why."""

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


class Refused(NamedTuple):
    """An act was refused; nothing changed."""

    t_ns: int
    reason: Reason
    value: int


Command = SetOutput | RestartChain | ModeChanged | Refused
