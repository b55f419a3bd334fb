"""The simulated stimulator: sends each pulse as a datagram to whoever listens (virtual patient, test, demo)."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import ClassVar

from nmesd.drivers.base import Given
from nmesd.drivers.options import Option
from nmesd.drivers.pulses import PulseClock
from nmesd.units import charge_pc
from nmesd.wire import ANY, ZERO, Output, Pulse, encode, is_zero


class SimulatedStimulator:
    """Pulses to the unix datagram socket `port`; a missing or full listener loses them, as air would.

    A commanded zero is told as a pulse of amplitude 0.
    """

    capabilities = ANY
    OPTIONS: ClassVar[dict[str, Option]] = {}

    def __init__(self, port: str) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._clock = PulseClock()
        self._sent = 0

    def open(self) -> None:
        """Nothing to find there; starts at zero."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._clock.set(ZERO)

    def identify(self) -> str:
        """What it is."""
        return f"simulated stimulator, pulses to {self._port}"

    def fileno(self) -> int:
        """It never says anything."""
        return -1

    def listen(self, now_ns: int) -> Sequence[int]:
        """It never says anything."""
        return ()

    def zero(self, now_ns: int) -> None:
        """Give nothing from now on."""
        self._clock.set(ZERO)
        self._tell(Pulse(now_ns, 0, 0, 0))

    def apply(self, output: Output, now_ns: int) -> None:
        """Give this from now on."""
        if is_zero(output):
            self.zero(now_ns)
        self._clock.set(output)

    def tick(self, now_ns: int) -> Given:
        """Give what is due."""
        pulses, charge = 0, 0
        for channel, wanted in self._clock.due(now_ns):
            self._tell(
                Pulse(time.monotonic_ns(), channel, wanted.amplitude_ua, wanted.pulse_width_us)
            )
            pulses += 1
            charge += charge_pc(wanted.amplitude_ua, wanted.pulse_width_us)
        return Given(pulses, charge, 0, self._clock.next_ns())

    def close(self) -> None:
        """Give nothing any more."""
        self._clock.set(ZERO)
        if self._socket is not None:
            self._socket.close()

    def _tell(self, pulse: Pulse) -> None:
        if self._socket is None:
            return
        self._sent += 1
        with contextlib.suppress(OSError):
            self._socket.sendto(encode(pulse, self._sent & 0xFFFFFFFF, pulse.given_ns), self._port)
