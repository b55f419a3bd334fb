"""What the guard asks of a stimulator. Small on purpose: one suite tests every driver against it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from nmesd.wire import Output

NEVER_NS = 2**62  # "nothing is due"


class Capabilities(NamedTuple):
    """What a stimulator can do."""

    channels: int
    simulated: bool  # gives no current to anybody


class Given(NamedTuple):
    """What a tick gave, and when the next pulse is due (CLOCK_MONOTONIC, NEVER_NS if none)."""

    pulses: int
    charge_pc: int
    next_ns: int


class Driver(Protocol):
    """A stimulator. Every method may raise DeviceError; the guard then commands zero and trips."""

    capabilities: Capabilities

    def open(self) -> None:
        """Open the device exclusively and make sure that it gives nothing."""

    def identify(self) -> str:
        """Model, serial number and firmware, for people and the record."""

    def zero(self, now_ns: int) -> None:
        """Give nothing from now on. Always allowed, may be repeated."""

    def apply(self, output: Output, now_ns: int) -> None:
        """Give this from now on, as pulses that `tick` lets through."""

    def tick(self, now_ns: int) -> Given:
        """Give what is due. Called only by a guard tick that has just verified a fresh lease."""

    def close(self) -> None:
        """Give nothing and let the device go."""
