"""The time course of one train, and what it gives: whole steps, one a pulse, exact in integers."""

from __future__ import annotations

from typing import NamedTuple

from nmesd.core.values import Muscle, Programme, Why
from nmesd.units import NS_PER_US


class Dose(NamedTuple):
    """What was given: pulses of all channels, their charge (1 µA x 1 µs is 1 pC), and time under current."""

    pulses: int = 0
    charge_pc: int = 0
    on_ns: int = 0

    def plus(self, other: Dose) -> Dose:
        """The sum."""
        return Dose(*(a + b for a, b in zip(self, other, strict=True)))


class Train(NamedTuple):
    """One that runs."""

    muscle: int
    target_ua: tuple[int, ...]  # of each output, at the plateau
    given_ua: tuple[int, ...]  # now
    update_ns: int  # when the next pulse is due, and with it another amplitude
    fall_ns: int = -1  # when the ramp down began, -1: it has not
    fall_from_ua: tuple[int, ...] = ()


def period_ns(programme: Programme) -> int:
    """From pulse to pulse."""
    return programme.period_us * NS_PER_US


def rising_ua(target_ua: int, elapsed_ns: int, programme: Programme) -> int:
    """Amplitude due so long after the first pulse, until the train falls; the first is above zero."""
    if elapsed_ns >= programme.ramp_up_ns:
        return target_ua
    steps = max(1, programme.ramp_up_ns // period_ns(programme))
    return -(-target_ua * min(elapsed_ns // period_ns(programme) + 1, steps) // steps)


def falling_ua(from_ua: int, elapsed_ns: int, programme: Programme) -> int:
    """Amplitude due so long after the fall from `from_ua` began."""
    steps = max(1, programme.ramp_down_ns // period_ns(programme))
    return from_ua * max(steps - 1 - elapsed_ns // period_ns(programme), 0) // steps


def targets_ua(muscle: Muscle, programme: Programme, trial: int) -> tuple[int, ...]:
    """Amplitude of each output at the plateau of this trial: less while the session warms up."""
    first, trials = programme.warm_up_from_permille, programme.warm_up_trials
    permille = 1000 if trial >= trials else first + (1000 - first) * trial // trials
    return tuple(output.amplitude_ua * permille // 1000 for output in muscle.outputs)


def pulse_of(amplitudes_ua: tuple[int, ...], muscle: Muscle, programme: Programme) -> Dose:
    """What one period gives: a pulse on every channel that has an amplitude."""
    pairs = [(ua, output) for ua, output in zip(amplitudes_ua, muscle.outputs, strict=True) if ua]
    charge_pc = sum(ua * output.pulse_width_us for ua, output in pairs)
    return Dose(len(pairs), charge_pc, period_ns(programme) if pairs else 0)


def begun(muscle: int, target_ua: tuple[int, ...], t_ns: int, programme: Programme) -> Train:
    """At its first pulse."""
    given_ua = tuple(rising_ua(ua, 0, programme) for ua in target_ua)
    return Train(muscle, target_ua, given_ua, t_ns + period_ns(programme))


def advanced(train: Train, since_ns: int, t_ns: int, programme: Programme) -> tuple[Train, Why]:
    """At the pulse that is due at `t_ns`, and in which part of its course; TRAIN_OVER: none is due any more."""
    elapsed_ns, high_ns = t_ns - since_ns, programme.ramp_up_ns + programme.plateau_ns
    if train.fall_ns < 0 and elapsed_ns >= high_ns:
        train = train._replace(fall_ns=since_ns + high_ns, fall_from_ua=train.target_ua)
    if train.fall_ns < 0:
        why = Why.RAMP_UP if elapsed_ns < programme.ramp_up_ns else Why.PLATEAU
        given_ua = tuple(rising_ua(ua, elapsed_ns, programme) for ua in train.target_ua)
    elif t_ns - train.fall_ns < programme.ramp_down_ns:
        why, fallen_ns = Why.RAMP_DOWN, t_ns - train.fall_ns
        given_ua = tuple(falling_ua(ua, fallen_ns, programme) for ua in train.fall_from_ua)
    else:
        return train, Why.TRAIN_OVER
    return train._replace(given_ua=given_ua, update_ns=train.update_ns + period_ns(programme)), why
