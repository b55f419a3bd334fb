"""When the next pulse of each channel is due, for stimulators that are sent every pulse one by one."""

from __future__ import annotations

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

    def due(self, now_ns: int) -> list[tuple[int, ChannelOutput]]:
        """(channel, pulse) of every pulse due now; counts them as given."""
        given = []
        for channel, wanted in enumerate(self._output):
            if (
                wanted.amplitude_ua
                and now_ns >= self._last_ns[channel] + wanted.period_us * NS_PER_US
            ):
                self._last_ns[channel] = now_ns
                given.append((channel, wanted))
        return given

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
