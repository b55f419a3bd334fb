"""The stimulator behind the guard, in words and numbers: what it is, and what it makes of the settings."""

from __future__ import annotations

from typing import Any

from nmesd.core.values import CoreSettings
from nmesd.wire import ZERO, Capabilities, ChannelOutput, Misfit, coded, misfits


def facts(device: Capabilities, core: CoreSettings) -> dict[str, Any]:
    """For the record and the log: who it says it is, its steps, and what it gives for the settings' plateau."""
    output = list(ZERO)
    output[core.channel] = ChannelOutput(core.amplitude_ua, core.pulse_width_us, core.period_us)
    given = coded(tuple(output), device)[core.channel]
    return {
        "stimulator": device.payload.decode(errors="replace"),
        "capabilities": {k: v for k, v in device._asdict().items() if k != "payload"},
        "plateau_wanted": output[core.channel]._asdict(),
        "plateau_coded": given._asdict(),
        "cannot": cannot(device, core),
    }


def cannot(device: Capabilities, core: CoreSettings) -> list[str]:
    """What of the settings it cannot give within the tolerance, with the nearest it can."""
    wanted = ChannelOutput(core.amplitude_ua, core.pulse_width_us, core.period_us)
    return [in_words(one) for one in misfits(core.channel, wanted, device)]


def in_words(one: Misfit) -> str:
    """For whoever wrote the setting."""
    if one.what == "channel":
        return f"channel {one.wanted}: it has {one.nearest}"
    if one.what == "amplitude":
        return f"amplitude_ma = {one.wanted / 1000:g}: the nearest is {one.nearest / 1000:g} mA"
    if one.what == "period":
        return f"rate_hz = {1e6 / one.wanted:.2f}: the nearest is {1e6 / one.nearest:.2f} Hz"
    return f"pulse_width_us = {one.wanted}: the nearest is {one.nearest} µs"
