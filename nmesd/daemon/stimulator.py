"""The stimulator behind the guard, in words and numbers: what it is, and what it makes of the settings."""

from __future__ import annotations

from typing import Any

from nmesd.core.values import CoreSettings
from nmesd.engine.settings import outputs
from nmesd.wire import ZERO, Capabilities, ChannelOutput, Misfit, Output, coded, misfits


def facts(device: Capabilities, core: CoreSettings) -> dict[str, Any]:
    """For the record and the log: who it says it is, its steps, and what it gives for each muscle's plateau."""
    wanted = plateaus(core)
    return {
        "stimulator": device.payload.decode(errors="replace"),
        "capabilities": {k: v for k, v in device._asdict().items() if k != "payload"},
        "plateaus_wanted": [_given(output) for output in wanted],
        "plateaus_coded": [_given(coded(output, device)) for output in wanted],
        "cannot": cannot(device, core),
    }


def plateaus(core: CoreSettings) -> list[Output]:
    """What is asked for at the plateau of a train of each muscle."""
    found = []
    for muscle in core.muscles:
        output = list(ZERO)
        for one in muscle.outputs:
            output[one.channel] = ChannelOutput(
                one.amplitude_ua, one.pulse_width_us, core.programme.period_us
            )
        found.append(tuple(output))
    return found


def _given(output: Output) -> dict[int, dict[str, int]]:
    """By channel as on the device, those that give."""
    return {n: one._asdict() for n, one in enumerate(output, 1) if one.period_us}


def cannot(device: Capabilities, core: CoreSettings) -> list[str]:
    """What of the settings it cannot give within the tolerance, with the nearest it can."""
    return [
        in_words(misfit)
        for output, wanted in outputs(core)
        for misfit in misfits(output.channel, wanted, device)
    ]


def in_words(one: Misfit) -> str:
    """For whoever wrote the setting."""
    if one.what == "channel":
        return f"channel {one.wanted}: it has {one.nearest}"
    if one.what == "amplitude":
        return f"amplitude_ma = {one.wanted / 1000:g}: the nearest is {one.nearest / 1000:g} mA"
    if one.what == "period":
        return f"rate_hz = {1e6 / one.wanted:.2f}: the nearest is {1e6 / one.nearest:.2f} Hz"
    return f"pulse_width_us = {one.wanted}: the nearest is {one.nearest} µs"
