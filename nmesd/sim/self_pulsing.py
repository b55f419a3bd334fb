"""What an emulated stimulator gives: repeats pulses by itself, checks ranges, stops without its host."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.pulses import PulseClock
from nmesd.sim.lines import emit
from nmesd.units import NS_PER_MS
from nmesd.wire import CHANNELS, ZERO, ChannelOutput, Output, Pulse, encode, is_zero

DEAD_MAN_MS = 1200  # RehaStim 2: ScienceMode 2 protocol, table 7, WatchdogTimeout
AMPLITUDE_UA = range(1, 130_001)  # RehaStim 2: 4.2, to 130 mA
WIDTH_US = range(20, 501)  # the same, to 500 µs; under 20 it would give 20, this one refuses
PERIOD_US = range(8_000, 1_025_001)  # the same: 8 ms of the current firmware to 1025 ms


class SelfPulsing:
    """Gives pulses to the unix datagram socket `pulses`. No line, no answers: those are in `device.py`."""

    def __init__(self, pulses: Path, dead_man_ms: int) -> None:
        self._listener = str(pulses)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._dead_man_ns = dead_man_ms * NS_PER_MS
        self._clock = PulseClock()  # a late pulse moves those after it: the rate is never over
        self._sent = 0
        self._valid_ns = 0  # when the last valid command came
        self.output: Output = ZERO
        self.pulses = 0

    @property
    def giving(self) -> bool:
        """Is any channel on?"""
        return not is_zero(self.output)

    def command(self, words: list[str], now_ns: int) -> str:
        """Obey; "" if done, else the refusal. Only what it obeys keeps it alive."""
        match words:
            case ["give", *numbers]:
                output = _output(numbers)
                if output is None:
                    return "range"
                self._set(output, "command", now_ns)
            case ["stop"]:
                self._set(ZERO, "command", now_ns)
            case ["live"]:
                if not self.giving:
                    return "idle"
            case ["who"]:
                pass
            case _:
                return "line"
        self._valid_ns = now_ns
        return ""

    def electrode(self, channel: int, now_ns: int) -> None:
        """The electrode of this channel (from 1) has come off."""
        output = list(self.output)
        output[channel - 1] = ChannelOutput()
        self._set(tuple(output), "electrode", now_ns)

    def give(self, now_ns: int) -> None:
        """Give what is due, unless nobody has spoken for the dead-man."""
        if self.giving and now_ns >= self._valid_ns + self._dead_man_ns:
            self._set(ZERO, "dead-man", now_ns)
        for channel, wanted in self._clock.due(now_ns):
            self._tell(Pulse(now_ns, channel, wanted.amplitude_ua, wanted.pulse_width_us))
            self.pulses += 1

    def next_ns(self) -> int:
        """When `give` is to be called again."""
        if not self.giving:
            return NEVER_NS
        return min(self._clock.next_ns(), self._valid_ns + self._dead_man_ns)

    def _set(self, output: Output, why: str, now_ns: int) -> None:
        was_giving = self.giving
        self.output = output
        self._clock.set(output)
        if not self.giving:
            self._tell(Pulse(now_ns, 0, 0, 0))
        if was_giving and not self.giving:
            emit("stopped", why=why, at_ns=now_ns, pulses=self.pulses)

    def _tell(self, pulse: Pulse) -> None:
        self._sent += 1
        with contextlib.suppress(OSError):  # nobody listens, or too slowly
            self._socket.sendto(
                encode(pulse, self._sent & 0xFFFFFFFF, pulse.given_ns), self._listener
            )


def _output(numbers: list[str]) -> Output | None:
    """The output a `give` asks for, None if out of range."""
    if not numbers or len(numbers) % 4 or not all(number.isdecimal() for number in numbers):
        return None
    output = list(ZERO)
    for at in range(0, len(numbers), 4):
        channel, *values = map(int, numbers[at : at + 4])
        wanted = ChannelOutput(*values)
        in_range = (
            1 <= channel <= CHANNELS
            and wanted.amplitude_ua in AMPLITUDE_UA
            and wanted.pulse_width_us in WIDTH_US
            and wanted.period_us in PERIOD_US
        )
        if not in_range:
            return None
        output[channel - 1] = wanted
    return tuple(output)
