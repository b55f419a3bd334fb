"""How an engine begins: it waits for its settings, and looks for the EMG stream while the filters are designed.

A stream must be the only one that fits for a second. That second runs while the daemon still designs.
"""

from __future__ import annotations

import select
import sys
import time
from typing import Final

import pylsl

from nmesd.engine.settings import EngineSettings
from nmesd.engine.stream import Stream
from nmesd.errors import LinkError
from nmesd.realtime import ENGINE_PRIORITY, go_real_time, lock_code
from nmesd.wire import Link, Settings

SEEK_S: Final = 0.05


def begun(daemon: Link) -> tuple[EngineSettings, Stream | None] | None:
    """The settings, whole, and the search that began before them; None if the daemon ended first.

    Raises LinkError on anything but settings, KeyError, TypeError or ValueError on settings that are none.
    """
    stream: Stream | None = None
    known = False
    while not daemon.closed:
        settings = _told(daemon)
        if settings is not None and not known:
            known = True
            _prepare(settings.lsl_config)
        if settings is not None and settings.whole:
            return settings, stream
        if settings is not None and settings.stream is not None:
            stream = Stream(settings.stream, settings.lease_ns)
        if stream is not None:
            stream.seek(time.monotonic_ns())
    return None


def _told(daemon: Link) -> EngineSettings | None:
    """None: nothing yet."""
    select.select([daemon], [], [], SEEK_S)
    received = daemon.receive()
    if received is None:
        return None
    if not isinstance(received.frame, Settings):
        raise LinkError(f"the daemon sent {type(received.frame).__name__} before settings")
    return EngineSettings.from_json(received.frame.payload)


def _prepare(lsl_config: str) -> None:
    """Before LSL has threads, which inherit the rights."""
    pylsl.util.set_config_content(lsl_config)
    for lack in go_real_time(ENGINE_PRIORITY, whole=False):
        sys.stderr.write(f"engine: {lack}\n")
    # Not LAPACK, and OpenBLAS for every processor there is: 25 MB that nobody runs.
    lock_code(but="/numpy.libs/")
