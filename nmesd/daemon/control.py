"""The operator's door: a local unix socket, one JSON object a line each way.

Every local user may come in, for everybody may see and stop; `roles.py` says who may do more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from nmesd.daemon.roles import Peer, Role, Roles, credentials, login

Handler = Callable[[dict[str, Any], Peer], Awaitable[dict[str, Any]]]
Watch = Callable[[], AsyncIterator[dict[str, Any]]]
MAX_LINE = 64 * 1024
MOST_CLIENTS = (
    16  # at once of one user who is no operator: nobody shall use up the daemon's descriptors
)
LOGIN_S = 0.5  # a directory server may be slow to know a name; a stop does not wait for it


async def serve(path: str, roles: Roles, handle: Handler, watch: Watch) -> None:
    """Answer requests until cancelled. A client may ask many times; a broken line gets an error, not a hang-up.

    One who asks to watch is told events, a line each, until it goes, and is asked for nothing more.
    """
    clients: dict[asyncio.Task[None] | None, int] = {}  # who talks, and their uid

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid, groups = credentials(writer.get_extra_info("socket"))
        role = roles.of(uid, groups)
        if role is not Role.OPERATOR and list(clients.values()).count(uid) >= MOST_CLIENTS:
            return
        clients[asyncio.current_task()] = uid
        peer = Peer(uid, groups, await _login(uid), role)
        while line := await reader.readline():
            answer = await _answer(line, peer, handle)
            await _write(writer, answer)
            if answer.get("watching"):
                await _tell(reader, writer, watch)
                break

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung_up = (ConnectionError, asyncio.LimitOverrunError, ValueError)
        try:
            # Cancelled by us alone, at the end: and Python 3.11 would tell it as an error of its own.
            with contextlib.suppress(asyncio.CancelledError, *hung_up):
                await talk(reader, writer)
        finally:
            clients.pop(asyncio.current_task(), None)
            writer.close()

    _remove(path)
    server = await asyncio.start_unix_server(client, path, limit=MAX_LINE)
    Path(path).chmod(0o666)  # noqa: ASYNC240 - one system call, before anybody waits
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()
        talking = [task for task in clients if task]
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        _remove(path)


async def _write(writer: asyncio.StreamWriter, line: dict[str, Any]) -> None:
    writer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    await writer.drain()


async def _tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch) -> None:
    async def tell() -> None:
        async for event in watch():
            await _write(writer, event)

    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(tell(), name="watcher")
        gone = tasks.create_task(
            reader.read(), name="watcher's end"
        )  # whatever it says: only its end counts
        await asyncio.wait((telling, gone), return_when=asyncio.FIRST_COMPLETED)
        telling.cancel()
        gone.cancel()


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        Path(path).unlink()


async def _login(uid: int) -> str:
    try:
        async with asyncio.timeout(LOGIN_S):
            return await asyncio.to_thread(login, uid)
    except TimeoutError:
        return str(uid)


async def _answer(line: bytes, peer: Peer, handle: Handler) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"ok": False, "text": "not a line of JSON"}
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        return {"ok": False, "text": 'send an object with a "command"'}
    return await handle(request, peer)
