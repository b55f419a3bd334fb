"""The guard's sockets: one client at a time for leases, and a stop that anyone admitted locally may knock on."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path

from nmesd.errors import LinkError
from nmesd.wire import Link

_PEER = struct.Struct("3i")  # pid, uid, gid: struct ucred


class Door:
    """`path` takes the engine (SOCK_SEQPACKET); `path`.stop takes datagrams, each of which means stop."""

    def __init__(self, path: str) -> None:
        self._paths = (path, path + ".stop")
        if _somebody_listens(path):
            raise LinkError(f"{path}: another guard is running there; stop it first")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stopper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for sock, name in zip((self.listener, self.stopper), self._paths, strict=True):
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            try:
                sock.bind(name)
            except OSError as error:
                raise LinkError(
                    f"{name}: cannot be made: {error}; does its folder exist and belong to us?"
                ) from None
            Path(name).chmod(0o660)
            sock.setblocking(False)
        self.listener.listen(1)
        self.client: Link | None = None

    def accept(self) -> bool:
        """Let a new client in. False if it was sent away: there is one already, or it is a stranger."""
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return False
        _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if self.client is not None or uid not in (0, os.getuid()):
            sock.close()
            return False
        self.client = Link(sock)
        return True

    def knocked(self) -> bool:
        """True if somebody asked for a stop."""
        asked = False
        with contextlib.suppress(BlockingIOError):
            while True:
                self.stopper.recv(64)
                asked = True
        return asked

    def drop_client(self) -> None:
        """The client is gone."""
        if self.client is not None:
            self.client.close()
            self.client = None

    def close(self) -> None:
        """Close and remove the sockets."""
        self.drop_client()
        for sock, name in zip((self.listener, self.stopper), self._paths, strict=True):
            sock.close()
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()


def _somebody_listens(path: str) -> bool:
    """Is a guard there already? The socket of one that was killed is left behind, but nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.setblocking(False)
        try:
            sock.connect(path)
        except BlockingIOError:
            return True  # it has no room, but it is there
        except OSError:
            return False
        return True
