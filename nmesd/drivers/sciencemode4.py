"""ScienceMode 4: Hasomed P24 (8 channels) and, in ScienceMode 3, RehaMove 3 (4 channels).

Low level (the default): the guard's tick sends each pulse, silence is zero. Mid level: the device repeats pulses
by itself, until 2 s after the last keep-alive, which only a tick under a fresh lease sends.
Sources: P24 instructions for use 1.1; ScienceMode4_c_library @0cb1201; what they say is in the project's notes.
"""

from __future__ import annotations

import contextlib
import termios
import time
from collections.abc import Sequence
from typing import ClassVar

from nmesd.drivers.base import Given
from nmesd.drivers.conversation import Conversation, Dialect, Trace
from nmesd.drivers.hasomed_bytes import Packet, Splitter, odd
from nmesd.drivers.options import Option
from nmesd.drivers.sciencemode4_low import LowLevel
from nmesd.drivers.sciencemode4_mid import MidLevel
from nmesd.drivers.sciencemode4_packets import (
    HEAD_BYTES,
    MOST_BYTES,
    Command,
    Result,
    decode,
    encode,
    failure,
)
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import Output

DIALECT = Dialect(3_000_000, 64, lambda: Splitter(MOST_BYTES, HEAD_BYTES), encode, decode, Command)
# Two stop bits, RTS and CTS (instructions for use, table 1). USB: a pty takes them too.
LINE = termios.CSTOPB | termios.CRTSCTS
# The slowest answer, to an initialisation, takes about 2 x 40 ms; the others 1 ms. 150: it and a busy machine.
ACK_NS = 150 * NS_PER_MS
OPEN_NS = NS_PER_S  # while opening, when nothing is given, it may take its time
LEVEL_NONE, HIGH_VOLTAGE_OFF = 0, 1  # in an answer to GET_STIM_STATUS
# model: channels, version of ScienceMode
MODELS = {"p24": (8, 4), "rehamove3": (4, 3)}
_STOPPED = (Result.OK, Result.NOT_INITIALISED)


class ScienceMode4:
    """The device at the serial port `port`."""

    OPTIONS: ClassVar[dict[str, Option]] = {
        "model": Option("p24", str, MODELS, f"must be one of {', '.join(MODELS)}"),
        "mode": Option(
            "low", str, ("low", "mid"), '"low" (the guard sends each pulse) or "mid" (repeats)'
        ),
        "interphase_us": Option(100, int, range(1, 1001), "µs between the phases, 1 to 1000"),
    }

    ONE_BY_ONE: ClassVar[dict[str, str]] = {"mode": "low"}

    def __init__(self, port: str, *, model: str, mode: str, interphase_us: int) -> None:
        channels, self._version = MODELS[model]
        self._line = Conversation(port, DIALECT, ACK_NS, cflag=LINE)
        self._identity = "not open"
        self._level: LowLevel | MidLevel
        if mode == "low":
            self._level = LowLevel(self._line, interphase_us)
        else:
            self._level = MidLevel(self._line, interphase_us, ACK_NS)
        self.capabilities = self._level.capabilities._replace(channels=channels)

    def open(self) -> None:
        """Open the port, stop both levels, and see that neither runs and the high voltage is off."""
        self._line.open()
        try:
            for command in (Command.LL_STOP, Command.ML_STOP):
                self._ask(command, *_STOPPED)
            version = self._ask(Command.GET_EXTENDED_VERSION)
            name = self._ask(Command.GET_DEVICE_ID)[1:11].decode("ascii", "replace").strip("\0 ")
            self._meet(name, version)
            status = self._ask(Command.GET_STIM_STATUS)
            if status[1:3] != bytes((LEVEL_NONE, HIGH_VOLTAGE_OFF)):
                raise DeviceError(
                    f"{self._line.path}: level {status[1:2].hex()}, high voltage {status[2:3].hex()} after a "
                    "stop: unplug the stimulator, and do not use it before it is checked",
                    Reason.DEVICE_ANSWER,
                )
        except DeviceError:
            self._line.close()
            raise

    def identify(self) -> str:
        """Its identity, firmware and protocol."""
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
        """Forget what was wanted, and send stop at once."""
        self._level.zero(now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Want this; make ready if it is not."""
        self._level.apply(output, now_ns)

    def tick(self, now_ns: int) -> Given:
        """Give what is due."""
        return self._level.tick(now_ns)

    def close(self) -> None:
        """Stop, wait for the answer, and let the port go."""
        with contextlib.suppress(DeviceError):
            self._level.zero(time.monotonic_ns())
            self._ask(self._level.stop, *_STOPPED)
        self._line.close()

    def _meet(self, name: str, version: bytes) -> None:
        firmware, protocol = version[1:4], version[4:7]
        self._identity = (
            f"{name or 'unnamed'} at {self._line.path}, firmware {'.'.join(map(str, firmware))}, "
            f"ScienceMode {'.'.join(map(str, protocol))}"
        )
        if protocol[:1] != bytes((self._version,)):
            raise DeviceError(
                f"{self._identity}: ScienceMode {self._version} is needed: correct model in [stimulator]",
                Reason.DEVICE_ANSWER,
            )

    def _hear(self, packet: Packet, now_ns: int) -> None:
        if packet.command in (Command.GENERAL_ERROR, Command.UNKNOWN_COMMAND):
            raise failure("reports an error", packet.data)
        self._line.answered(packet)
        if packet.command in (Command.LL_STOP_ACK, Command.ML_STOP_ACK):
            if packet.data[:1] not in [bytes((result,)) for result in _STOPPED]:
                raise failure("did not stop", packet.data)
            self._level.stopped(now_ns)
        else:
            self._level.heard(packet, now_ns)

    def _ask(self, command: Command, *fine: Result) -> bytes:
        data = self._line.ask(command, within_ns=OPEN_NS).data
        if not data:
            raise odd("an answer without a result")
        if data[0] not in (fine or (Result.OK,)):
            raise failure(f"refuses {command.name}", data)
        return data
