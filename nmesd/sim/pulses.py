"""Listening to a simulated stimulator: `wire.Pulse` frames on a unix datagram socket."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from nmesd.errors import LinkError
from nmesd.wire import MAX_FRAME, Pulse, decode

_QUEUE_BYTES = (
    1 << 20
)  # enough that a listener who slept a while loses nothing to the buffer's size


class PulseListener:
    """Binds `path` and reads the pulses sent there. No thread: call `read_all()` when it suits.

    `forward` is a second path every datagram is passed on to, unchanged, as far as somebody listens
    there (`not_forwarded` counts the rest). `log` is a file that gets one JSON line per pulse,
    flushed per read.
    """

    def __init__(self, path: Path, *, forward: Path | None = None, log: Path | None = None) -> None:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()  # left by a process that was killed
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE_BYTES)
        try:
            self._socket.bind(str(path))
        except OSError:
            self._socket.close()
            raise
        self._forward = forward
        self._log = log.open("a") if log else None
        self.not_forwarded = 0
        self.last_given_ns = 0  # of the last pulse that gave current; 0 = none yet
        self.count = 0  # pulses that gave current

    def fileno(self) -> int:
        """The socket's descriptor, readable when pulses wait."""
        return self._socket.fileno()

    def read_all(self) -> list[Pulse]:
        """All frames that have come since the last call, zero commands included, in order.

        Raises LinkError on a datagram that is not a pulse.
        """
        pulses = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self._socket.recv(MAX_FRAME)
                frame = decode(data).frame
                if not isinstance(frame, Pulse):
                    raise LinkError(
                        f"{type(frame).__name__} on {self._path}: only pulses belong there"
                    )
                pulses.append(frame)
                self._pass_on(data)
        for pulse in pulses:
            if pulse.amplitude_ua:
                self.count += 1
                self.last_given_ns = max(self.last_given_ns, pulse.given_ns)
        if self._log and pulses:
            self._log.writelines(json.dumps(pulse._asdict()) + "\n" for pulse in pulses)
            self._log.flush()
        return pulses

    def close(self) -> None:
        """Stop listening and remove the path."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
        if self._log:
            self._log.close()

    def _pass_on(self, data: bytes) -> None:
        if self._forward is None:
            return
        try:
            self._socket.sendto(data, str(self._forward))
        except OSError:  # nobody there, or not reading: the patient must not wait for a spectator
            self.not_forwarded += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
