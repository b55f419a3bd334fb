"""How far the clock of whoever sends the EMG is from ours. For record and outlets; nothing is decided on it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Callable
from typing import Any

from nmesd.units import NS_PER_S

MEASURE_S = 5.0  # as often as LabRecorder
ANSWER_S = 2.0


class EmgClock:
    """Ours is theirs plus `offset_s`. `told` gets each measurement: when, on their clock, and the offset."""

    def __init__(self, told: Callable[[float, float], None]) -> None:
        self.offset_s = 0.0
        self.known = True  # until a stream of another computer was opened
        self._told = told
        self._uid = ""  # of a sender on another computer
        self._open = asyncio.Event()
        self._inlet: tuple[str, Any] = ("", None)

    def opened(self, xml: str) -> None:
        """A stream was opened; its own description. One of this computer has our clock."""
        host, uid = (_text(xml, name) for name in ("hostname", "uid"))
        self._uid, self.offset_s = ("" if host == socket.gethostname() else uid), 0.0
        self.known = not self._uid
        self._open.set()

    def now_s(self) -> float:
        """On their clock."""
        return time.monotonic_ns() / NS_PER_S - self.offset_s

    async def run(self) -> None:
        """Measure, until cancelled."""
        while True:
            await self._open.wait()
            if uid := self._uid:
                measured_s = await asyncio.to_thread(self._measure, uid)
                if measured_s is None or uid != self._uid:  # it went, or another came meanwhile
                    await asyncio.sleep(ANSWER_S)
                    continue
                self.offset_s, self.known = measured_s, True
            self._told(self.now_s(), self.offset_s)
            self._open.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MEASURE_S):
                    await self._open.wait()
            self._open.set()

    def _measure(self, uid: str) -> float | None:
        """Seconds; None if it does not answer. Takes a second, the first time."""
        import pylsl  # noqa: PLC0415 - whoever has a stream has it

        try:
            if self._inlet[0] != uid:
                found = pylsl.resolve_byprop("uid", uid, 1, ANSWER_S)
                if not found:
                    return None
                self._inlet = uid, pylsl.StreamInlet(found[0], max_buflen=1, recover=False)
            return float(self._inlet[1].time_correction(ANSWER_S))
        except (pylsl.util.TimeoutError, pylsl.util.LostError, RuntimeError):
            return None


def _text(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", xml, re.DOTALL)
    return found[1] if found else ""
