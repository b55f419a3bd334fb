"""ScienceMode 2: Hasomed RehaStim 2.

Channel list (the default): the device repeats pulses by itself until told otherwise, or 1200 ms after the last
valid packet; only a tick under a fresh lease keeps it alive. Single pulses: the guard's tick sends each, and
silence is zero.
Source: ScienceMode 2 protocol 1.24 (2012-12-12); what it says is in the project's notes.
"""

from __future__ import annotations

import contextlib
import termios
import time
from collections.abc import Sequence
from typing import ClassVar

from nmesd.drivers.base import Given
from nmesd.drivers.conversation import Conversation, Dialect, Trace
from nmesd.drivers.ftdi import answer_soon
from nmesd.drivers.hasomed_bytes import Packet, Splitter
from nmesd.drivers.options import Option
from nmesd.drivers.sciencemode2_list import ChannelList
from nmesd.drivers.sciencemode2_packets import (
    HEAD_BYTES,
    MOST_BYTES,
    Command,
    Mode,
    Result,
    decode,
    encode,
    failure,
    result,
    stimulation_error,
)
from nmesd.drivers.sciencemode2_single import SinglePulses
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ZERO, Capabilities, Output

DIALECT = Dialect(460_800, 256, lambda: Splitter(MOST_BYTES, HEAD_BYTES), encode, decode, Command)
PARITY = {"even": termios.PARENB, "none": 0}
ACK_NS = 100 * NS_PER_MS  # table 7, MaxResponseTime; under 20 ms on average
# An Init comes every 500 ms, but only 1200 ms after the last valid packet of whoever spoke before us.
MEET_NS = 2 * NS_PER_S
OPEN_NS = NS_PER_S
# Silent for longer it may just be about to reset itself (1200 ms), and then hears nothing until it is greeted.
MET_NS = NS_PER_S
RETRY_NS = NS_PER_MS
VERSION = 1


