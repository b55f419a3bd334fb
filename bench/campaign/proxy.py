"""A man in the middle between engine and guard: passes every frame on unchanged, and spoils one on an order.

    python -m bench.campaign.proxy LISTEN GUARD

Orders are JSON lines on stdin: {"order": "drop"}; "none" takes the last one back. The next lease with output is
spoiled; `ORDERS` says how. Sequence, time stamp and checksum stay right, but where they are what is wrong.

Said on stdout, JSON lines, after the frames went out; `at_ns` (CLOCK_MONOTONIC) is from just before.
{"event": "ready"}
{"event": "arm", "at_ns"}             an arming
{"event": "on", "at_ns"}              the first lease of a train
{"event": "fault", "order", "at_ns"}  the first frame that the guard can see to be wrong

A process with a priority between engine (40) and guard (50), so that it costs them no more than its own work.
"""

from __future__ import annotations

import gc
import json
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from nmesd.realtime import try_priority
from nmesd.sim.lines import LineReader, emit
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    CHANNELS,
    MAX_FRAME,
    ZERO,
    Arm,
    ChannelOutput,
    Lease,
    Output,
    decode,
    encode,
    is_zero,
    session_token,
)

PRIORITY = 45
PAST_NS = 100 * NS_PER_MS  # how old a replayed frame is
LONG_NS = 101 * NS_PER_MS  # 1 ms over the longest lease the guard takes


class Passing(NamedTuple):
    """A lease on its way, and what is known of those before it."""

    data: bytes
    sequence: int
    t_ns: int
    lease: Lease
    arm: Arm | None  # the one that opened this session
    old: bytes  # the frame that passed PAST_NS ago

    def again(self, t_ns: int | None = None, **changes: Any) -> bytes:
        """The same lease with other values, well-formed."""
        lease = self.lease._replace(**changes)
        return encode(lease, self.sequence, self.t_ns if t_ns is None else t_ns)


def _output(order: dict[str, Any]) -> Output:
    """`channels` of the order: [[channel from 0, amplitude_ua, pulse_width_us, period_us], ...]."""
    output = list(ZERO)
    for channel, *values in order["channels"]:
        output[channel] = ChannelOutput(*values)
    assert len(output) == CHANNELS
    return tuple(output)


def _wrong_hash(lease: Passing) -> bytes:
    arm = lease.arm or Arm(0, 0, 0, 0)
    other = session_token(arm._replace(settings_hash=arm.settings_hash ^ 1))
    return lease.again(session=other)


# What goes out in the place of a lease. Those of more than one frame are in `Proxy._spoil`.
ORDERS: dict[str, Callable[[Passing, dict[str, Any]], bytes]] = {
    "truncate": lambda lease, _: lease.data[: random.randrange(1, len(lease.data))],
    "random": lambda lease, _: random.randbytes(len(lease.data)),
    "expired": lambda lease, _: lease.again(expiry_ns=time.monotonic_ns() - NS_PER_MS),
    "replay": lambda lease, _: lease.old,
    "future": lambda lease, _: lease.again(t_ns=time.monotonic_ns() + NS_PER_S),
    "long": lambda lease, _: lease.again(expiry_ns=time.monotonic_ns() + LONG_NS),
    "hash": lambda lease, _: _wrong_hash(lease),
    "unarmed": lambda lease, _: lease.again(believes_armed=0),
    "unbelieved": lambda lease, _: lease.again(believes_output=0),
    "output": lambda lease, order: lease.again(believes_output=1, output=_output(order)),
}


