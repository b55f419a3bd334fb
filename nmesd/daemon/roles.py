"""Who may ask for what: one table, and who the kernel says is at the other end of the control socket.

Whoever is there may see, and make safe. What starts, raises or changes anything is an operator's: root, the
daemon's own user, and members of the group `[control] operators`. The network may stop, and nothing else.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from enum import IntEnum
from typing import Final, NamedTuple


class Role(IntEnum):
    """Each may do what those before it may."""

    NETWORK = 0  # the MQTT broker
    LOCAL = 1  # any user of this computer
    OPERATOR = 2


# What is not listed needs an operator.
NEEDS: Final = {
    "stop": Role.NETWORK,
    "disarm": Role.NETWORK,
    "pause": Role.LOCAL,
    "status": Role.LOCAL,
    "timing": Role.LOCAL,
    "watch": Role.LOCAL,
    "resume": Role.OPERATOR,
    "release": Role.OPERATOR,
    "arm": Role.OPERATOR,
    "reset": Role.OPERATOR,
    "give": Role.OPERATOR,
    "reload": Role.OPERATOR,
}
SO_PEERGROUPS: Final = 59  # Linux 4.13 and later; the socket module does not name it
MOST_GROUPS: Final = 256  # of a peer: as many as getsockopt of Python reads
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: struct ucred


class Peer(NamedTuple):
    """Who asks. `user`: the login name, for log and record."""

    uid: int
    groups: frozenset[int]
    user: str
    role: Role


BROKER: Final = Peer(-1, frozenset(), "mqtt", Role.NETWORK)


class Roles:
    """The roles of this computer. operators: the name of a group; where there is none such, nobody is in it."""

    def __init__(self, operators: str) -> None:
        self.operators = operators
        try:
            self._group: int | None = grp.getgrnam(operators).gr_gid
        except KeyError:
            self._group = None

    @property
    def group_is_missing(self) -> bool:
        return self._group is None

    def of(self, uid: int, groups: frozenset[int]) -> Role:
        """By who they are, and by the groups they were in when they connected."""
        if uid in (0, os.geteuid()) or self._group in groups:
            return Role.OPERATOR
        return Role.LOCAL

    def refusal(self, command: str, peer: Peer) -> str | None:
        """Why not, in words that say who asks, what is needed and what to do; None if they may."""
        needed = NEEDS.get(command, Role.OPERATOR)
        if peer.role >= needed:
            return None
        may = ", ".join(name for name, role in NEEDS.items() if role <= peer.role)
        if peer.role is Role.NETWORK:
            return f"{command} does not come over the network: only {may}; ask at the unit"
        remedy = f"sudo usermod -aG {self.operators} {peer.user}, then log in again"
        if self.group_is_missing:
            remedy = f"sudo groupadd {self.operators}, restart nmesd, {remedy}"
        return (
            f"{command} needs an operator, root or a member of group {self.operators!r}; "
            f"you are {peer.user!r}, uid {peer.uid}, who may {may}: {remedy}"
        )


def credentials(sock: socket.socket) -> tuple[int, frozenset[int]]:
    """(uid, groups) of whoever connected, as they were then; of more than MOST_GROUPS the first alone."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, gid = _CREDENTIALS.unpack(data)
    try:
        more = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MOST_GROUPS)
    except OSError:  # ERANGE: too many; ENOPROTOOPT: a kernel older than this
        more = b""
    return uid, frozenset((gid, *struct.unpack(f"{len(more) // 4}I", more)))


def login(uid: int) -> str:
    """The login name of a user, or the number of one who has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
