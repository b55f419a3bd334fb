"""The load of the second part: every core busy, disk writing, messages from a broker, the monitor with pages.

All of it below real-time priority, and gone with the command, whatever becomes of that. What this unit has not is
not part of the load, and the certificate says so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen
from typing import Any, Final
from urllib.parse import urlsplit

from nmesd.sim import loads
from nmesd.sim.mosquitto import found, mosquitto
from nmesd.sim.rig import Rig

UNIT: Final = "certificate"
MESSAGES: Final = 5000  # a second; of bench/mqtt_flood.py
PAGES: Final = 8
NEVER_S: Final = 1e6


@contextlib.contextmanager
def broker(*, wanted: bool) -> Iterator[dict[str, Any]]:
    """A broker of our own on loopback; [mqtt] for the daemon, {} where this unit has no mosquitto."""
    if not wanted or found() is None:
        yield {}
        return
    with mosquitto() as port:
        yield {"enabled": True, "host": "localhost", "port": port, "unit": UNIT, "tls": False}


@contextlib.contextmanager
def load(rig: Rig, folder: Path, mqtt: dict[str, Any]) -> Iterator[list[str]]:
    """All of it; when it is over, a line for each of what it was. folder: on the disk that is written to."""
    says: list[str] = []
    running: list[tuple[str, Popen[str]]] = []

    def start(said: str, kind: str, *arguments: object) -> None:
        running.append((said, loads.started(kind, *arguments)))

    try:
        if find_spec("uvicorn") and find_spec(
            "starlette"
        ):  # first: it shall be open when the rest begins
            at = urlsplit(rig.monitor())
            start(f"monitor: {PAGES} pages, {{}} kB read", "pages", at.hostname, at.port, PAGES)
        else:
            says.append("monitor: not part of this load: nmesd[monitor] is not installed")
        if mqtt:
            flood = ("flood", mqtt["port"], UNIT, 0, MESSAGES, NEVER_S)
            start(f"MQTT: {{}} messages from the broker, {MESSAGES} a second meant", *flood)
        else:
            says.append("MQTT: not part of this load: no mosquitto on this unit")
        start("disk: {} MB written, each with an fsync", "disk", folder / "load")
        for core in sorted(os.sched_getaffinity(0)):
            start(f"core {core} busy, {{}} ms of its time taken", "burn", core, 1.0)
        yield says
    finally:
        says[:0] = [said.format(loads.ended(one)) for said, one in running]


@contextlib.contextmanager
def no_load() -> Iterator[list[str]]:
    """Of the idle part."""
    yield ["nothing beside the session itself"]
