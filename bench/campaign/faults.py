"""All faults of the campaign, by name. Add one to the list of its file; the short form takes it up as well."""

from __future__ import annotations

from bench.campaign import device, frames, limits, machine, processes, source
from bench.campaign.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for room in (processes, frames, limits, source, device, machine)
    for fault in room.FAULTS
}
