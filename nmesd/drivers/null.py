"""No stimulator: counts what would have been given. For biofeedback and for looking at a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from nmesd.drivers.base import Given
from nmesd.drivers.options import Option
from nmesd.drivers.pulses import PulseClock
from nmesd.units import charge_pc
from nmesd.wire import ANY, ZERO, Output


class NullStimulator:
    """Gives nothing to nobody."""

    capabilities = ANY
    OPTIONS: ClassVar[dict[str, Option]] = {}

    def __init__(self, port: str) -> None:
        self._port = port
        self._clock = PulseClock()

    def open(self) -> None:
        """Nothing to open."""

    def identify(self) -> str:
        """What it is."""
        return "no stimulator"

    def fileno(self) -> int:
        """It never says anything."""
        return -1

    def listen(self, now_ns: int) -> Sequence[int]:
        """It never says anything."""
        return ()

    def zero(self, now_ns: int) -> None:
        """Give nothing from now on."""
        self._clock.set(ZERO)

    def apply(self, output: Output, now_ns: int) -> None:
        """Pretend to give this from now on."""
        self._clock.set(output)

    def tick(self, now_ns: int) -> Given:
        """Count what is due."""
        due = self._clock.due(now_ns)
        charge = sum(charge_pc(wanted.amplitude_ua, wanted.pulse_width_us) for _, wanted in due)
        return Given(len(due), charge, 0, self._clock.next_ns())

    def close(self) -> None:
        """Give nothing any more."""
        self._clock.set(ZERO)
