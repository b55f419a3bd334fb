"""An engine's process. It loads while its daemon does, and decides nothing until it has all of the settings."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from types import TracebackType
from typing import Final, Self

from nmesd.wire import Link, Settings
from nmesd.wire.lifeline import held

SEND_BUFFER: Final = (
    4 * 1024 * 1024
)  # bytes of telemetry the engine may be ahead: seconds of raw EMG at 64 channels
END_S: Final = 1.0  # how long an engine may take to end
ONE_THREAD: Final = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class EngineProcess:
    """Started, in the main thread: its lifeline is held by that. `link` leads to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        lifeline = held()
        descriptors = {"--daemon": theirs.fileno(), "--lifeline": lifeline}
        arguments = [part for name, one in descriptors.items() for part in (name, str(one))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nmesd.engine", *arguments],
            pass_fds=tuple(descriptors.values()),
            env={**os.environ, **ONE_THREAD},
        )
        theirs.close()
        os.close(lifeline)
        self.link = Link(ours)
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        """Ended at the latest with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        self.link.close()
        self._process.kill()  # one that was never needed: a refused file
        self._process.wait()

    def tell(self, settings: bytes) -> None:
        """What to decide with, or for the time being what to listen for: see `EngineSettings.whole`."""
        self.link.send(Settings(settings))

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    async def end(self) -> int:
        """On request; by force if it is frozen: the guard has long stopped by itself."""
        if self.code is None:
            self._process.terminate()
        try:
            return await asyncio.to_thread(self._process.wait, END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)
