"""What the guard asks of a stimulator. Small on purpose: one suite tests every driver against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from nmesd.wire import Capabilities, Output

NEVER_NS = 2**62  # "nothing is due"


class Given(NamedTuple):
    """What a tick gave, and when the next is wanted (CLOCK_MONOTONIC, NEVER_NS if none)."""

    pulses: int
    charge_pc: int  # of the first phases together
    net_pc: int  # both phases of every pulse as it was coded for the device: 0 if they balance
    next_ns: int


class Driver(Protocol):
    """A stimulator. Every method may raise DeviceError; the guard then commands zero and trips.

    None of them waits, but `open` and `close`. Every output has passed `wire.coded` with these capabilities.
    """

    capabilities: Capabilities

    def open(self) -> None:
        """Open the device for this process alone, command stop, and verify that it gives nothing."""

    def identify(self) -> str:
        """Model, serial number and firmware, for people and the record."""

    def fileno(self) -> int:
        """Becomes readable when the device says something; -1 for a device that never does."""

    def listen(self, now_ns: int) -> Sequence[int]:
        """Hear what the device says, in any state. How long each answer that came took, ns.

        Raises DeviceError if an answer is late, odd or bad.
        """

    def zero(self, now_ns: int) -> None:
        """Give nothing from now on, and stand down. Always allowed, may be repeated."""

    def apply(self, output: Output, now_ns: int) -> None:
        """While armed: give this from now on, as pulses that `tick` lets through.

        With zero output it gives nothing at once and makes ready, so that the first pulse need not wait.
        """

    def tick(self, now_ns: int) -> Given:
        """Give what is due, keep the device alive. Called only when a fresh lease has just been verified."""

    def close(self) -> None:
        """Give nothing and let the device go."""
