"""STOP from a page: straight to the guard, then the daemon is told, as `nmesd stop` does it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from nmesd.daemon.client import ask
from nmesd.errors import NmesdError
from nmesd.stopping import NO_ZERO, stop

DAEMON_S = 1.0
Result = TypeVar("Result")


class Stopped(NamedTuple):
    """What the guard answered."""

    zero: bool
    text: str


class Together(Generic[Result]):
    """A blocking work that many may ask for, one at a time: whoever asks while one is under way shares the next.

    So a flood of presses costs no more than one after the other, and nobody gets an answer from before the press.
    """

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._turn = asyncio.Lock()
        self._begun = 0
        self._last: Result | None = None

    async def __call__(self) -> Result:
        """What one came to that began after this was called."""
        wanted = self._begun + 1
        async with self._turn:
            if self._last is None or self._begun < wanted:
                self._begun += 1
                self._last = await asyncio.to_thread(self._work)
            return self._last


class Stopper:
    """The button's other end. It needs nothing of what the pages show."""

    def __init__(self, guard: str, control: str) -> None:
        self._guard, self._control = guard, control
        self.press = Together(self._stop)
        self.tell_daemon = Together(self._tell)

    def _stop(self) -> Stopped:
        try:
            state = stop(self._guard)
        except NmesdError as error:
            return Stopped(zero=False, text=f"NOT STOPPED: {error}")
        if state == NO_ZERO:
            text = "NOT STOPPED: the stimulator does not take it. Pull the electrode plug"
            return Stopped(zero=False, text=text)
        return Stopped(zero=True, text="STOPPED: the guard has the output at zero")

    def _tell(self) -> bool:
        """The guard has stopped already; where it could not, this ends the engine's leases."""
        with contextlib.suppress(NmesdError, ValueError):
            return bool(ask(self._control, "stop", timeout_s=DAEMON_S, operator="monitor")["ok"])
        return False
