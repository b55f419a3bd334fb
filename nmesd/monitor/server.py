"""The process of `nmesd monitor`: one socket, bounded connections, the lowest claim on the processor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from nmesd.errors import ConfigError
from nmesd.monitor.admission import SHORTEST_TOKEN, Admission, is_loopback
from nmesd.monitor.pages import Pages
from nmesd.monitor.source import Source
from nmesd.monitor.stopping import Stopper

NICENESS = 5  # daemon, engine and guard come first; STOP must not wait for everything else
MOST_CONNECTIONS = 200
SLOW_S = 3.0  # a page that takes nothing for so long is dropped
BUFFER = 16 * 1024  # bytes waiting for one page, here and in the kernel: some seconds of states
MOST_HEAD = 16 * 1024  # bytes of a request


class Connection(H11Protocol):
    """One that does not read is dropped; of too many, those that ask for nothing, the oldest first.

    So whoever comes last is let in: it may be somebody who wants to press STOP.
    """

    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=BUFFER)
        self._since_s = self.loop.time()
        others = [
            one for one in self.connections if isinstance(one, Connection) and one is not self
        ]
        if len(others) >= MOST_CONNECTIONS:
            min(others, key=Connection.worth).transport.abort()

    def worth(self) -> tuple[bool, float]:
        """The less, the sooner it goes. A connection that has not asked for anything yet has no cycle."""
        return not getattr(self.cycle, "response_complete", True), self._since_s

    def connection_lost(self, exc: Exception | None) -> None:
        self._reads_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow = self.loop.call_later(SLOW_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._reads_again()
        super().resume_writing()

    def _reads_again(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


class Server(uvicorn.Server):
    """Ends with its pages, and does not wait for them to go."""

    def __init__(self, config: uvicorn.Config, pages: Pages) -> None:
        super().__init__(config)
        self._pages = pages

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._pages.end()
        await super().shutdown(sockets)


def serve(
    control: str, guard: str, host: str, port: int, token: str, tell: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM; `tell` is given the address to open. Raises ConfigError."""
    os.nice(NICENESS)
    with listening(host, port) as sock:
        bound = int(sock.getsockname()[1])
        source, stopper = Source(control), Stopper(guard, control)
        pages = Pages(source, stopper)
        app = Admission(_with(source, pages.app), token, f"nmesd-{bound}")
        config = uvicorn.Config(
            app, http=Connection, ws="none", loop="asyncio", lifespan="on", log_level="error", access_log=False,
            server_header=False, date_header=False, timeout_keep_alive=5, timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=MOST_HEAD,
        )  # fmt: skip
        tell(address(host, bound, token))
        with contextlib.suppress(KeyboardInterrupt):
            Server(config, pages).run([sock])


def _with(source: Source, app: ASGIApp) -> ASGIApp:
    """The application, and the source as long as it runs."""

    async def lifespan_or_request(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(source.run(), name="source")
            await app(scope, receive, send)
            listening.cancel()

    return lifespan_or_request


def listening(host: str, port: int) -> socket.socket:
    """A socket there. Raises ConfigError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen at {host}, port {port}: {error}; choose another --port"
        ) from None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)  # those it accepts inherit it
    return sock


def token_for(host: str, file: Path | None) -> str:
    """From its file, or a new one; none on the loopback device without a file. Raises ConfigError."""
    if file is None:
        return "" if is_loopback(host) else secrets.token_urlsafe(SHORTEST_TOKEN)
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file}: {error}: put a token of {SHORTEST_TOKEN} letters there"
        ) from None
    if (
        len(token) < SHORTEST_TOKEN
        or not token.isascii()
        or not token.replace("-", "").replace("_", "").isalnum()
    ):
        raise ConfigError(f"{file}: a token has at least {SHORTEST_TOKEN} letters, digits, - or _")
    return token


def address(host: str, port: int, token: str) -> str:
    """What to open in a browser."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104 - said, not bound
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")
