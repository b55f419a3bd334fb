"""All faults of the campaign, by name, and which of them there are before which device."""

from __future__ import annotations

from dataclasses import replace

from bench.campaign import device, frames, limits, machine, processes, source
from bench.campaign.bench import PERIOD_MS
from bench.campaign.devices import DEVICES
from bench.campaign.fault import Fault

_COMMON = [f for room in (processes, frames, limits, source, machine) for f in room.FAULTS]


def against(fault: Fault, name: str) -> Fault:
    """The same fault before another device: with what that one may take to obey."""
    device = DEVICES[name]
    goes_on_ms = device.goes_on_ms if fault.guard_gone else 0.0
    more_ms = device.obeys_ms + goes_on_ms
    setup = fault.setup._replace(device=name)
    if goes_on_ms:  # the train must outlast it
        setup = setup._replace(train_s=(goes_on_ms + PERIOD_MS) / 1000 + 0.8)
    return replace(
        fault,
        setup=setup,
        budget_ms=fault.budget_ms + more_ms,
        bound_ms=None if fault.bound_ms is None else fault.bound_ms + more_ms,
    )


def faults_of(name: str) -> dict[str, Fault]:
    """The faults before this device (a key of DEVICES)."""
    own = device.faults(name)
    common = [fault if name == "sim" else against(fault, name) for fault in _COMMON]
    return {fault.name: fault for fault in (*common, *own)}


NAMES = list(dict.fromkeys(fault for name in DEVICES for fault in faults_of(name)))
