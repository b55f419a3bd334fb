"""Asking the daemon, from a command or a test. Blocking, with a timeout."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

from nmesd.errors import LinkError


def ask(path: str, command: str, *, timeout_s: float = 5.0, **values: Any) -> dict[str, Any]:
    """Send one command to the daemon at `path` and give its answer. Raises LinkError if nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(path)
            sock.sendall(json.dumps({"command": command, **values}).encode() + b"\n")
            with sock.makefile("rb") as file:
                line = file.readline()
        except OSError as error:
            raise LinkError(f"no answer from nmesd at {path}: {error}; is it running?") from None
    if not line:
        raise LinkError(f"nmesd at {path} hung up")
    answer: dict[str, Any] = json.loads(line)
    return answer


def watch(path: str) -> Iterator[dict[str, Any]]:
    """Events of the daemon at `path` until it ends. Raises LinkError if nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
            sock.sendall(b'{"command": "watch"}\n')
        except OSError as error:
            raise LinkError(f"no answer from nmesd at {path}: {error}; is it running?") from None
        with sock.makefile("rb") as lines:
            next(lines, None)  # that it watches
            for line in lines:
                yield json.loads(line)
