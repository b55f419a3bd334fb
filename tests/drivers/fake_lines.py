"""Fake lines of a GPIO chip, and what hangs on them: put `FakeLines.open_line` where a driver has `open_line`."""

import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from nmesd.drivers.gpio_line import CONSUMER
from nmesd.errors import DeviceError


class Change(NamedTuple):
    """A line went to a level."""

    at_ns: int
    high: bool


class FakeLine:
    """A line that records. It outlives being closed: what is wired to it does too."""

    def __init__(self, name: str, clock: Callable[[], int]) -> None:
        self.name, self._clock = name, clock
        self.changes: list[Change] = []
        self.high = self.claimed = False
        self.commands = 0  # settings, also to the level it has
        self.broken = False  # knob: it cannot be set

    def claim(self) -> None:
        if self.claimed:
            raise DeviceError(f"{self.name}: another program has this line ({CONSUMER}): end it")
        self.claimed = True
        self.set(False)

    def set(self, high: bool) -> None:
        assert self.claimed, f"{self.name} is set after it was let go"
        if self.broken:
            raise DeviceError(f"{self.name} cannot be set")
        self.commands += 1
        if high != self.high:
            self.high = high
            self.changes.append(Change(self._clock(), high))

    def reads_high(self) -> bool:
        return self.high

    def close(self) -> None:
        if not self.claimed:
            return
        try:
            self.set(False)
        finally:
            self.claimed = False

    @property
    def rises_ns(self) -> list[int]:
        return [change.at_ns for change in self.changes if change.high]


class FakeLines:
    """All lines of all chips, made as they are asked for. `clock` says when something happens."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._lines: dict[tuple[str, int], FakeLine] = {}

    def __getitem__(self, which: tuple[str, int]) -> FakeLine:
        """(chip, line)."""
        chip, line = which
        if which not in self._lines:
            self._lines[which] = FakeLine(f"line {line} of {chip}", self._clock)
        return self._lines[which]

    def open_line(self, chip: str, line: int, consumer: str = CONSUMER) -> FakeLine:
        """As `gpio_line.open_line`."""
        one = self[chip, line]
        one.claim()
        return one

    def wire_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every driver that opens lines gets these."""
        for module in ("gpio", "gated"):
            monkeypatch.setattr(f"nmesd.drivers.{module}.open_line", self.open_line)


def open_spans(changes: list[Change], hold_ns: int) -> list[tuple[int, int]]:
    """(from, until) of a gate that a retriggerable monostable holds open for `hold_ns` after a rising edge."""
    spans: list[tuple[int, int]] = []
    for at_ns, high in changes:
        if high and spans and at_ns <= spans[-1][1]:
            spans[-1] = (spans[-1][0], at_ns + hold_ns)
        elif high:
            spans.append((at_ns, at_ns + hold_ns))
    return spans
