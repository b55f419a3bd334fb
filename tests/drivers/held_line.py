"""A driver on a pty whose other end the test holds, in made-up time; opening was left out."""

import contextlib
import os
import pty
import select
from types import ModuleType
from typing import Any

from nmesd.drivers import make_driver
from nmesd.drivers import sciencemode2_packets as sm2
from nmesd.drivers import sciencemode4_packets as sm4
from nmesd.drivers.hasomed_bytes import Packet, Splitter
from nmesd.units import NS_PER_MS
from nmesd.wire import ZERO, ChannelOutput, Output
from tests.drivers.hasomed_vectors import Vector

START_NS = 10**12
PERIOD_NS = 20 * NS_PER_MS
ONE = ChannelOutput(20_000, 200, 20_000)
GIVING: Output = (ONE, *ZERO[1:])
PC = 20_000 * 200  # charge of one phase of it


def vector(vectors: list[Vector], what: str) -> bytes:
    """The bytes of the vector of that name."""
    (found,) = [text for name, text, *_ in vectors if name == what]
    return bytes.fromhex(found)


class HeldLine:
    """`driver`, and what it says and is told. first: number of its first packet."""

    def __init__(self, name: str, *, first: int = 1, **options: Any) -> None:
        self.packets: ModuleType = sm2 if name == "sciencemode2" else sm4
        self.master, self._slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        driver: Any = make_driver(name, self.path, options)
        self.driver = driver
        self.driver._line.open()
        self.driver._line.sent_ns = START_NS  # as after a handshake
        self.numbers_from(first)
        self._splitter = Splitter(self.packets.MOST_BYTES, self.packets.HEAD_BYTES)

    def numbers_from(self, first: int) -> None:
        """The next packet has this number."""
        line = self.driver._line
        line._number = (first - 1) % line._dialect.numbers

    def raw(self) -> bytes:
        """The bytes that the driver has sent since the last call."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            while select.select([self.master], [], [], 0)[0]:
                data += os.read(self.master, 65536)
        return data

    def sent(self) -> list[Packet]:
        """The packets that the driver has sent since the last call."""
        packets = [self.packets.decode(inner) for inner in self._splitter.feed(self.raw())]
        assert self._splitter.dropped == 0
        return packets

    def commands(self) -> list[int]:
        """The commands of `sent`."""
        return [packet.command for packet in self.sent()]

    def one(self) -> Packet:
        """The only packet of `sent`."""
        (packet,) = self.sent()
        return packet

    def say(self, data: bytes, now_ns: int) -> None:
        """Tell the driver, and let it listen."""
        if data:
            os.write(self.master, data)
            assert select.select([self.driver], [], [], 5)[0]  # a kernel worker carries it over
        self.driver.listen(now_ns)

    def tell(self, number: int, command: int, data: bytes, now_ns: int) -> None:
        """Say a packet."""
        self.say(self.packets.encode(Packet(number, command, data)), now_ns)

    def answer(self, packet: Packet, now_ns: int, data: bytes = b"\0") -> None:
        """Answer a command of the driver's."""
        self.tell(packet.number, packet.command + 1, data, now_ns)

    def answer_all(self, now_ns: int) -> list[int]:
        """Answer all that was sent with OK; which commands it was."""
        packets = self.sent()
        for packet in packets:
            if packet.command != sm2.Command.WATCHDOG or self.packets is sm4:
                self.answer(packet, now_ns)
        return [packet.command for packet in packets]

    def vanish(self) -> None:
        """The device is gone."""
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        self.driver._line.close()
        if self.master >= 0:
            os.close(self.master)
        os.close(self._slave)
