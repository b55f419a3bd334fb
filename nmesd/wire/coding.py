"""What a stimulator really gives when it is told an output: its steps are coarser than ours.

Rounded so that it is never more than asked: amplitude and width down, period up. What it cannot give at all, a
value out of its range or a channel it has not, is not given.
"""

from __future__ import annotations

from typing import NamedTuple

from nmesd.wire.frames import CHANNELS, Capabilities, ChannelOutput, Output

# Takes every value as it is.
ANY = Capabilities(channels=CHANNELS, simulated=True, one_period=False)
NOTHING = ChannelOutput()
TOLERANCE_PERCENT = 5  # a setting that would be given further off is refused. C: chosen here


class Misfit(NamedTuple):
    """A value that cannot be given within the tolerance, and the nearest that can; 0: none."""

    what: str
    wanted: int
    nearest: int
    unit: str


def coded(output: Output, device: Capabilities) -> Output:
    """What the device gives for this."""
    given = tuple(
        _coded(wanted, device) if channel < device.channels else NOTHING
        for channel, wanted in enumerate(output)
    )
    if not device.one_period:
        return given
    slowest_us = max(one.period_us for one in given)
    return tuple(one._replace(period_us=slowest_us) if one.amplitude_ua else one for one in given)


def misfits(channel: int, wanted: ChannelOutput, device: Capabilities) -> list[Misfit]:
    """What of one channel (from 0) cannot be given within the tolerance, [] if all can. Zero always can."""
    if not wanted.amplitude_ua:
        return []
    found = []
    if channel >= device.channels:
        found.append(Misfit("channel", channel + 1, device.channels, ""))
    rows = (
        ("amplitude", "µA", device.amplitude_least_ua, device.amplitude_most_ua),
        ("pulse width", "µs", device.width_least_us, device.width_most_us),
        ("period", "µs", 0, device.period_most_us),  # a shorter one is lengthened
    )
    for (what, unit, least, most), asked, near in zip(
        rows, wanted, _steps(wanted, device), strict=True
    ):
        off = abs(near - asked) * 100 > TOLERANCE_PERCENT * asked
        if off or not least <= asked <= most:  # out of range it is not given at all, however near
            found.append(Misfit(what, asked, near, unit))
    return found


def _coded(wanted: ChannelOutput, device: Capabilities) -> ChannelOutput:
    """Rounded down where that is possible; nothing where it is not."""
    if not wanted.amplitude_ua:
        return NOTHING
    amplitude_ua, width_us, period_us = one = _steps(wanted, device)
    possible = (
        amplitude_ua <= wanted.amplitude_ua <= device.amplitude_most_ua
        and width_us <= wanted.pulse_width_us <= device.width_most_us
        and wanted.period_us <= period_us
    )
    return one if possible else NOTHING


def _steps(wanted: ChannelOutput, device: Capabilities) -> ChannelOutput:
    """The nearest that the device has: below for amplitude and width, above for the period, where there is one."""
    late_us = max(wanted.period_us - device.period_least_us, 0)
    period_us = (
        device.period_least_us + -(-late_us // device.period_step_us) * device.period_step_us
    )
    return ChannelOutput(
        _below(
            wanted.amplitude_ua,
            device.amplitude_least_ua,
            device.amplitude_most_ua,
            device.amplitude_step_ua,
        ),
        _below(
            wanted.pulse_width_us, device.width_least_us, device.width_most_us, device.width_step_us
        ),
        min(period_us, device.period_most_us),
    )


def _below(value: int, least: int, most: int, step: int) -> int:
    return least + (min(max(value, least), most) - least) // step * step
