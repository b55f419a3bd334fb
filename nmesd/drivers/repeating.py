"""What a stimulator that repeats its pulses by itself has given: an estimate that is never too low.

The host knows when it sent a command, not when the device took it. So a pulse is counted at the earliest time
it can have come, and at the highest charge that may have been in force then.
"""

from __future__ import annotations

from nmesd.drivers.base import NEVER_NS
from nmesd.units import NS_PER_US, charge_pc
from nmesd.wire import CHANNELS, ZERO, ChannelOutput, Output, is_zero


class RepeatingPulses:
    """Counts pulses and charge (of one phase) between a command and the next.

    slack_ns: how late a pulse may come after its earliest time; the device's time to answer.
    """

    def __init__(self, slack_ns: int) -> None:
        self._slack_ns = slack_ns
        self._possible: list[Output] = [
            ZERO
        ]  # what it may give: the last known, and all told since
        self._due_ns = [NEVER_NS] * CHANNELS  # earliest time of the next pulse
        self._last = [(-NEVER_NS, 0)] * CHANNELS  # earliest time and charge of the last
        self._quiet_ns = -NEVER_NS  # since when it certainly gives nothing
        self._pulses = self._charge_pc = 0

    def change(self, output: Output, now_ns: int) -> None:
        """The device was told `output`; until `settled` it may still give what it gave."""
        self.count(now_ns)
        if output != self._possible[-1]:
            self._possible.append(output)
        for channel, wanted in enumerate(output):
            if not wanted.amplitude_ua:
                continue
            last_ns, last_pc = self._last[channel]
            earliest_ns = max(now_ns, last_ns + wanted.period_us * NS_PER_US)
            self._due_ns[channel] = min(self._due_ns[channel], earliest_ns)
            more_pc = _charge(wanted) - last_pc
            if more_pc > 0 and now_ns - last_ns < self._slack_ns:
                # The last pulse may not have come yet, and then comes with the new charge.
                self._last[channel] = (last_ns, last_pc + more_pc)
                self._charge_pc += more_pc

    def settled(self, now_ns: int) -> None:
        """The device gives what it was last told, and nothing else."""
        self.count(now_ns)
        if self._possible != [ZERO] and is_zero(self._possible[-1]):
            self._quiet_ns = now_ns
        del self._possible[:-1]
        for channel, wanted in enumerate(self._possible[-1]):
            if not wanted.amplitude_ua:
                self._due_ns[channel] = NEVER_NS

    def may_begin_ns(self, output: Output) -> int:
        """From when on a first pulse of `output` is a period after the last that was given.

        A device that was stopped begins at once when it is started again, and does not look back.
        """
        return self._quiet_ns + max(one.period_us for one in output) * NS_PER_US

    def count(self, now_ns: int) -> None:
        """Count what may have been given by now."""
        for channel in range(CHANNELS):
            while self._due_ns[channel] <= now_ns:  # then at least one of these gives current
                may = [o[channel] for o in self._possible if o[channel].amplitude_ua]
                charge = max(map(_charge, may))
                self._last[channel] = (self._due_ns[channel], charge)
                self._due_ns[channel] += min(w.period_us for w in may) * NS_PER_US
                self._pulses += 1
                self._charge_pc += charge

    def take(self) -> tuple[int, int]:
        """(pulses, charge) counted since the last call."""
        taken = self._pulses, self._charge_pc
        self._pulses = self._charge_pc = 0
        return taken

    def next_ns(self) -> int:
        """When the next pulse is due at the earliest, NEVER_NS if none."""
        return min(self._due_ns)


def _charge(wanted: ChannelOutput) -> int:
    return charge_pc(wanted.amplitude_ua, wanted.pulse_width_us)
