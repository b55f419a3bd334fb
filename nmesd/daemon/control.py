"""The operator's door: a local unix socket, one JSON object a line each way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
Watch = Callable[[], AsyncIterator[dict[str, Any]]]
MAX_LINE = 64 * 1024


async def serve(path: str, handle: Handler, watch: Watch) -> None:
    """Answer requests until cancelled. A client may ask many times; a broken line gets an error, not a hang-up.

    One who asks to watch is told events, a line each, until it goes, and is asked for nothing more.
    """
    clients: set[asyncio.StreamWriter] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, ValueError):
                while line := await reader.readline():
                    answer = await _answer(line, handle)
                    await _write(writer, answer)
                    if answer.get("watching"):
                        await _tell(reader, writer, watch)
                        break
        finally:
            clients.discard(writer)
            writer.close()

    _remove(path)
    server = await asyncio.start_unix_server(client, path, limit=MAX_LINE)
    Path(path).chmod(0o660)  # noqa: ASYNC240 - one system call, before anybody waits
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()
        for writer in clients:  # from Python 3.12 on, waiting for the server means waiting for them
            writer.close()
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


async def _answer(line: bytes, handle: Handler) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"ok": False, "text": "not a line of JSON"}
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        return {"ok": False, "text": 'send an object with a "command"'}
    if request["command"] == "watch":
        return {"ok": True, "text": "events follow, a line each", "watching": True}
    return await handle(request)
