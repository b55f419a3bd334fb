"""The engine's side of the connection to the guard: handshake, leases, reports."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

from nmesd.errors import LinkError, Reason
from nmesd.units import NS_PER_MS
from nmesd.wire import (
    Arm,
    Capabilities,
    Disarm,
    Hello,
    Lease,
    Link,
    Output,
    Report,
    Reset,
    Stop,
    Timing,
    lifeline,
    session_token,
)

RETRY_NS = 500 * NS_PER_MS
NOBODY = 0  # the operator of what the engine does by itself


class GuardLink:
    """Connects by itself and says so; never sends output without a session the guard agreed to.

    tell: told what the guard measured of itself.
    """

    def __init__(
        self, path: str, settings_hash: int, tell: Callable[[Timing], None] = lambda _: None
    ) -> None:
        self._path, self._tell = path, tell
        self._settings_hash = settings_hash
        self._link: Link | None = None
        self._retry_ns = 0
        self._received = 0
        self.report: Report | None = None  # the latest
        self.device: Capabilities | None = None  # what this guard's stimulator can be told
        self.session = 0

    @property
    def connected(self) -> bool:
        """True while the guard is there."""
        return self._link is not None

    @property
    def links(self) -> tuple[Link, ...]:
        """The connection, for select; none where there is none."""
        return () if self._link is None else (self._link,)

    @property
    def sequence(self) -> int:
        """Number of the last frame sent."""
        return self._link.sequence if self._link else 0

    def connect(self, now_ns: int) -> None:
        """Try to connect, at most every RETRY_NS. Does not wait."""
        if self._link is not None or now_ns < self._retry_ns:
            return
        self._retry_ns = now_ns + RETRY_NS
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.setblocking(False)  # a frozen guard must not hold the engine up
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            return
        # Before Hello: no guard that knows us is without it. Where there is none, the connection's end tells.
        lifeline.hold(self._path + ".life")
        self._link, self._received = Link(sock), 0
        self._link.send(Hello(self._settings_hash, os.getpid()))

    def reports(self) -> Iterator[Report]:
        """Reports that came in, oldest first. A bad frame or a gap in their numbers ends the connection.

        Before the first of them the guard says what its stimulator can be told: see `device`.
        """
        while self._link is not None:
            try:
                received = self._link.receive()
                if received is None:
                    break
                self._received += 1
                frame = received.frame
                first = isinstance(frame, Capabilities)
                told = first or isinstance(frame, Report | Timing)
                if (
                    received.sequence != self._received
                    or not told
                    or first is not (self._received == 1)
                ):
                    raise LinkError("unexpected frame from the guard")
            except LinkError:
                self.close()
                return
            if isinstance(frame, Timing):
                self._tell(frame)
            elif isinstance(frame, Capabilities):
                self.device = frame
            elif isinstance(frame, Report):
                self.report = frame
                yield frame
        if self._link is not None and self._link.closed:
            self.close()

    def arm(self, operator: int) -> None:
        """Ask the guard to arm. Its report tells whether it did, with this session."""
        if self._link is None or self.report is None:
            return
        frame = Arm(self.report.nonce, operator, self.report.limits_hash, self._settings_hash)
        self.session = session_token(frame)
        self._link.send(frame)

    def lease(
        self,
        output: Output,
        expiry_ns: int,
        sample_ns: int,
        arrival_ns: int,
        decided_ns: int,
        *,
        believes_armed: bool,
        believes_output: bool,
    ) -> None:
        """This output, until this instant. The beliefs are the core's, so that the guard can compare the two."""
        if self._link is not None:
            self._link.send(
                Lease(
                    self.session,
                    expiry_ns,
                    sample_ns,
                    arrival_ns,
                    decided_ns,
                    believes_armed,
                    believes_output,
                    output,
                )
            )

    def disarm(self, operator: int = NOBODY) -> None:
        """Orderly end. By an operator it also ends the session, with its dose and its length."""
        self.session = 0
        if self._link is not None:
            self._link.send(Disarm(operator))

    def stop(self, reason: Reason, value: int, limit: int) -> None:
        """Zero and latch."""
        self.session = 0
        if self._link is not None:
            self._link.send(Stop(reason, value, limit))

    def reset(self, operator: int) -> None:
        """Pass an operator's reset on."""
        if self._link is not None:
            self._link.send(Reset(operator))

    def close(self) -> None:
        """Let the guard go; a guard that was armed trips."""
        if self._link is not None:
            self._link.close()
        self._link, self.report, self.device, self.session = None, None, None, 0
