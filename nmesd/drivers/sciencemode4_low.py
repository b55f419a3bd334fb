"""ScienceMode 4, low level: one command per pulse. Nothing repeats by itself, silence is zero."""

from __future__ import annotations

from nmesd.drivers.base import NEVER_NS, Given
from nmesd.drivers.conversation import Conversation
from nmesd.drivers.hasomed_bytes import Packet
from nmesd.drivers.pulses import PulseClock
from nmesd.drivers.sciencemode4_packets import (
    CAPABILITIES,
    UA_PER_STEP,
    Command,
    Result,
    biphasic,
    electrode_error,
    failure,
    ll_channel,
    net_charge_pc,
)
from nmesd.units import NS_PER_MS, charge_pc
from nmesd.wire import ZERO, Output

RETRY_NS = NS_PER_MS  # how soon to look again whether the answer has come that a pulse waits for


class LowLevel:
    """What is wanted, and which pulses are on their way."""

    stop = Command.LL_STOP
    capabilities = CAPABILITIES  # at any rate: the guard makes it

    def __init__(self, line: Conversation, interphase_us: int) -> None:
        self._line, self._interphase_us = line, interphase_us
        self._clock = PulseClock()
        self._ready = self._asked = False
        self._on_their_way: dict[int, int] = {}  # number of the command -> channel

    def zero(self, now_ns: int) -> None:
        """No more pulses, high voltage off."""
        self._clock.set(ZERO)
        self._ready = self._asked = False
        self._line.stop([(Command.LL_STOP, b"")], now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Want these pulses. High voltage on, with the first."""
        self._clock.set(output)
        self._make_ready(now_ns)

    def tick(self, now_ns: int) -> Given:
        """Send what is due, but on no channel whose last pulse is not acknowledged: no queue outlives us."""
        if self._clock.next_ns() == NEVER_NS:
            return Given(0, 0, 0, NEVER_NS)
        self._make_ready(now_ns)
        if not self._ready:
            return Given(0, 0, 0, now_ns + RETRY_NS)
        busy = self._on_their_way.values()
        due = self._clock.due(now_ns, busy=busy)
        commands, charge, net = [], 0, 0
        for channel, wanted in due:
            shape = biphasic(
                wanted.pulse_width_us, wanted.amplitude_ua // UA_PER_STEP, self._interphase_us
            )
            commands.append((Command.LL_CHANNEL, ll_channel(channel, shape)))
            charge += charge_pc(wanted.amplitude_ua, wanted.pulse_width_us)
            net += abs(net_charge_pc(shape))
        if due:
            numbers = self._line.send(commands, now_ns)
            self._on_their_way.update(zip(numbers, (channel for channel, _ in due), strict=True))
        next_ns = self._clock.next_ns()
        return Given(len(due), charge, net, next_ns if next_ns > now_ns else now_ns + RETRY_NS)

    def stopped(self, now_ns: int) -> None:
        """A stop is acknowledged: nothing to do."""

    def _make_ready(self, now_ns: int) -> None:
        if not self._asked and not self._line.stop_owed:
            self._line.send([(Command.LL_INIT, b"\0")], now_ns)
            self._asked = True
            self._on_their_way.clear()

    def heard(self, packet: Packet, now_ns: int) -> None:
        """The answer to an initialisation or a pulse."""
        result = packet.data[:1]
        if packet.command == Command.LL_INIT_ACK and result == bytes((Result.OK,)):
            self._ready = self._asked
        elif packet.command == Command.LL_CHANNEL_ACK:
            channel = self._on_their_way.pop(packet.number, -1)
            if result == bytes((Result.ELECTRODE_ERROR,)) and channel >= 0:
                raise electrode_error(channel)
            if result != bytes((Result.OK,)):
                raise failure("did not give a pulse", packet.data)
        else:
            raise failure("refuses the low level", packet.data)
