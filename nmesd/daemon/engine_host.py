"""Starts the engine, feeds it settings and heartbeats, reads what it tells, and starts it anew when it ends.

A new engine begins disarmed, before a guard that has kept its trip: nothing resumes by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from nmesd.daemon.engine_process import EngineProcess
from nmesd.errors import LinkError
from nmesd.wire import Act, ActKind, ActReply, Beat, Frame, Link, Retune, unbundled

BEAT_S = 0.2  # a fifth of the silence the engine bears
RESTART_S = 1.0
ANSWER_S = 2.0
REPLACE_S = (
    4.0  # to end an engine, however stuck, and start another; less than an operator's command waits
)
SILENT_S = 6.0  # longer than opening a stream may take; by then the guard has long been at zero
MOST_MESSAGES = 16  # read at a time


class EngineHost:
    """One engine at a time. `hear` gets every frame it sends, `changed` every start and end, in words.

    ahead: the first, if it was started already.
    """

    def __init__(
        self, settings: bytes, hear: Callable[[Frame], None], changed: Callable[[str, int], None],
        ahead: EngineProcess | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._ahead = settings, ahead
        self._hear = hear
        self._changed = changed
        self._link: Link | None = None
        self._received = 0
        self._requests = 0
        self._waiting: dict[int, asyncio.Future[ActReply]] = {}
        self._heard_s, self._heard_on = 0.0, -1
        self._replaced = asyncio.Event()  # this engine shall end: its settings are the old ones
        self._handed_over = asyncio.Event()  # a running engine has the settings
        self.pid = 0

    async def run(self) -> None:
        """Keep an engine running until cancelled, then end it."""
        while True:
            self._replaced.clear()
            engine, self._ahead = self._ahead or EngineProcess(), None
            self.pid, link = engine.pid, engine.link
            self._link, self._received = link, 0
            engine.tell(self._settings)
            self._handed_over.set()
            self._changed("engine started", engine.pid)
            try:
                await self._serve(engine)
            finally:
                code = await engine.end()
                while self._read(link):  # its last words: why it went to zero
                    pass
                link.close()
            self._changed("engine ended", code)
            await self._pause(RESTART_S)

    async def replace(self, settings: bytes) -> None:
        """End the engine, and start another with these settings. Raises LinkError if the old one does not end."""
        self._settings = settings
        self._handed_over.clear()
        self._replaced.set()
        try:
            async with asyncio.timeout(REPLACE_S):
                await self._handed_over.wait()
        except TimeoutError:
            raise LinkError(f"the old engine does not end within {REPLACE_S:g} s") from None

    async def act(
        self, kind: ActKind, operator: int, muscle: int = 0, amplitude_ua: int = 0, timeout_s: float = ANSWER_S
    ) -> ActReply:  # fmt: skip
        """Send an operator's act and wait for what became of it. Raises LinkError if none comes."""

        def frame(request: int) -> Act:
            return Act(request, kind, operator, muscle, amplitude_ua)

        return await self._ask(frame, timeout_s)

    async def retune(self, settings: bytes, operator: int, payload: bytes) -> ActReply:
        """Let the engine that runs go on with other thresholds or rests, and the next begin with `settings`.

        Raises LinkError if it does not answer.
        """
        reply = await self._ask(lambda request: Retune(request, operator, payload), ANSWER_S)
        if not reply.reason:
            self._settings = settings
        return reply

    async def _ask(self, frame: Callable[[int], Frame], timeout_s: float) -> ActReply:
        if self._link is None:
            raise LinkError("the engine is not running; it is started again within seconds")
        self._requests += 1
        answer: asyncio.Future[ActReply] = asyncio.get_running_loop().create_future()
        self._waiting[self._requests] = answer
        try:
            self._link.send(frame(self._requests))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise LinkError(f"the engine does not answer within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(self._requests, None)

    async def _serve(self, engine: EngineProcess) -> None:
        link = engine.link
        loop = asyncio.get_running_loop()
        self._heard_on = link.fileno()  # a link that was closed has none any more
        loop.add_reader(self._heard_on, self._read, link)
        try:
            self._heard_s = loop.time()
            while engine.code is None and not link.closed and not self._replaced.is_set():
                link.send(Beat())
                await self._pause(BEAT_S)
                if loop.time() - self._heard_s > SILENT_S:
                    self._changed("engine silent", engine.pid)
                    return
        finally:
            loop.remove_reader(self._heard_on)
            self._link = None

    def _read(self, link: Link) -> bool:
        """Some of what waits: an engine that says more than this process can hear must not keep it from its beat.

        False: nothing waits.
        """
        received = None
        try:
            for _ in range(MOST_MESSAGES):
                if (received := link.receive()) is None:
                    break
                self._received += 1
                self._heard_s = asyncio.get_running_loop().time()
                if received.sequence != self._received:
                    self._changed("frames lost", received.sequence - self._received)
                    self._received = received.sequence
                for one in unbundled(received):
                    self._take(one.frame)
        except LinkError as error:
            self._changed(f"bad frame from the engine: {error}", 0)
            link.close()
        if link.closed:
            asyncio.get_running_loop().remove_reader(self._heard_on)
        return received is not None and not link.closed

    def _take(self, frame: Frame) -> None:
        if not isinstance(frame, ActReply):
            self._hear(frame)
            return
        answer = self._waiting.get(frame.request)
        if answer is not None and not answer.done():
            answer.set_result(frame)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._replaced.wait()
