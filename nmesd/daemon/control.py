"""The operator's door: a local unix socket, one JSON object a line each way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
MAX_LINE = 64 * 1024


async def serve(path: str, handle: Handler) -> None:
    """Answer requests until cancelled. A client may ask many times; a broken line gets an error, not a hang-up."""
    clients: set[asyncio.StreamWriter] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, ValueError):
                while line := await reader.readline():
                    writer.write(json.dumps(await _answer(line, handle)).encode() + b"\n")
                    await writer.drain()
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
    return await handle(request)
