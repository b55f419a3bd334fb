"""A device that is opened, stopped and heard, and never told to give: a new installation's first step."""

from __future__ import annotations

from collections.abc import Sequence

from nmesd.drivers.base import NEVER_NS, Driver, Given
from nmesd.wire import Output


class DryRun:
    """Around a driver: everything but output."""

    def __init__(self, driver: Driver, level: str) -> None:
        self._driver = driver
        self._level = level
        self.capabilities = driver.capabilities._replace(simulated=True)

    def open(self) -> None:
        """Open the device and verify that it gives nothing."""
        self._driver.open()

    def identify(self) -> str:
        """Says that nothing comes out, before anything else."""
        return f"GIVES NOTHING (level {self._level}): {self._driver.identify()}"

    def fileno(self) -> int:
        """The device's."""
        return self._driver.fileno()

    def listen(self, now_ns: int) -> Sequence[int]:
        """Hear the device."""
        return self._driver.listen(now_ns)

    def zero(self, now_ns: int) -> None:
        """To the device, as always."""
        self._driver.zero(now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Not to the device."""

    def tick(self, now_ns: int) -> Given:
        """Nothing."""
        return Given(0, 0, 0, NEVER_NS)

    def close(self) -> None:
        """Let the device go."""
        self._driver.close()
