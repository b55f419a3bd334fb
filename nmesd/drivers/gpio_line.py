"""Output lines of a GPIO chip, and the gate that is open only while its line is toggled.

The gate is hardware, a retriggerable monostable: each rising edge holds it open for HOLD to HOLD_MOST toggle
times, a falling one does nothing. A line that stays high or low shuts it, whatever holds it there: a dead guard,
or a kernel that hangs, or one that keeps the level of a dead process as Raspberry Pi's does (facts on stimulators,
A.3).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nmesd.drivers.base import NEVER_NS
from nmesd.errors import DeviceError

if TYPE_CHECKING:
    import gpiod

CONSUMER = "nmesd-guard"
DEV = Path("/dev")
MOST_LINES = 512  # C: chosen here; a Raspberry Pi 4 has 58, GPIO expanders have fewer
# C: the monostable's time, in toggle times, lies between these two: 30 to 40 ms with the default of 5 ms, so build
# it for 35. Then a guard may be as late at each toggle as it tolerates of itself (10 ms), and the gate stays open.
HOLD = 6
HOLD_MOST = 8
LAPSE = HOLD // 2  # toggles further apart than this can make rising edges further apart than HOLD
# C: the gate shuts at most 80 ms after the last toggle, less than the longest lease.
TOGGLE_MS = range(1, 11)

_FAILURES = (OSError, ValueError, NotImplementedError)  # what gpiod makes of an errno


class Line:
    """One line claimed as output, low to begin with."""

    def __init__(self, request: gpiod.LineRequest, number: int, name: str) -> None:
        from gpiod.line import Value

        self._request: gpiod.LineRequest | None = request
        self._number, self._name = number, name
        self._values = (Value.INACTIVE, Value.ACTIVE)

    def set(self, high: bool) -> None:  # noqa: FBT001 - a level is what a line has
        """Drive it high or low."""
        if self._request is None:
            raise DeviceError(f"{self._name} is not open: restart the guard")
        self._put(self._request, high=high)

    def reads_high(self) -> bool:
        """What is on it. A chip that cannot be read back is taken at its word."""
        try:
            return self._request is not None and bool(self._request.get_value(self._number))
        except _FAILURES:
            return False

    def close(self) -> None:
        """Low, then let it go; again is nothing."""
        request, self._request = self._request, None
        if request is None:
            return
        try:
            self._put(request, high=False)
        finally:
            request.release()

    def _put(self, request: gpiod.LineRequest, *, high: bool) -> None:
        try:
            request.set_value(self._number, self._values[high])
        except _FAILURES as error:
            level = "high" if high else "low"
            raise DeviceError(
                f"{self._name} cannot be set {level}: {error}: check that its chip is still there"
            ) from None


def open_line(chip: str, line: int, consumer: str = CONSUMER) -> Line:
    """Claim `line` of the chip with this label, or at this /dev path: alone, low, and read back."""
    try:
        import gpiod
        from gpiod.line import Direction, Value
    except ImportError:
        raise DeviceError("gpiod is not installed: `pip install gpiod` where nmesd is") from None
    name = f"line {line} of {chip}"
    low = gpiod.LineSettings(direction=Direction.OUTPUT, output_value=Value.INACTIVE)
    path = chip if chip.startswith("/") else _labelled(gpiod.Chip, chip)
    try:
        with gpiod.Chip(path) as device:
            count = device.get_info().num_lines
            if line >= count:
                raise DeviceError(f"{chip} has lines 0 to {count - 1}, not {line}: see `gpioinfo`")
            try:
                request = device.request_lines({line: low}, consumer)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                holder = device.get_line_info(line).consumer or "the kernel"
                raise DeviceError(
                    f"{name}: another program has this line ({holder}): end it, or choose another line"
                ) from None
    except _FAILURES as error:
        raise DeviceError(_why_not(name, error)) from None
    opened = Line(request, line, name)
    if opened.reads_high():
        opened.close()
        raise DeviceError(
            f"{name} is high though set low: something else drives it. Switch the stimulator off "
            "and check the wiring"
        )
    return opened


class Gate:
    """The line of a gate: open while `toggle` is called at least every LAPSE toggle times."""

    def __init__(self, line: Line, toggle_ns: int) -> None:
        self._line, self._toggle_ns = line, toggle_ns
        self._high = False
        self._toggled_ns = -NEVER_NS  # -NEVER_NS: not since it was low for good

    def toggle(self, now_ns: int) -> int:
        """Toggle it if that is due, at first with a rising edge; when the next is due."""
        if now_ns >= self._toggled_ns + self._toggle_ns:
            self._high, self._toggled_ns = not self._high, now_ns
            self._line.set(self._high)
        return self._toggled_ns + self._toggle_ns

    def lapsed(self, now_ns: int) -> bool:
        """Whether it may have shut by itself, for want of toggles."""
        return now_ns > self._toggled_ns + LAPSE * self._toggle_ns > 0

    def shut_ns(self) -> int:
        """When it is shut at the latest, if it is toggled no more."""
        return self._toggled_ns + HOLD_MOST * self._toggle_ns

    def low(self) -> None:
        """No toggles any more."""
        self._high, self._toggled_ns = False, -NEVER_NS
        self._line.set(False)


def do_all(*acts: Callable[[], None]) -> None:
    """Do every one of these, whatever fails, and raise the first failure afterwards."""
    first: Exception | None = None
    for act in acts:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - also a bug in one must not keep the others from it
            first = first or error
    if first is not None:
        raise first


def _labelled(open_chip: type[gpiod.Chip], label: str) -> str:
    """The path of the chip with this label. Numbers differ between models and kernels."""
    # Raspberry Pi OS keeps an old number as a link to the same chip.
    paths = sorted({str(path.resolve()) for path in DEV.glob("gpiochip*")})
    labels, refused = {}, ""
    for path in paths:
        try:
            with open_chip(path) as chip:
                labels[path] = chip.get_info().label
        except _FAILURES as error:
            refused = _why_not(path, error)
    found = [path for path, one in labels.items() if one == label]
    if len(found) == 1:
        return found[0]
    if found:
        raise DeviceError(f"more than one GPIO chip is called {label}: name {' or '.join(found)}")
    if refused:
        raise DeviceError(refused)
    there = ", ".join(labels.values()) or "none"
    raise DeviceError(f"no GPIO chip is called {label!r}; there are: {there}. Correct guard.toml")


def _why_not(name: str, error: Exception) -> str:
    number = error.args[0] if error.args else 0
    if number in (errno.EACCES, errno.EPERM):
        return f"{name}: not allowed: the guard's user must be in the group gpio"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENOTTY):
        return f"{name}: no such GPIO chip: `gpiodetect` lists them by label"
    return f"{name}: {error}"
