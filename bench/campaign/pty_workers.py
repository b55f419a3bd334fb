"""The kernel workers that carry a pty's bytes, lifted above the guard while emulated devices are tried.

A pty hands every byte to a worker without real-time rights, which comes when the core has time: 397 ms were seen
behind an engine in an endless loop. The drivers of real ports give bytes to the hardware in the writer's own call
(cdc_acm and usb-serial submit their URB there), so that this delay would be the emulation's alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PRIORITY: Final = 55  # over the guard's 50, under the witness's 60
LOOK_S: Final = 0.1  # workers come and go


@contextmanager
def pty_workers() -> Iterator[bool]:
    """From `with` to its end; False without the rights to do it."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(LOOK_S):
            _schedule_all(os.SCHED_FIFO, PRIORITY)

    thread = threading.Thread(target=keep, name="pty workers", daemon=True)
    lifted = _schedule_all(os.SCHED_FIFO, PRIORITY)
    thread.start()
    try:
        yield lifted
    finally:
        over.set()
        thread.join()
        _schedule_all(os.SCHED_OTHER, 0)


def _workers() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().startswith("kworker/u"):  # unbound: those that ptys use
                found.append(int(path.parent.name))
        except OSError:
            continue  # gone meanwhile
    return found


def _schedule_all(policy: int, priority: int) -> bool:
    done = False
    for pid in _workers():
        with suppress(OSError):
            os.sched_setscheduler(pid, policy, os.sched_param(priority))
            done = True
    return done