class ScienceMode2:
    """The device at the serial port `port`."""

    OPTIONS: ClassVar[dict[str, Option]] = {
        "mode": Option(
            "list",
            str,
            ("list", "single"),
            '"list" (the device repeats pulses) or "single" (the guard sends each)',
        ),
        "parity": Option("even", str, PARITY, '"even" as the device has it, or "none" for a pty'),
    }

    ONE_BY_ONE: ClassVar[dict[str, str]] = {"mode": "single"}

    def __init__(self, port: str, *, mode: str, parity: str) -> None:
        self._line = Conversation(port, DIALECT, ACK_NS, cflag=PARITY[parity])
        self._identity = "not open"
        self._mode = ChannelList(self._line, ACK_NS) if mode == "list" else SinglePulses(self._line)
        self.capabilities: Capabilities = self._mode.capabilities
        self._armed = False  # then it is kept alive, and has no reason to begin anew
        self._unmet_ns: int | None = None  # since when an arming waits for its Init
        self._wanted: Output = ZERO

    def open(self) -> None:
        """Open the port, stop, meet the device, stop it again, and see that it is in start mode."""
        self._line.open()
        try:
            latency = answer_soon(self._line.path, self._line.fileno())
            version = self._meet()
            self._identity = f"RehaStim 2 at {self._line.path}, protocol version {version}{latency}"
            self._check(self._line.ask(Command.STOP_LIST, within_ns=OPEN_NS))
            mode = self._check(self._line.ask(Command.GET_MODE, within_ns=OPEN_NS))
            if mode[1:] != bytes((Mode.START,)):
                raise DeviceError(
                    f"{self._line.path}: mode {mode[1:].hex()} after a stop: switch the stimulator off, "
                    "and do not use it before it is checked",
                    Reason.DEVICE_ANSWER,
                )
        except DeviceError:
            self._line.close()
            raise

    def identify(self) -> str:
        """What little it says of itself."""
        return self._identity

    def trace(self, trace: Trace) -> None:
        """Show every packet to `trace`, for commissioning."""
        self._line.trace = trace

    def fileno(self) -> int:
        """Readable when it says something; -1 when it is gone."""
        return self._line.fileno()

    def listen(self, now_ns: int) -> Sequence[int]:
        """Hear all it said, then look whether an answer is overdue. Each failure is raised once."""
        return self._line.listen(self._hear, now_ns)

    def zero(self, now_ns: int) -> None:
        """Current 0 and command 34, at once."""
        self._armed, self._unmet_ns = False, None
        self._mode.zero(now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Want this. An arming may have to wait until the device has greeted, under a second."""
        if not self._armed and now_ns - self._line.sent_ns > MET_NS:
            self._unmet_ns = now_ns
        self._armed, self._wanted = True, output
        if self._unmet_ns is None:
            self._mode.apply(output, now_ns)

    def tick(self, now_ns: int) -> Given:
        """Give what is due, or keep the device alive."""
        if self._unmet_ns is None:
            return self._mode.tick(now_ns)
        if now_ns - self._unmet_ns > MEET_NS:
            raise DeviceError(
                "no Init from the stimulator", Reason.DEVICE_LATE, now_ns - self._unmet_ns, MEET_NS
            )
        return Given(0, 0, 0, now_ns + RETRY_NS)

    def close(self) -> None:
        """Stop, wait for the answer, and let the port go."""
        with contextlib.suppress(DeviceError):
            self.zero(time.monotonic_ns())
            self._line.ask(Command.STOP_LIST, within_ns=OPEN_NS)
        self._line.close()

    def _meet(self) -> int:
        """Answer its Init. One that does not come for a while was met by somebody before us."""
        now_ns = time.monotonic_ns()
        self._line.tell([Packet(self._line.next_number(), Command.STOP_LIST)], now_ns)
        for packet in self._line.wait(now_ns + MEET_NS):
            if packet.command == Command.INIT:
                return self._greet(packet, time.monotonic_ns())
        raise DeviceError(
            f"{self._line.path}: no Init from the stimulator: switch it on and choose ScienceMode2 on its screen",
            Reason.DEVICE_LATE,
            MEET_NS,
            MEET_NS,
        )

    def _greet(self, init: Packet, now_ns: int) -> int:
        version = init.data[0] if init.data else 0
        answer = Result.OK if version == VERSION else Result.WRONG_VERSION
        data = answer.to_bytes(1, signed=True)
        self._line.tell([Packet(init.number, Command.INIT_ACK, data)], now_ns)
        if answer is not Result.OK:
            raise DeviceError(
                f"{self._line.path}: protocol version {version}, {VERSION} is needed",
                Reason.DEVICE_ANSWER,
                version,
                VERSION,
            )
        return version

    def _hear(self, packet: Packet, now_ns: int) -> None:
        match packet.command:
            case Command.STIMULATION_ERROR:
                raise stimulation_error(result(packet.data))
            case Command.UNKNOWN_COMMAND:
                raise failure("does not know a command", packet.data)
            case Command.INIT if self._armed and self._unmet_ns is None:
                raise DeviceError(
                    "the stimulator has begun anew by itself: check its power and cable"
                )
            case Command.INIT:  # disarmed nobody keeps it alive, and so it asks again
                self._greet(packet, now_ns)
                if self._line.stop_owed:  # it may not have heard it
                    self._mode.zero(now_ns)
                if self._armed:
                    self._unmet_ns = None
                    self._mode.apply(self._wanted, now_ns)
            case Command.STOP_LIST_ACK:
                self._line.answered(packet)
                self._check(packet)
                self._mode.stopped(now_ns)
            case _:
                self._line.answered(packet)
                self._mode.heard(packet, now_ns)

    @staticmethod
    def _check(packet: Packet) -> bytes:
        if result(packet.data) != Result.OK:
            raise failure(f"does not obey (answer {packet.command})", packet.data)
        return packet.data
