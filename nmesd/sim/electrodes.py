"""What an emulated stimulator really gives: each pulse told and counted, and when it stopped and why."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.pulses import PulseClock
from nmesd.units import NS_PER_US
from nmesd.wire import CHANNELS, ZERO, ChannelOutput, Output, Pulse, encode, is_zero

SLOT_NS = 1_500 * NS_PER_US  # of a channel in a pass: ScienceMode 2 protocol, table 7

Tell = Callable[[Pulse], None]


class Report(Protocol):
    """An event for whoever started this (`lines.emit`)."""

    def __call__(self, event: str, /, **values: object) -> None: ...


class PulseSender:
    """Each pulse as a datagram to a unix socket; a missing or full listener loses it, as air would."""

    def __init__(self, listener: Path) -> None:
        self._listener = str(listener)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._sent = 0

    def __call__(self, pulse: Pulse) -> None:
        self._sent += 1
        with contextlib.suppress(OSError):
            self._socket.sendto(
                encode(pulse, self._sent & 0xFFFFFFFF, pulse.given_ns), self._listener
            )


class Clock(Protocol):
    """When a device that repeats pulses by itself gives which."""

    @property
    def giving(self) -> bool:
        """Is there current to come?"""

    def clear(self) -> None:
        """No pulse any more, from now on."""

    def due(self, now_ns: int) -> list[tuple[int, ChannelOutput]]:
        """(channel, pulse) of every pulse due now; counts them as given."""

    def next_ns(self) -> int:
        """When `due` is to be asked again, NEVER_NS if not."""


class Channels:
    """Each channel at its own period, switched on over its own ramp (P24, mid level)."""

    def __init__(self) -> None:
        self._pulses = PulseClock()  # a late pulse moves those after it: the rate is never over
        self._output: Output = ZERO
        self._ramps = [0] * CHANNELS
        self._given = [0] * CHANNELS  # pulses since it was switched on

    @property
    def giving(self) -> bool:
        return not is_zero(self._output)

    def set(self, output: Output, ramps: dict[int, int]) -> None:
        """Give this from now on; `ramps` (pulses) has the channels that are on, also those at 0 mA."""
        for channel in range(CHANNELS):
            if channel not in ramps:
                self._given[channel] = 0
            self._ramps[channel] = ramps.get(channel, 0)
        self._output = output
        self._pulses.set(output)

    def drop(self, channel: int) -> None:
        """Switch one channel off."""
        output = list(self._output)
        output[channel] = ChannelOutput()
        self._output = tuple(output)
        self._given[channel] = 0
        self._pulses.set(self._output)

    def clear(self) -> None:
        self.set(ZERO, {})

    def due(self, now_ns: int) -> list[tuple[int, ChannelOutput]]:
        return [
            (channel, wanted._replace(amplitude_ua=self._ramped(channel, wanted.amplitude_ua)))
            for channel, wanted in self._pulses.due(now_ns)
        ]

    def next_ns(self) -> int:
        return self._pulses.next_ns()

    def _ramped(self, channel: int, amplitude_ua: int) -> int:
        # "[0-15] pulses, linear increasing lower current until the full current": our reading of the steps.
        self._given[channel] += 1
        steps = self._ramps[channel] + 1
        return amplitude_ua * min(self._given[channel], steps) // steps


class Slots:
    """A channel list (RehaStim 2): a pass each main interval, in it a slot for each active channel.

    A slot is taken also at zero, and new values count from the next pass on. A late pulse moves all after it.
    """

    def __init__(self) -> None:
        self._active: list[int] = []
        self._interval_ns = 0
        self._wanted: Output = ZERO  # from the next pass on
        self._passing: Output = ZERO  # in this pass
        self._pass_ns = -NEVER_NS  # when this pass began
        self._slot = 0  # the next of this pass
        self._running = False

    @property
    def giving(self) -> bool:
        left = self._active[self._slot :]
        return not is_zero(self._wanted) or any(self._passing[one].amplitude_ua for one in left)

    def begin(self, active: list[int], interval_ns: int) -> None:
        """A new list of channels (from 0, ascending): no pass before the first `set`."""
        self.clear()
        self._active, self._interval_ns = active, interval_ns

    def set(self, output: Output, now_ns: int) -> None:
        """New values; the first begin a pass at once, but never before the interval is over."""
        self._wanted = output
        if not self._running:
            self._running = True
            self._slot = len(self._active)
            self._pass_ns = max(self._pass_ns, now_ns - self._interval_ns)

    def clear(self) -> None:
        self._wanted = self._passing = ZERO
        self._running = False

    def due(self, now_ns: int) -> list[tuple[int, ChannelOutput]]:
        given = []
        while now_ns >= self.next_ns():
            if self._slot == len(self._active):
                self._passing, self._slot = self._wanted, 0
            channel = self._active[self._slot]
            self._pass_ns = now_ns - self._slot * SLOT_NS
            self._slot += 1
            if self._passing[channel].amplitude_ua:
                given.append((channel, self._passing[channel]))
        return given

    def next_ns(self) -> int:
        if not self._running:
            return NEVER_NS
        if self._slot < len(self._active):
            return self._pass_ns + self._slot * SLOT_NS
        return self._pass_ns + self._interval_ns


class Electrodes:
    """Tells what reaches them, single pulses and those of `clock`. A zero is told as a pulse of amplitude 0.

    Reports {"event": "stopped", "why", "at_ns", "pulses"} when repeating ends, by whatever. A single pulse ends by
    itself: that is no stop.
    """

    def __init__(self, clock: Clock, tell: Tell, report: Report) -> None:
        self._clock, self._tell, self._report = clock, tell, report
        self._why = "command"
        self.off: set[int] = set()  # channels (from 0) whose electrode has come off
        self.giving = False  # repeats pulses that have current
        self.pulses = 0  # that had current

    def pulse(self, channel: int, amplitude_ua: int, pulse_width_us: int, now_ns: int) -> bool:
        """Give one; False if the electrode has come off, and nothing flowed."""
        if not amplitude_ua:
            self._tell(Pulse(now_ns, 0, 0, 0))
            return True
        if channel in self.off:
            return False
        self._tell(Pulse(now_ns, channel, amplitude_ua, pulse_width_us))
        self.pulses += 1
        return True

    def give(self, now_ns: int) -> list[tuple[int, bool]]:
        """Give what is due: (channel, did it flow)."""
        outcomes = [
            (channel, self.pulse(channel, wanted.amplitude_ua, wanted.pulse_width_us, now_ns))
            for channel, wanted in self._clock.due(now_ns)
        ]
        if self.giving and not self._clock.giving:  # a zero that waited for the end of a pass
            self._end(now_ns)
        return outcomes

    def next_ns(self) -> int:
        """When `give` is to be called again."""
        return self._clock.next_ns()

    def changed(self, why: str, now_ns: int) -> None:
        """The clock was told something else, for this reason."""
        self._why = why
        if self._clock.giving:
            self.giving = True
        else:
            self._end(now_ns)

    def stop(self, why: str, now_ns: int) -> None:
        """Nothing any more, at once."""
        self._clock.clear()
        self.changed(why, now_ns)

    def _end(self, now_ns: int) -> None:
        self._tell(Pulse(now_ns, 0, 0, 0))
        if self.giving:
            self.giving = False
            self._report("stopped", why=self._why, at_ns=now_ns, pulses=self.pulses)
