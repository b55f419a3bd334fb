"""A second cut-off, independent of the stimulator: a gate in hardware beside another driver.

It passes current, or the device's supply or cable, only while its line is toggled, and that happens only in a
guard tick under a fresh lease while output is wanted. See `gpio_line.py` on the monostable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from nmesd.drivers.base import Driver, Given
from nmesd.drivers.gpio_line import MOST_LINES, TOGGLE_MS, Gate, Line, do_all, open_line
from nmesd.drivers.options import Option, chosen
from nmesd.errors import DeviceError
from nmesd.units import NS_PER_MS
from nmesd.wire import Output, is_zero

OPTIONS = {
    "chip": Option(None, str, "", "a text is needed: the GPIO chip's label, see `gpiodetect`"),
    "line": Option(
        None, int, range(MOST_LINES), f"must be the line's number, 0 to {MOST_LINES - 1}"
    ),
    "toggle_ms": Option(
        5, int, TOGGLE_MS, "must be 1 to 10 ms, a sixth of the time of the gate's monostable"
    ),
}


class Gated:
    """`driver` behind a gate, as [gate] of guard.toml describes it."""

    def __init__(self, driver: Driver, gate: Mapping[str, Any]) -> None:
        values = chosen(OPTIONS, gate, "gate")
        self._driver = driver
        self._chip, self._number = values["chip"], values["line"]
        self._toggle_ms = values["toggle_ms"]
        self.capabilities = driver.capabilities
        self._line: Line | None = None
        self._gate: Gate | None = None
        self._giving = False

    def open(self) -> None:
        """The gate low first, then the device."""
        self._line = open_line(self._chip, self._number)
        self._gate = Gate(self._line, self._toggle_ms * NS_PER_MS)
        try:
            self._driver.open()
        except DeviceError:
            with contextlib.suppress(DeviceError):
                self._let_line_go()
            raise
        self.capabilities = self._driver.capabilities

    def identify(self) -> str:
        """The device, and its gate."""
        gate = f"line {self._number} of {self._chip}, toggled every {self._toggle_ms} ms"
        return f"{self._driver.identify()}; behind a gate on {gate}"

    def fileno(self) -> int:
        """The device's."""
        return self._driver.fileno()

    def listen(self, now_ns: int) -> Sequence[int]:
        """Hear the device."""
        return self._driver.listen(now_ns)

    def zero(self, now_ns: int) -> None:
        """The gate low first, then the device, whatever fails."""
        do_all(self._shut, lambda: self._driver.zero(now_ns))

    def apply(self, output: Output, now_ns: int) -> None:
        """Pass it on; with zero output the gate goes low first."""
        if is_zero(output):
            do_all(self._shut, lambda: self._driver.apply(output, now_ns))
            return
        if self._gate is None:
            raise DeviceError("the gate is not open to be driven: restart the guard")
        self._driver.apply(output, now_ns)
        self._giving = True

    def tick(self, now_ns: int) -> Given:
        """Toggle the gate when that is due, while output is wanted, and then let the device give."""
        if self._gate is None or not self._giving:
            return self._driver.tick(now_ns)
        toggle_ns = self._gate.toggle(now_ns)
        given = self._driver.tick(now_ns)
        return given._replace(next_ns=min(given.next_ns, toggle_ns))

    def close(self) -> None:
        """The gate low and let go, then the device, whatever fails."""
        do_all(self._let_line_go, self._driver.close)

    def _shut(self) -> None:
        self._giving = False
        if self._gate is not None:
            self._gate.low()

    def _let_line_go(self) -> None:
        line, self._line, self._gate, self._giving = self._line, None, None, False
        if line is not None:
            line.close()
