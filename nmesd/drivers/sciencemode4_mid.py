"""ScienceMode 4, mid level: the device repeats its pulses until told, or 2 s after the last keep-alive."""

from __future__ import annotations

from nmesd.drivers.base import Given
from nmesd.drivers.conversation import Conversation
from nmesd.drivers.hasomed_bytes import Packet, odd
from nmesd.drivers.repeating import RepeatingPulses
from nmesd.drivers.sciencemode4_packets import (
    CAPABILITIES,
    UA_PER_STEP,
    Command,
    Result,
    biphasic,
    electrode_error,
    failure,
    ml_channel,
    net_charge_pc,
)
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import CHANNELS, ZERO, Output, is_zero

RETRY_NS = NS_PER_MS
DEAD_MAN_NS = 2 * NS_PER_S  # instructions for use, p. 23
# Far shorter than the dead-man needs: so soon, and the time for an answer, a device gone deaf is noticed.
LIVE_NS = 100 * NS_PER_MS
_STOP_ALL = b"\1"  # ML_INIT: on an electrode error every channel stops
_ELECTRODE, _PULSE_TIMEOUT, _LOW_CURRENT = 1, 2, 3  # a channel's nibble


class MidLevel:
    """What is wanted, what it was told, and what it may have given since."""

    stop = Command.ML_STOP
    capabilities = CAPABILITIES._replace(
        period_least_us=500, period_most_us=16_383_000, period_step_us=500
    )

    def __init__(self, line: Conversation, interphase_us: int, ack_ns: int) -> None:
        self._line, self._interphase_us, self._ack_ns = line, interphase_us, ack_ns
        self._given = RepeatingPulses(ack_ns)
        self._ready = self._asked = False
        self._wanted: Output = ZERO
        self._told: Output = ZERO
        self._net_pc = 0

    def zero(self, now_ns: int) -> None:
        """All off, high voltage off."""
        self._wanted = self._told = ZERO
        self._given.change(ZERO, self._awake_ns(now_ns))
        self._ready = self._asked = False
        self._line.stop([(Command.ML_STOP, b"")], now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Want this; zero is sent at once, anything else only by a tick."""
        self._wanted = output
        self._make_ready(now_ns)
        if is_zero(output) and not is_zero(self._told):
            self._update(now_ns)

    def tick(self, now_ns: int) -> Given:
        """Send what is wanted, or the keep-alive; count what may have been given since the last tick."""
        self._given.count(self._awake_ns(now_ns))
        self._make_ready(now_ns)
        if self._ready and not self._line.awaiting:  # one at a time
            begins = is_zero(self._told) and not is_zero(self._wanted)
            if self._wanted != self._told:
                if not begins or now_ns >= self._given.may_begin_ns(self._wanted):
                    self._update(now_ns)
                    self._given.count(now_ns)
            elif now_ns >= self._line.sent_ns + LIVE_NS:
                self._line.send([(Command.ML_GET_CURRENT_DATA, b"\4")], now_ns)
        waits = not self._ready or self._line.awaiting or self._wanted != self._told
        next_ns = now_ns + RETRY_NS if waits else self._line.sent_ns + LIVE_NS
        return Given(
            *self._given.take(), self._net_pc, max(now_ns + 1, min(next_ns, self._given.next_ns()))
        )

    def heard(self, packet: Packet, now_ns: int) -> None:
        """The answer to anything but a stop."""
        if packet.data[:1] != bytes((Result.OK,)):
            raise failure("refuses the mid level", packet.data)
        if packet.command == Command.ML_INIT_ACK:
            self._ready = self._asked
        elif packet.command == Command.ML_GET_CURRENT_DATA_ACK:
            _check_electrodes(packet.data)
        if not self._line.awaiting:
            self._given.settled(self._awake_ns(now_ns))

    def stopped(self, now_ns: int) -> None:
        """A stop is acknowledged."""
        self._given.settled(self._awake_ns(now_ns))

    def _make_ready(self, now_ns: int) -> None:
        if not self._asked and not self._line.stop_owed:
            self._line.send([(Command.ML_INIT, _STOP_ALL)], now_ns)
            self._asked = True

    def _update(self, now_ns: int) -> None:
        mask, channels, net = 0, b"", 0
        for channel, wanted in enumerate(self._wanted):
            if wanted.amplitude_ua:
                shape = biphasic(
                    wanted.pulse_width_us, wanted.amplitude_ua // UA_PER_STEP, self._interphase_us
                )
                mask |= 1 << channel
                channels += ml_channel(shape, wanted.period_us)
                net += abs(net_charge_pc(shape))
        self._line.send([(Command.ML_UPDATE, bytes((mask,)) + channels)], now_ns)
        self._told, self._net_pc = self._wanted, net
        self._given.change(self._told, now_ns)

    def _awake_ns(self, now_ns: int) -> int:
        """Now, but no later than its dead-man has stopped it: a dead device gives no more."""
        return min(now_ns, self._line.sent_ns + DEAD_MAN_NS + self._ack_ns)


def _check_electrodes(data: bytes) -> None:
    """What each channel says of itself: result, 4, active channels, two nibbles a byte."""
    if len(data) < 3 + CHANNELS // 2:
        raise odd("too short a report on its channels")
    for channel in range(CHANNELS):
        nibble = data[3 + channel // 2] >> 4 * (channel % 2) & 0xF
        if nibble in (_ELECTRODE, _LOW_CURRENT):
            raise electrode_error(channel)
        if nibble == _PULSE_TIMEOUT:
            raise failure(
                f"did not finish a pulse on channel {channel + 1}", bytes((Result.PULSE_TIMEOUT,))
            )
