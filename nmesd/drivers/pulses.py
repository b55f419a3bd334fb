"""When the next pulse of each channel is due, for stimulators that are sent every pulse one by one."""

from __future__ import annotations

from collections.abc import Collection

from nmesd.drivers.base import NEVER_NS
from nmesd.units import NS_PER_US
from nmesd.wire import CHANNELS, ZERO, ChannelOutput, Output


class PulseClock:
    """Keeps each channel's rate: never two pulses closer than a period.

    A late pulse moves those after it, so the mean rate is a little lower than asked, by the lateness of the tick
    (some 0.1 ms). Catching up would give an interval over the rate limit.
    """

    def __init__(self) -> None:
        self._output: Output = ZERO
        self._last_ns = [-NEVER_NS] * CHANNELS

    def set(self, output: Output) -> None:
        """Give this from now on; a channel's first pulse is due at once, but never before its period is over."""
        self._output = output

    def due(
        self, now_ns: int, *, busy: Collection[int] = (), most: int = CHANNELS
    ) -> list[tuple[int, ChannelOutput]]:
        """(channel, pulse) of every pulse due now, but on `busy` channels; counts them as given.

        Of more than `most` those that have waited longest.
        """
        due = [
            (self._last_ns[channel] + wanted.period_us * NS_PER_US, channel)
            for channel, wanted in enumerate(self._output)
            if wanted.amplitude_ua and channel not in busy
        ]
        given = [channel for due_ns, channel in sorted(due)[:most] if due_ns <= now_ns]
        for channel in given:
            self._last_ns[channel] = now_ns
        return [(channel, self._output[channel]) for channel in sorted(given)]

    def next_ns(self) -> int:
        """When the next pulse is due, NEVER_NS if none."""
        return min(
            (
                self._last_ns[channel] + wanted.period_us * NS_PER_US
                for channel, wanted in enumerate(self._output)
                if wanted.amplitude_ua
            ),
            default=NEVER_NS,
        )
