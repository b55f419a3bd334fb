"""The guard's sockets: one client at a time for leases, and a stop that every local user may knock on."""

import contextlib
import os
import pwd
import socket
import struct
from typing import Any

from nmesd.errors import LinkError
from nmesd.wire import Link, listens
from nmesd.wire.lifeline import Lifeline

_PEER = struct.Struct("3i")  # pid, uid, gid: struct ucred
MOST_KNOCKS = 16  # heard in one turn, so that no flood of stops keeps the guard from its clock


class Door:
    """Two sockets and a lifeline.

    `path` takes the engine (SOCK_SEQPACKET). `path`.stop takes datagrams, each of which means stop; a sender with
    an address hears back when it is done. `path`.life tells of the engine's death at once.
    """

    def __init__(self, path: str, client_uid: int) -> None:
        self._admitted = (0, os.getuid(), client_uid)
        self._paths = (path, path + ".stop")
        self.client: Link | None = None
        if listens(path):
            raise LinkError(f"{path}: another guard is running there; stop it first")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stopper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            for sock, name in zip((self.listener, self.stopper), self._paths, strict=True):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
                sock.bind(name)
                _admit(name, client_uid)
                sock.setblocking(False)
            os.chmod(self._paths[1], 0o666)  # noqa: S103 - a stop can only make safe
            self.lifeline = Lifeline(path + ".life")
            _admit(path + ".life", client_uid)
            self.listener.listen(1)
        except OSError as error:
            raise LinkError(f"{path}: {error}; does its folder exist and belong to us?") from None

    def accept(self) -> Link | None:
        """Let a new client in. None if it was sent away: there is one already, or it is a stranger."""
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return None
        _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if self.client is not None or uid not in self._admitted:
            sock.close()
            return None
        self.client = Link(sock)
        return self.client

    def knocks(self) -> list[Any]:
        """Addresses of those who asked for a stop; None for one that has none."""
        knocked: list[Any] = []
        with contextlib.suppress(BlockingIOError):
            while len(knocked) < MOST_KNOCKS:
                knocked.append(self.stopper.recvfrom(64)[1])
        return knocked

    def answer(self, address: Any, state: str) -> None:
        """Tell one that the output was commanded to zero."""
        with contextlib.suppress(OSError, TypeError):
            self.stopper.sendto(state.encode(), address)

    def drop_client(self) -> None:
        """The client is gone."""
        if self.client is not None:
            self.client.close()
            self.client = None

    def close(self) -> None:
        """Close and remove the sockets."""
        self.drop_client()
        self.lifeline.close()
        for sock, name in zip((self.listener, self.stopper), self._paths, strict=True):
            sock.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _admit(path: str, uid: int) -> None:
    """Let the client's user open it: by its group, where that is another's."""
    os.chmod(path, 0o660)
    if uid != os.getuid():
        os.chown(path, -1, pwd.getpwuid(uid).pw_gid)
