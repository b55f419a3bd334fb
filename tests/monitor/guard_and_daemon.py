"""The two whose client the monitor is: a guard's stop socket and a daemon's door, with knobs for faults."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from nmesd.daemon.control import serve
from nmesd.daemon.events import Hub
from nmesd.daemon.roles import Peer, Roles


class StopSocket:
    """Answers each stop with its `state`, after `late_s`; None: not at all. Counts them."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.state: str | None = "TRIPPED"
        self.late_s = 0.0
        self.stops: list[float] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(self.path + ".stop")
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        while True:
            said, address = self._sock.recvfrom(64)
            if said == b"end":
                return
            assert said == b"stop"
            self.stops.append(time.monotonic())
            time.sleep(self.late_s)
            if self.state is not None:
                with contextlib.suppress(OSError):  # it no longer waits
                    self._sock.sendto(self.state.encode(), address)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", self.path + ".stop")
        self._thread.join()
        self._sock.close()


@contextlib.contextmanager
def stop_socket(folder: Path) -> Iterator[StopSocket]:
    guard = StopSocket(folder / "guard.sock")
    try:
        yield guard
    finally:
        guard.close()


STATUS = {
    "state": "READY",
    "text": "waiting for an attempt",
    "age_s": 0.03,
    "inhibits": [],
    "programme": "activation",
    "patient": "P7",
    "trials_done": 4,
    "trials": 20,
    "outcomes": {"SUCCESS": 3, "MISS": 1},
    "session_left_s": 754.0,
    "muscle": "biceps",
    "envelope_uv": 5.25,
    "on_uv": 12.0,
    "off_uv": 8.0,
    "amplitude_ma": 0.0,
    "trains": 3,
    "guard": "ARMED",
    "stimulator": "NMESDEMP24",
    "simulated": False,
}


class Door:
    """The daemon's own door before a daemon that says `status`, or hangs."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.status: dict[str, Any] = dict(STATUS)
        self.hangs = False
        self.asked: list[str] = []
        self.hub = Hub()

    async def answer(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        self.asked.append(request["command"])
        while self.hangs:  # noqa: ASYNC110 - a knob
            await asyncio.sleep(0.01)
        if request["command"] == "watch":
            return {"ok": True, "text": "events follow, a line each", "watching": True}
        return {"ok": True, **self.status}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(
                serve(self.path, Roles("nobody"), self.answer, self.hub.watch), name="control"
            )
            while not Path(self.path).exists():  # noqa: ASYNC110, ASYNC240 - one system call
                await asyncio.sleep(0.005)
            yield
            serving.cancel()
