"""One end of a SOCK_SEQPACKET connection that never blocks and never hides a loss."""

from __future__ import annotations

import socket
import time

from nmesd.wire.codec import MAX_FRAME, Received, decode, encode
from nmesd.wire.frames import Frame


class Link:
    """Sends and receives numbered frames.

    A frame that cannot be sent because the peer does not read is dropped and counted; its number is used up, so
    that the peer sees the gap. `closed` is True once the peer is gone.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        # One for all: `recv` takes MAX_FRAME bytes anew for each of a hundred messages a second, and what lives
        # longer than one of them comes to lie behind it: the heap of the daemon grew by 12 kB a minute.
        self._room = memoryview(bytearray(MAX_FRAME))
        self._sent = 0
        self.dropped = 0
        self.closed = False

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, frame: Frame) -> bool:
        """True if the frame went out. Raises LinkError if a field does not fit."""
        self._sent = (self._sent + 1) & 0xFFFFFFFF
        data = encode(frame, self._sent, time.monotonic_ns())
        try:
            self._socket.send(data)
        except BlockingIOError:
            self.dropped += 1
            return False
        except OSError:
            self.closed = True
            return False
        return True

    @property
    def sequence(self) -> int:
        """Number of the last frame sent."""
        return self._sent

    def receive(self) -> Received | None:
        """The next frame, None if there is none (look at `closed`). Raises LinkError on a bad one."""
        try:
            data = bytes(self._room[: self._socket.recv_into(self._room)])
        except BlockingIOError:
            return None
        except ConnectionResetError:
            # The peer went without reading all of ours. What it said last is still there, behind this error.
            return self.receive()
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return None
        return decode(data)

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self._socket.close()


def listens(path: str) -> bool:
    """Does anybody listen at `path`? The socket of a killed process is left behind, but nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.setblocking(False)
        try:
            sock.connect(path)
        except BlockingIOError:
            return True  # it has no room, but it is there
        except OSError:
            return False
        return True
