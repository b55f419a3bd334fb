"""ScienceMode 2, single pulses: one command per pulse. Nothing repeats by itself, silence is zero."""

from __future__ import annotations

from nmesd.drivers.base import Given
from nmesd.drivers.conversation import Conversation
from nmesd.drivers.hasomed_bytes import Packet
from nmesd.drivers.pulses import PulseClock
from nmesd.drivers.sciencemode2_packets import (
    CAPABILITIES,
    Command,
    ListPulse,
    Result,
    failure,
    result,
    single_pulse,
)
from nmesd.units import NS_PER_MS, UA_PER_MA, charge_pc
from nmesd.wire import ZERO, Output

RETRY_NS = NS_PER_MS
LIVE_NS = 100 * NS_PER_MS


class SinglePulses:
    """What is wanted. One command at a time, each takes 10 to 24 ms (README of the device): 40 a second."""

    capabilities = CAPABILITIES._replace(one_period=False, period_least_us=25_000, period_step_us=1)

    def __init__(self, line: Conversation) -> None:
        self._line = line
        self._clock = PulseClock()

    def zero(self, now_ns: int) -> None:
        """No more pulses, and stop, should it do anything by itself."""
        self._clock.set(ZERO)
        self._line.stop([(Command.STOP_LIST, b"")], now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Want these pulses."""
        self._clock.set(output)

    def tick(self, now_ns: int) -> Given:
        """Send the pulse that is due, or the keep-alive."""
        pulses = charge = 0
        if not self._line.awaiting and not self._line.stop_owed:
            due = self._clock.due(now_ns, most=1)
            for channel, wanted in due:
                pulse = ListPulse(wanted.pulse_width_us, wanted.amplitude_ua // UA_PER_MA)
                self._line.send([(Command.SINGLE_PULSE, single_pulse(channel, pulse))], now_ns)
                pulses, charge = 1, charge_pc(wanted.amplitude_ua, wanted.pulse_width_us)
            if not due and now_ns >= self._line.sent_ns + LIVE_NS:
                self._line.tell([Packet(self._line.next_number(), Command.WATCHDOG)], now_ns)
                self._line.send([(Command.GET_MODE, b"")], now_ns)
        next_ns = min(self._clock.next_ns(), self._line.sent_ns + LIVE_NS)
        return Given(pulses, charge, 0, next_ns if next_ns > now_ns else now_ns + RETRY_NS)

    def stopped(self, now_ns: int) -> None:
        """A stop is acknowledged: nothing to do."""

    def heard(self, packet: Packet, now_ns: int) -> None:
        """The answer to anything but a stop. A busy device has given no pulse: the next one comes at its time."""
        if result(packet.data) not in (Result.OK, Result.BUSY):
            raise failure(f"does not obey (answer {packet.command})", packet.data)