class Proxy:
    """One engine at a time, passed on to the guard."""

    def __init__(self, listen: str, guard: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(listen)
        self._listener.listen(1)
        self._guard_path = guard
        self._engine: socket.socket | None = None
        self._guard: socket.socket | None = None
        self._orders = LineReader(sys.stdin.fileno())
        self._order: dict[str, Any] | None = None
        self._held: bytes | None = None  # the first of two that change places
        self._dropped = False  # and no frame has gone out since
        self._said: list[tuple[str, dict[str, Any]]] = []  # to be said when the frames are out
        self._last: Output = ZERO  # of the last lease with output
        self._on = False
        self._off_ns = 0  # when the output ended
        self._arm: Arm | None = None
        self._past: deque[tuple[int, bytes]] = deque()

    def run(self) -> None:
        """Until stdin ends."""
        emit("ready")
        while not self._orders.ended:
            ends = [end for end in (self._engine, self._guard) if end is not None]
            ready, _, _ = select.select([self._listener, sys.stdin, *ends], [], [])
            if self._engine in ready:
                self._from_engine()
            if self._guard is not None and self._guard in ready:
                self._from_guard()
            if self._listener in ready:
                self._accept()
            if sys.stdin in ready:
                for line in self._orders.lines():
                    order = json.loads(line)
                    self._order = None if order["order"] == "none" else order

    def _accept(self) -> None:
        self._close()
        self._engine, _ = self._listener.accept()
        self._guard = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._guard.connect(self._guard_path)
        except OSError:
            self._close()

    def _close(self) -> None:
        for end in (self._engine, self._guard):
            if end is not None:
                end.close()
        self._engine = self._guard = self._held = None
        self._on = False
        self._past.clear()

    def _from_guard(self) -> None:
        assert self._guard is not None
        data = self._receive(self._guard)
        if data and self._engine is not None:
            try:
                self._engine.send(data)
            except OSError:
                self._close()

    def _from_engine(self) -> None:
        assert self._engine is not None
        data = self._receive(self._engine)
        if not data:
            return
        received = decode(data)
        frame = received.frame
        if isinstance(frame, Arm):
            self._arm = frame
            emit("arm", at_ns=time.monotonic_ns())
        if not isinstance(frame, Lease):
            self._send(data)
            return
        now_ns = time.monotonic_ns()
        self._past.append((now_ns, data))
        while self._past[0][0] < now_ns - PAST_NS:
            self._past.popleft()
        old = self._past[0][1]
        self._lease(Passing(data, received.sequence, received.t_ns, frame, self._arm, old))
        for event, facts in self._said:
            emit(event, **facts)
        self._said.clear()

    def _lease(self, lease: Passing) -> None:
        if self._held is not None:
            first, self._held = self._held, None
            self._tell("swap")
            self._send(lease.data)
            self._send(first)
            return
        if self._dropped:
            self._dropped = False
            self._tell("drop")
        on = not is_zero(lease.lease.output)
        if on and not self._on:
            self._said.append(("on", {"at_ns": time.monotonic_ns()}))
        if self._on and not on:
            self._off_ns = time.monotonic_ns()
        self._on = on
        if on:
            self._last = lease.lease.output
        if self._order is None or not self._spoil(lease, on=on, order=self._order):
            self._send(lease.data)

    def _spoil(self, lease: Passing, *, on: bool, order: dict[str, Any]) -> bool:
        """True if something else went out in the place of this lease."""
        name = order["order"]
        if name == "early":  # output again, `after_ns` the end of the train that runs now
            order["seen"] = order.get("seen", False) or on
            rest_ns = time.monotonic_ns() - self._off_ns
            due = not on and order["seen"] and rest_ns >= order["after_ns"]
            if due:
                self._order = None
                self._tell(name)
                self._send(lease.again(believes_output=1, output=self._last))
            return due
        if not on:
            return False
        self._order = None
        if name == "drop":
            self._dropped = True
        elif name == "swap":
            self._held = lease.data
        elif name == "repeat":
            self._send(lease.data)
            self._tell(name)
            self._send(lease.data)
        else:
            data = ORDERS[name](lease, order)
            self._tell(name)
            self._send(data)
        return True

    def _tell(self, order: str) -> None:
        self._said.append(("fault", {"order": order, "at_ns": time.monotonic_ns()}))

    def _send(self, data: bytes) -> None:
        if self._guard is None:
            return
        try:
            self._guard.send(data)
        except OSError:
            self._close()

    def _receive(self, end: socket.socket) -> bytes:
        try:
            data = end.recv(MAX_FRAME)
        except OSError:
            data = b""
        if not data:
            self._close()
        return data


def main() -> int:
    """Process entry."""
    listen, guard = sys.argv[1:]
    try_priority(PRIORITY)
    gc.disable()
    proxy = Proxy(listen, guard)
    proxy.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
