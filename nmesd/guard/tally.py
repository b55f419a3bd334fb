"""What was given so far, and the limits that need it: rise, train, rest, duty, trains a minute, dose, session.

Pure. Rise, rest and duty go on counting over trips, resets and new armings. Dose and length are of a *session*:
it begins with an arming and ends only with an operator's disarming; a trip in between does not renew them.
"""

from typing import NamedTuple

from nmesd.errors import Reason
from nmesd.guard.limits import Fault, Limits
from nmesd.units import NS_PER_S
from nmesd.wire import CHANNELS, Output

MINUTE_NS = 60 * NS_PER_S
LONG_AGO_NS = -(2**62)
# Rise is a bucket of a tenth of a second's worth: over any time T an amplitude rises by no more than the rate
# times (T + 0.1 s), whatever the steps. One step a pulse at 10 Hz fits in, a jump does not.
RISE_DIVISOR = 10


class Channel(NamedTuple):
    """One channel. A train is a stretch of current; `trains` are those of the last minute, (begin, end)."""

    amplitude_ua: int = 0
    pulse_width_us: int = 0
    since_ns: int = LONG_AGO_NS  # since when it has been on, or off
    trains: tuple[tuple[int, int], ...] = ()
    spent: int = 0  # of the rise bucket at `spent_at_ns`, in µA x 1e-9, so that no step is rounded
    spent_at_ns: int = LONG_AGO_NS


class Tally(NamedTuple):
    """All channels, and the session."""

    channels: tuple[Channel, ...] = (Channel(),) * CHANNELS
    dose_pc: int = 0
    session_since_ns: int | None = None


def admit(tally: Tally, output: Output, now_ns: int, limits: Limits) -> Tally | Fault:
    """Change over to `output` now, or the first limit against it. Falls are free."""
    channels = list(tally.channels)
    for index, (amplitude_ua, pulse_width_us, _) in enumerate(output):
        before = channels[index]
        if (amplitude_ua, pulse_width_us) == (before.amplitude_ua, before.pulse_width_us):
            continue
        if amplitude_ua == 0:
            channels[index] = _off(before, now_ns) if before.amplitude_ua else before
            continue
        if before.amplitude_ua == 0:
            rest_ns = now_ns - before.since_ns
            if rest_ns < limits.rest_ns:
                return Fault(Reason.LIMIT_REST, rest_ns, limits.rest_ns, index)
            recent = tuple(t for t in before.trains if t[1] > now_ns - MINUTE_NS)
            begun = 1 + sum(began_ns > now_ns - MINUTE_NS for began_ns, _ in recent)
            if begun > limits.trains_per_min:
                return Fault(Reason.LIMIT_TRAINS, begun, limits.trains_per_min, index)
            before = before._replace(since_ns=now_ns, trains=recent)
        # A wider pulse counts as the amplitude that its charge is worth.
        charge_pc = before.amplitude_ua * before.pulse_width_us
        worth_ua = amplitude_ua - charge_pc // max(pulse_width_us, 1)
        rise_ua = max(amplitude_ua - before.amplitude_ua, worth_ua, 0)
        spent = max(before.spent - limits.rise_ua_s * (now_ns - before.spent_at_ns), 0)
        room_ua = (limits.rise_ua_s // RISE_DIVISOR * NS_PER_S - spent) // NS_PER_S
        if rise_ua > room_ua:
            return Fault(Reason.LIMIT_RISE, rise_ua, room_ua, index)
        if rise_ua:
            before = before._replace(spent=spent + rise_ua * NS_PER_S, spent_at_ns=now_ns)
        channels[index] = before._replace(amplitude_ua=amplitude_ua, pulse_width_us=pulse_width_us)
    return tally._replace(channels=tuple(channels))


def overrun(tally: Tally, now_ns: int, limits: Limits) -> Fault | None:
    """The first limit that time has used up, or the next pulse would."""
    began_ns = now_ns if tally.session_since_ns is None else tally.session_since_ns
    if now_ns - began_ns > limits.session_ns:
        return Fault(Reason.LIMIT_SESSION, now_ns - began_ns, limits.session_ns)
    dose_pc = tally.dose_pc
    for index, channel in enumerate(tally.channels):
        if channel.amplitude_ua == 0:
            continue
        train_ns = now_ns - channel.since_ns
        if train_ns > limits.train_ns:
            return Fault(Reason.LIMIT_TRAIN, train_ns, limits.train_ns, index)
        from_ns = now_ns - MINUTE_NS
        trains = (*channel.trains, (channel.since_ns, now_ns))
        on_ns = sum(
            end_ns - max(begin_ns, from_ns) for begin_ns, end_ns in trains if end_ns > from_ns
        )
        if on_ns > limits.duty_ns:
            return Fault(Reason.LIMIT_DUTY, on_ns, limits.duty_ns, index)
        dose_pc += channel.amplitude_ua * channel.pulse_width_us
    if dose_pc > limits.dose_pc:
        return Fault(Reason.LIMIT_DOSE, dose_pc, limits.dose_pc)
    return None


def silence(tally: Tally, now_ns: int) -> Tally:
    """All channels at zero now."""
    off = (_off(channel, now_ns) if channel.amplitude_ua else channel for channel in tally.channels)
    return tally._replace(channels=tuple(off))


def _off(channel: Channel, now_ns: int) -> Channel:
    trains = (*channel.trains, (channel.since_ns, now_ns))
    return channel._replace(amplitude_ua=0, pulse_width_us=0, since_ns=now_ns, trains=trains)
