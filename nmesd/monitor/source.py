"""What the daemon says, asked for once for all pages: its status ten times a second, its cues as they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nmesd.monitor.words import Trip, lost, page
from nmesd.units import NS_PER_MS, NS_PER_S

PERIOD_S = 0.1  # the engine tells the daemon twice as often
ANSWER_S = 1.0  # a daemon that is slower is not there
RETRY_S = 0.5
FRESH_S = 1.0  # what was heard longer ago is not shown as the state
MAX_LINE = 256 * 1024
Lines = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Source:
    """Listens to the daemon at `control`, and has the message for the pages.

    Nothing waits for a page, and no page waits for the daemon: a message can be had at any time, and says
    itself how old it is.
    """

    def __init__(self, control: str) -> None:
        self._control = control
        self._status: dict[str, Any] | None = None
        self._status_ns = 0
        self._cue: dict[str, Any] | None = None
        self._trip: Trip | None = None
        self._why_not = "the daemon has not answered yet"
        self._news = asyncio.Event()
        self._message = b""

    async def run(self) -> None:
        """Until cancelled. A daemon that is not there, hangs or talks nonsense is tried again and again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._ask), name="status")
            tasks.create_task(self._again(self._watch), name="cues")

    async def news(self, within_s: float) -> None:
        """Return when there is a new state, or after that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()

    def message(self) -> bytes:
        """The state as an event of a stream; one that is no longer fresh says so."""
        if time.monotonic_ns() - self._status_ns > FRESH_S * NS_PER_S:
            return self._rendered()
        return self._message

    # ---- the daemon ---------------------------------------------------------------------------------------

    async def _again(self, listen: Any) -> None:
        while True:
            try:
                await listen()
            except (
                OSError,
                TimeoutError,
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
            ) as error:
                self._why_not = _reason(error, self._control)
            await asyncio.sleep(RETRY_S)

    async def _ask(self) -> None:
        async with self._connected() as (reader, writer):
            while True:
                async with asyncio.timeout(ANSWER_S):
                    writer.write(b'{"command": "status"}\n')
                    self._hear(await _object(reader))
                await asyncio.sleep(PERIOD_S)

    async def _watch(self) -> None:
        self._cue = None  # of another session, for all that is known
        async with self._connected() as (reader, writer):
            writer.write(b'{"command": "watch"}\n')
            while True:
                event = await _object(reader)
                if event.get("event") == "cue":
                    self._cue = event

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Lines]:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(self._control, limit=MAX_LINE)
        try:
            yield reader, writer
        finally:
            writer.close()

    # ---- the pages ----------------------------------------------------------------------------------------

    def _hear(self, status: dict[str, Any]) -> None:
        now_ns = time.monotonic_ns()
        before = self._status or {}
        if status["state"] == "TRIPPED" and before.get("text") != status["text"]:
            self._trip = Trip(status["text"], now_ns)
        self._status, self._status_ns = status, now_ns
        self._message = self._rendered()
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _rendered(self) -> bytes:
        now_ns = time.monotonic_ns()
        old_s = (now_ns - self._status_ns) / NS_PER_S
        engine_s = (self._status or {}).get("age_s") or 0.0
        if self._status is None or old_s > FRESH_S:
            shown = lost(self._why_not, self._trip, now_ns)
        elif engine_s > FRESH_S:
            text = f"the engine has said nothing for {engine_s:.0f} s; see `nmesd log`"
            shown = lost(text, self._trip, now_ns)
        else:
            shown = page(self._status, self._cue, self._trip, now_ns)
        at = {"at_ms": now_ns // NS_PER_MS}
        return b"data: " + json.dumps({**at, **shown}, ensure_ascii=False).encode() + b"\n\n"


async def _object(reader: asyncio.StreamReader) -> dict[str, Any]:
    line = await reader.readline()
    if not line:
        raise ConnectionError("it hung up")
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - of another's making, as any broken line
    return found


def _reason(error: Exception, control: str) -> str:
    says = (
        f"does not answer within {ANSWER_S:g} s" if isinstance(error, TimeoutError) else str(error)
    )
    return f"nmesd at {control}: {says}; is it running?"
