"""How lines bring a stimulator to give pulses: by trigger edges, or by an open gate while it pulses by itself."""

from __future__ import annotations

from typing import Protocol

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.gpio_line import Gate, Line, do_all
from nmesd.drivers.pulses import PulseClock
from nmesd.wire import ZERO, Output


class Train(Protocol):
    """How the device is brought to give pulses."""

    def give(self, output: Output) -> None:
        """This from now on."""

    def tick(self, now_ns: int) -> tuple[int, int]:
        """Do what is due: (pulses given, when the next tick is wanted)."""

    def silence(self, now_ns: int) -> None:
        """Lines low."""


class Triggered:
    """One pulse for each rising edge of a line, while the gate, if there is one, is held open."""

    def __init__(self, line: Line, length_ns: int, gate: Gate | None) -> None:
        self._line, self._length_ns, self._gate = line, length_ns, gate
        self._clock = PulseClock()
        self._fall_ns = NEVER_NS  # when it goes low again; NEVER_NS: it is low
        # Not before: low for as long as high, or the device may not see it.
        self._rise_ns = -NEVER_NS

    def give(self, output: Output) -> None:
        self._clock.set(output)

    def tick(self, now_ns: int) -> tuple[int, int]:
        if now_ns >= self._fall_ns:
            self._low(now_ns)
        if self._clock.next_ns() == NEVER_NS:
            return 0, NEVER_NS
        gate_ns = self._gate.toggle(now_ns) if self._gate is not None else NEVER_NS
        pulses = 0
        if self._fall_ns == NEVER_NS and now_ns >= self._rise_ns and self._clock.due(now_ns):
            pulses, self._fall_ns = 1, now_ns + self._length_ns
            self._line.set(True)
        rise_ns = max(self._clock.next_ns(), self._rise_ns)
        return pulses, min(gate_ns, self._fall_ns, rise_ns)

    def silence(self, now_ns: int) -> None:
        self._clock.set(ZERO)
        gates = [self._gate.low] if self._gate is not None else []
        do_all(*gates, lambda: self._low(now_ns))

    def _low(self, now_ns: int) -> None:
        if self._fall_ns != NEVER_NS:
            self._fall_ns, self._rise_ns = NEVER_NS, now_ns + self._length_ns
        self._line.set(False)


class SelfPaced:
    """The device's own pulses while its gate may be open, counted from the earliest they can have come.

    It may begin a period afresh whenever its gate opens. So the gate opens only when it must have been shut for a
    period: no two pulses come closer, and none is missed in the count.
    """

    def __init__(self, gate: Gate, period_ns: int) -> None:
        self._gate, self._period_ns = gate, period_ns
        self._giving = False
        self._due_ns = NEVER_NS  # earliest time of the next pulse; NEVER_NS: the gate is shut
        self._shut_ns = NEVER_NS  # latest time at which it shuts; NEVER_NS: it is being toggled
        self._ready_ns = -NEVER_NS  # it must not open before

    def give(self, output: Output) -> None:
        self._giving = True

    def tick(self, now_ns: int) -> tuple[int, int]:
        if self._gate.lapsed(now_ns):
            self._shut()
        pulses = self._count(now_ns)
        if not self._giving:
            return (
                pulses,
                NEVER_NS if self._due_ns == NEVER_NS else self._shut_ns,
            )  # to count the rest
        if now_ns < self._ready_ns:
            return pulses, self._ready_ns
        if self._due_ns == NEVER_NS:
            self._due_ns, self._shut_ns = now_ns, NEVER_NS
            pulses += self._count(now_ns)
        return pulses, self._gate.toggle(now_ns)

    def silence(self, now_ns: int) -> None:
        self._giving = False
        self._shut()

    def _shut(self) -> None:
        if self._due_ns != NEVER_NS and self._shut_ns == NEVER_NS:
            self._shut_ns = self._gate.shut_ns()
            self._ready_ns = self._shut_ns + self._period_ns
        self._gate.low()

    def _count(self, now_ns: int) -> int:
        until_ns = min(now_ns, self._shut_ns)
        pulses = max(0, (until_ns - self._due_ns) // self._period_ns + 1)
        self._due_ns += pulses * self._period_ns
        if now_ns >= self._shut_ns:
            self._due_ns = NEVER_NS
        return pulses
