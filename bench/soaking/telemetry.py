"""Everything that listens to a session: a broker of this machine, the monitor with open pages.

LSL outlets need nobody: the daemon always has them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from bench.monitor import PAGES_READ, beneath, monitor
from bench.mqtt_flood import broker
from nmesd.sim.rig import Child, Rig

PAGES: Final = 3  # the operator's computer, a tablet, a therapist's telephone


@contextlib.contextmanager
def mqtt() -> Iterator[dict[str, Any]]:
    """[mqtt] for a mosquitto on loopback; switched off where this machine has none."""
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None:
        yield {"enabled": False}
        return
    with broker() as port:
        yield {"enabled": True, "host": "localhost", "port": port, "unit": "soak", "tls": False}


@contextlib.contextmanager
def watched(rig: Rig) -> Iterator[Child]:
    """The monitor, and who reads it."""
    with monitor(rig) as child:
        at = urlsplit(str(child.events[0]["url"]))
        reading = beneath(PAGES_READ, str(at.hostname), str(at.port), str(PAGES))
        try:
            yield child
        finally:
            reading.kill()
            reading.communicate()
