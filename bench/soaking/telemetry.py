"""Everything that listens to a session: a broker of this machine, the monitor with open pages.

LSL outlets need nobody: the daemon always has them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from nmesd.sim import loads
from nmesd.sim.mosquitto import found, mosquitto
from nmesd.sim.rig import Rig

PAGES: Final = 3  # the operator's computer, a tablet, a therapist's telephone


@contextlib.contextmanager
def mqtt() -> Iterator[dict[str, Any]]:
    """[mqtt] for a mosquitto on loopback; switched off where this machine has none."""
    if found() is None:
        yield {"enabled": False}
        return
    with mosquitto() as port:
        yield {"enabled": True, "host": "localhost", "port": port, "unit": "soak", "tls": False}


@contextlib.contextmanager
def watched(rig: Rig) -> Iterator[None]:
    """The monitor, and who reads it."""
    at = urlsplit(rig.monitor())
    reading = loads.started("pages", at.hostname, at.port, PAGES)
    try:
        yield
    finally:
        loads.ended(reading)
