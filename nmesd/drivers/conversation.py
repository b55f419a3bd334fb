"""Commands and answers over a serial line, for every stimulator that numbers and acknowledges its packets."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from nmesd.drivers.answers import Answers
from nmesd.drivers.hasomed_bytes import Packet, Splitter, enclosed, odd
from nmesd.drivers.tty import Tty
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_S

Trace = Callable[[str, str, bytes], None]  # "->" or "<-", what a packet says, and its bytes
_NOT_SENT = -1  # the number of no packet


class Dialect(NamedTuple):
    """How one family speaks."""

    speed: int  # baud
    numbers: int  # packet numbers wrap here
    splitter: Callable[[], Splitter]
    encode: Callable[[Packet], bytes]
    decode: Callable[[bytes], Packet]  # raises DeviceError on damaged bytes
    commands: type[IntEnum]


class Conversation:
    """One open port. Nothing waits but `ask`, which is for opening and closing.

    limit_ns: how long an answer may take.
    """

    def __init__(self, path: str, dialect: Dialect, limit_ns: int, *, cflag: int = 0) -> None:
        self.path = path
        self._dialect, self._limit_ns, self._cflag = dialect, limit_ns, cflag
        self._port: Tty | None = None
        self._splitter = dialect.splitter()
        # Begins anywhere, so that an answer to an earlier guard is hardly taken for one to us.
        self._number = os.urandom(1)[0] % dialect.numbers
        self._asked: dict[int, int] = {}  # number -> command, of the last with that number
        self._answers = Answers(limit_ns)
        self._taken_ns: list[int] = []  # when each was sent whose answer has just come
        self._stop: int | None = None  # number of the stop that is not acknowledged yet
        self.sent_ns = 0  # when the last packet went out
        self.trace: Trace | None = None  # for commissioning

    @property
    def awaiting(self) -> bool:
        """Is an answer owed?"""
        return self._answers.awaited

    @property
    def stop_owed(self) -> bool:
        """Has the device not confirmed the last stop? Then it is told nothing else."""
        return self._stop is not None

    def open(self) -> None:
        """Open the port for this process alone."""
        self._port = Tty(self.path, self._dialect.speed, cflag=self._cflag)
        self._splitter = self._dialect.splitter()
        self._answers = Answers(self._limit_ns)
        self._stop = None

    def fileno(self) -> int:
        """Readable when the device says something; -1 when it is not open, or gone."""
        return -1 if self._port is None else self._port.fileno()

    def send(self, commands: Sequence[tuple[int, bytes]], now_ns: int) -> list[int]:
        """Commands that will be answered, in one write. Gives their numbers."""
        packets = [Packet(self.next_number(), command, data) for command, data in commands]
        self.tell(packets, now_ns)
        for packet in packets:
            self._asked[packet.number] = packet.command
            self._answers.expect(packet.number, now_ns)
        return [packet.number for packet in packets]

    def stop(self, commands: Sequence[tuple[int, bytes]], now_ns: int) -> None:
        """Commands of which the last is a stop. One that could not be sent is owed too."""
        self._stop = _NOT_SENT
        *_, self._stop = self.send(commands, now_ns)

    def tell(self, packets: Sequence[Packet], now_ns: int) -> None:
        """Packets as they are, that nobody answers."""
        if self._port is None or self._port.fileno() < 0:
            raise DeviceError(f"{self.path}: the stimulator is not connected: restart the guard")
        coded = [self._dialect.encode(packet) for packet in packets]
        self._port.write(b"".join(coded))
        self.sent_ns = now_ns
        if self.trace is not None:
            for packet, data in zip(packets, coded, strict=True):
                self.trace("->", self._name(packet), data)

    def next_number(self) -> int:
        """For a packet that nobody answers."""
        self._number = (self._number + 1) % self._dialect.numbers
        return self._number

    def hear(self) -> Iterator[Packet]:
        """What has come. Raises DeviceError on anything that is no packet."""
        if self._port is None or self._port.fileno() < 0:
            return
        before = self._splitter.dropped
        for inner in self._splitter.feed(self._port.read()):
            yield self._decoded(inner)
        if self._splitter.dropped != before:
            raise odd(f"{self._splitter.dropped - before} bytes that belong to no packet")

    def listen(self, told: Callable[[Packet, int], None], now_ns: int) -> Sequence[int]:
        """Pass on all that has come, then look whether an answer is overdue. Each failure is raised once.

        How long each answer that came took, ns.
        """
        self._taken_ns.clear()
        try:
            for packet in self.hear():
                told(packet, now_ns)
            self.check(now_ns)
        except DeviceError:
            self.give_up()
            raise
        return [now_ns - sent_ns for sent_ns in self._taken_ns]

    def answered(self, packet: Packet) -> None:
        """`packet` answers a command of ours. Raises DEVICE_ANSWER if it answers none that was asked."""
        if self._asked.get(packet.number, packet.command) + 1 != packet.command:
            raise odd(f"answer {packet.command} to {self._asked.get(packet.number)}")
        sent_ns = self._answers.take(packet.number)
        if sent_ns is not None:
            self._taken_ns.append(sent_ns)
        if packet.number == self._stop:
            self._stop = None
            # Nothing was told after it, and what was told before is over: a pulse that still waited in
            # the device is dropped there, and may never be answered.
            self._answers.give_up()

    def check(self, now_ns: int) -> None:
        """Raises DEVICE_LATE if an answer is overdue."""
        self._answers.check(now_ns)

    def give_up(self) -> None:
        """Expect no answer any more, and begin a new packet: what failed was told."""
        self._answers.give_up()
        self._splitter = self._dialect.splitter()

    def ask(self, command: int, data: bytes = b"", *, within_ns: int) -> Packet:
        """Send and wait for the answer. What else is on the line is not ours. Raises DEVICE_LATE."""
        until_ns = time.monotonic_ns() + within_ns
        (number,) = self.send([(command, data)], time.monotonic_ns())
        for packet in self.wait(until_ns):
            if (packet.number, packet.command) == (number, command + 1):
                self._answers.take(number)
                return packet
        self._answers.give_up()
        raise DeviceError(
            f"{self.path}: no answer: check that the stimulator is on, in the right mode, and this is its port",
            Reason.DEVICE_LATE,
            within_ns,
            within_ns,
        )

    def wait(self, until_ns: int) -> Iterator[Packet]:
        """Packets as they come until then; noise and damaged ones are passed over."""
        if self._port is None:
            return
        while (left_ns := until_ns - time.monotonic_ns()) > 0:
            select.select([self._port], [], [], left_ns / NS_PER_S)
            for inner in self._splitter.feed(self._port.read()):
                with contextlib.suppress(DeviceError):
                    yield self._decoded(inner)

    def _decoded(self, inner: bytes) -> Packet:
        packet = self._dialect.decode(inner)
        if self.trace is not None:
            self.trace("<-", self._name(packet), enclosed(inner))
        return packet

    def _name(self, packet: Packet) -> str:
        names = {command.value: command.name for command in self._dialect.commands}
        return names.get(packet.command, str(packet.command))

    def close(self) -> None:
        """Let the port go."""
        if self._port is not None:
            self._port.close()
