"""The kernel workers that carry a pty's bytes, lifted above the guard while emulated devices are tried.

A pty hands every byte to a worker without real-time rights, which comes when the core has time: 397 ms were seen
behind an engine in an endless loop. The drivers of real ports give bytes to the hardware in the writer's own call
(cdc_acm and usb-serial submit their URB there), so that this delay would be the emulation's alone.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PRIORITY: Final = 55  # over the guard's 50, under the witness's 60
LOOK_S: Final = 0.1  # workers come and go


class PtyWorkers:
    """From `with` to its end. Without rights nothing is lifted, and `lifted` stays False."""

    def __init__(self) -> None:
        self.lifted = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="pty workers", daemon=True)

    def __enter__(self) -> Self:
        self._lift()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        for pid in _workers():
            _schedule(pid, os.SCHED_OTHER, 0)

    def _keep(self) -> None:
        while not self._over.wait(LOOK_S):
            self._lift()

    def _lift(self) -> None:
        for pid in _workers():
            self.lifted |= _schedule(pid, os.SCHED_FIFO, PRIORITY)


def _workers() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().startswith("kworker/u"):  # unbound: those that ptys use
                found.append(int(path.parent.name))
        except OSError:
            continue  # gone meanwhile
    return found


def _schedule(pid: int, policy: int, priority: int) -> bool:
    try:
        os.sched_setscheduler(pid, policy, os.sched_param(priority))
    except OSError:
        return False
    return True
