"""The driver of the emulated device (`nmesd.sim.device`), which repeats pulses by itself as real ones do.

What they say to each other is in `sim_lines.py`.
"""

from __future__ import annotations

import contextlib
import os
import select
import time

from nmesd.drivers.answers import Answers
from nmesd.drivers.base import NEVER_NS, Capabilities, Given
from nmesd.drivers.repeating import RepeatingPulses
from nmesd.drivers.sim_lines import MAX_LINE, coded, odd, sealed, unsealed
from nmesd.drivers.tty import Tty
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import CHANNELS, ZERO, Output, is_zero

SPEED = 460_800  # a pty does not mind; that of RehaStim 2
# RehaStim 2 answers in under 20 ms on average and 100 ms at most (ScienceMode 2, table 7). This one is on the
# same machine, but its bytes pass a kernel worker without real-time rights: 20 ms tripped once in some 200 trains.
ACK_NS = 50 * NS_PER_MS
OPEN_NS = NS_PER_S  # while opening, when nothing is given, it may take its time
LIVE_NS = (
    100 * NS_PER_MS
)  # a device gone deaf is noticed this much and ACK_NS later, long before its dead-man
RETRY_NS = NS_PER_MS  # how soon to look again whether the answer has come that an output waits for


class SimulatedDevice:
    """The emulated device at the serial port `port`."""

    capabilities = Capabilities(channels=CHANNELS, simulated=True)

    def __init__(self, port: str) -> None:
        self._path = port
        self._port: Tty | None = None
        self._identity = "not open"
        self._dead_man_ns = 0
        self._heard = b""  # the beginning of a line
        # Of the last command; begins anywhere, so that an answer to an earlier guard is not taken for ours.
        self._number = int.from_bytes(os.urandom(2), "little")
        self._answers = Answers(ACK_NS)
        self._given = RepeatingPulses(ACK_NS)
        self._stop_owed: int | None = None  # the stop that is not acknowledged yet
        self._wanted: Output = ZERO
        self._told: Output = ZERO
        self._sent_ns = 0  # when the last command went out

    def open(self) -> None:
        """Open the port for this process alone, command stop, wait until it is acknowledged, ask who it is."""
        self._port = port = Tty(self._path, SPEED)
        try:
            self._ask(port, "stop")
            self._meet(self._ask(port, "who"))
        except DeviceError:
            port.close()
            raise

    def identify(self) -> str:
        """What it is."""
        return self._identity

    def fileno(self) -> int:
        """Readable when the device says something; -1 when it is gone."""
        return -1 if self._port is None else self._port.fileno()

    def listen(self, now_ns: int) -> None:
        """Hear all it said, then look whether an answer is overdue. Each failure is raised once."""
        if self._port is None or self._port.fileno() < 0:
            return
        try:
            for line in self._lines(self._port.read()):
                self._hear(line, now_ns)
            self._answers.check(now_ns)
        except DeviceError:
            self._answers.give_up()
            self._heard = b""
            raise

    def zero(self, now_ns: int) -> None:
        """Send stop at once, whatever else is on its way."""
        self._wanted = self._told = ZERO
        self._given.change(ZERO, self._awake_ns(now_ns))
        self._stop_owed = self._number + 1
        self._send("stop", now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Want this. `tick` sends it, so that nothing but a fresh lease ever raises the output."""
        self._wanted = output
        if is_zero(output):
            self.zero(now_ns)

    def tick(self, now_ns: int) -> Given:
        """Send what is wanted, or the keep-alive; count what the device has given since the last tick."""
        self._given.count(self._awake_ns(now_ns))
        # One at a time, and none to a device that has not confirmed the last stop: `listen` gives it ACK_NS.
        if not self._answers.awaited and self._stop_owed is None:
            if self._wanted != self._told:
                self._send(f"give{coded(self._wanted)}", now_ns)
                self._told = self._wanted
                self._given.change(self._told, now_ns)
                self._given.count(now_ns)
            elif not is_zero(self._told) and now_ns >= self._live_ns():
                self._send("live", now_ns)
        # One biphasic pulse has one amplitude and one width for both phases: nothing is left over.
        return Given(*self._given.take(), 0, self._next_ns(now_ns))

    def close(self) -> None:
        """Stop, wait for the answer as long as a device may take, and let the port go."""
        if self._port is None:
            return
        with contextlib.suppress(DeviceError):
            self.zero(time.monotonic_ns())
            while self._stop_owed is not None:
                select.select([self._port], [], [], ACK_NS / NS_PER_S)
                self.listen(time.monotonic_ns())
        self._wanted = self._told = ZERO
        self._port.close()

    def _meet(self, facts: list[str]) -> None:
        """Take the answer to `who`, after a stop. A device without dead-man would outlive a dead guard."""
        match facts:
            case [model, channels, dead_man_ms, "idle"] if dead_man_ms.isdecimal() and int(
                dead_man_ms
            ):
                self._dead_man_ns = int(dead_man_ms) * NS_PER_MS
                self._identity = (
                    f"{model} at {self._path}, {channels} channels, dead-man {dead_man_ms} ms"
                )
            case _:
                raise DeviceError(
                    f"{self._path}: not idle after a stop, without dead-man, or another device "
                    f"({' '.join(facts)}): do not use it",
                    Reason.DEVICE_ANSWER,
                )

    # ---- sending ------------------------------------------------------------------------------------------

    def _send(self, command: str, now_ns: int) -> None:
        if self._port is None or self._port.fileno() < 0:
            raise DeviceError(f"{self._path}: the stimulator is not connected: restart the guard")
        self._number += 1
        # A line starts anew, whatever part of another one went out before a failure.
        self._port.write(b"\n" + sealed(f"{self._number} {command}"))
        self._answers.expect(self._number, now_ns)
        self._sent_ns = now_ns

    def _live_ns(self) -> int:
        """When the keep-alive is due: after a third of the dead-man at the latest."""
        return self._sent_ns + min(LIVE_NS, self._dead_man_ns // 3)

    def _next_ns(self, now_ns: int) -> int:
        if self._wanted != self._told:
            return now_ns + RETRY_NS
        if is_zero(self._told):
            return NEVER_NS
        return max(now_ns + 1, min(self._live_ns(), self._given.next_ns()))

    def _awake_ns(self, now_ns: int) -> int:
        """Now, but no later than its dead-man has stopped it: a dead device gives no more."""
        return min(now_ns, self._sent_ns + self._dead_man_ns + ACK_NS)

    # ---- hearing ------------------------------------------------------------------------------------------

    def _lines(self, data: bytes) -> list[bytes]:
        *lines, self._heard = (self._heard + data).split(b"\n")
        readable = self._heard.isascii() and self._heard.decode().isprintable()
        if not readable or len(self._heard) > MAX_LINE:
            raise odd(self._heard)
        return lines

    def _hear(self, line: bytes, now_ns: int) -> None:
        match unsealed(line).split():
            case ["ok", number] if number.isdecimal():
                self._answers.take(int(number))
                if int(number) == self._stop_owed:
                    self._stop_owed = None
                if not self._answers.awaited and self._stop_owed is None:
                    self._given.settled(self._awake_ns(now_ns))
            case ["error", "electrode", channel] if channel.isdecimal():
                raise DeviceError(
                    f"electrode error on channel {channel}", Reason.DEVICE_ELECTRODE, int(channel)
                )
            case ["error", "idle", _]:
                raise DeviceError("the stimulator has stopped by itself")
            case ["error", kind, _]:
                raise DeviceError(f"the stimulator refused a command: {kind}", Reason.DEVICE_ANSWER)
            case _:
                raise odd(line)

    def _ask(self, port: Tty, command: str) -> list[str]:
        """Send, wait for the answer, return its facts. What else was still on the line is not ours."""
        now_ns = time.monotonic_ns()
        until_ns = now_ns + OPEN_NS
        self._send(command, now_ns)
        heard = b""
        while (left_ns := until_ns - time.monotonic_ns()) > 0:
            select.select([port], [], [], left_ns / NS_PER_S)
            *lines, heard = (heard + port.read()).split(b"\n")
            for line in lines:
                with contextlib.suppress(DeviceError):
                    match unsealed(line).split():
                        case ["ok", number, *facts] if number == str(self._number):
                            self._answers.take(self._number)
                            return facts
        raise DeviceError(
            f"{self._path}: no answer to {command}: check that the stimulator is on and the port is its own",
            Reason.DEVICE_LATE,
            OPEN_NS,
            OPEN_NS,
        )
