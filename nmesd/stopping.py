"""Stop at the guard itself, past everything else: a datagram that every local user may send.

Imports next to nothing, for `nmesd stop` knocks before anything else of nmesd is loaded.
"""

from __future__ import annotations

import contextlib
import socket

from nmesd.errors import LinkError

NO_ZERO = "ZERO NOT TAKEN"  # the guard's answer when its device has not taken the stop yet
ANSWER_S = 1.0  # far more than a guard needs that is alive
GUARD = "/run/nmesd/guard.sock"


def knock(arguments: list[str]) -> None:
    """Send the stop of a command line, and wait for nothing: who comes after it stops again and hears the answer.

    arguments: of `nmesd`; anything but a stop does nothing, nor does a question what it is.
    """
    if arguments[:1] != ["stop"] or "--help" in arguments:
        return
    path = GUARD
    for at, argument in enumerate(arguments):
        if argument == "--guard" and arguments[at + 1 :]:
            path = arguments[at + 1]
        elif argument.startswith("--guard="):
            path = argument.removeprefix("--guard=")
    with (
        contextlib.suppress(OSError, ValueError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        sock.setblocking(False)
        sock.sendto(b"stop", path + ".stop")


def stop(path: str) -> str:
    """Stop the guard whose socket is `path`; gives its state then, or NO_ZERO. Raises LinkError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("")  # an address of the kernel's choice, to hear the answer
        sock.settimeout(ANSWER_S)
        try:
            with contextlib.suppress(TimeoutError):  # its queue is full of stops already
                sock.sendto(b"stop", path + ".stop")
            return sock.recv(64).decode()
        except OSError as error:
            raise LinkError(
                f"the guard at {path} does not answer: {error}; pull the electrode plug"
            ) from None
