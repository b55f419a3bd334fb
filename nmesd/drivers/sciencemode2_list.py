"""ScienceMode 2, channel list: the device gives its channels once every main interval, by itself."""

from __future__ import annotations

from nmesd.drivers.base import NEVER_NS, Given
from nmesd.drivers.conversation import Conversation
from nmesd.drivers.hasomed_bytes import Packet
from nmesd.drivers.repeating import RepeatingPulses
from nmesd.drivers.sciencemode2_packets import (
    CAPABILITIES,
    Command,
    ListPulse,
    Mode,
    Result,
    failure,
    init_list,
    result,
    start_list,
)
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS, UA_PER_MA
from nmesd.wire import ZERO, Output, is_zero

RETRY_NS = NS_PER_MS
DEAD_MAN_NS = 1200 * NS_PER_MS  # table 7, WatchdogTimeout
# Far shorter than the dead-man needs: so soon, and the time for an answer, a device gone deaf is noticed.
LIVE_NS = 100 * NS_PER_MS
_LEAST_US = 20  # the width of a channel that gives nothing: its current is 0


class ChannelList:
    """What is wanted, what it was told, and what it may have given since."""

    capabilities = CAPABILITIES

    def __init__(self, line: Conversation, ack_ns: int) -> None:
        self._line, self._ack_ns = line, ack_ns
        self._given = RepeatingPulses(ack_ns)
        self._wanted: Output = ZERO
        self._told: Output | None = ZERO  # None: refused as busy, to be told again
        self._busy_ns = NEVER_NS  # since when it has refused what it is told
        self._list = (0, 0)  # mask of channels and interval it was initialised with, if it was
        self._next_list = (
            0,
            0,
        )  # those of the last output: so the first train after an arming need not wait

    def zero(self, now_ns: int) -> None:
        """Every current 0 and, in the same breath, stop."""
        commands = [(Command.STOP_LIST, b"")]
        if self._list[0]:
            commands.insert(0, (Command.START_LIST, self._pulses(ZERO)))
        self._wanted = self._told = ZERO
        self._list = (0, 0)
        self._busy_ns = NEVER_NS
        self._given.change(ZERO, self._awake_ns(now_ns))
        self._line.stop(commands, now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Want this; zero is sent at once, anything else only by a tick."""
        self._wanted = output
        if not is_zero(output):
            mask = sum(1 << channel for channel, one in enumerate(output) if one.amplitude_ua)
            interval_us = max(one.period_us for one in output)
            if (
                self._list[1] == interval_us
            ):  # a channel that ends stays in it, at current 0: no gap
                mask |= self._list[0]
            self._next_list = mask, interval_us
        elif self._told != ZERO:
            self._start(now_ns)

    def tick(self, now_ns: int) -> Given:
        """Send what is wanted, or the keep-alive; count what may have been given since the last tick."""
        self._given.count(self._awake_ns(now_ns))
        if not self._line.awaiting and not self._line.stop_owed:  # one at a time
            self._tell(now_ns)
            self._given.count(now_ns)
        waits = self._line.stop_owed or self._line.awaiting or self._wanted != self._told
        next_ns = now_ns + RETRY_NS if waits else self._line.sent_ns + LIVE_NS
        # One current and one width for both phases: nothing is left over.
        return Given(*self._given.take(), 0, max(now_ns + 1, min(next_ns, self._given.next_ns())))

    def heard(self, packet: Packet, now_ns: int) -> None:
        """The answer to anything but a stop."""
        said = result(packet.data)
        if packet.command == Command.START_LIST_ACK and not self._list[0]:
            if said in (Result.BUSY, Result.WRONG_MODE):
                return  # the zero before a stop: what counts is the answer to that
        elif said == Result.BUSY and packet.command != Command.GET_MODE_ACK:
            self._busy_ns = min(self._busy_ns, now_ns)
            if now_ns - self._busy_ns > self._ack_ns:
                raise failure(f"does not obey (answer {packet.command})", packet.data)
        if said == Result.BUSY:
            self._told = None if packet.command == Command.START_LIST_ACK else self._told
            self._list = self._list if packet.command != Command.INIT_LIST_ACK else (0, 0)
            return
        if said != Result.OK:
            raise failure(f"does not obey (answer {packet.command})", packet.data)
        if packet.command != Command.GET_MODE_ACK:
            self._busy_ns = NEVER_NS
        gives = self._told is not None and not is_zero(self._told)
        if (
            packet.command == Command.GET_MODE_ACK
            and gives
            and packet.data[1:] != bytes((Mode.STARTED,))
        ):
            raise DeviceError(
                f"the stimulator has stopped by itself: mode {packet.data[1:].hex()}",
                Reason.DEVICE_ANSWER,
            )
        if not self._line.awaiting and self._told is not None:
            self._given.settled(self._awake_ns(now_ns))

    def stopped(self, now_ns: int) -> None:
        """A stop is acknowledged."""
        if not self._line.awaiting:
            self._given.settled(self._awake_ns(now_ns))

    def _tell(self, now_ns: int) -> None:
        """The next command that is due, if any."""
        if self._next_list != self._list:
            if self._list[0]:  # it takes another list only after a stop
                self._end_list(now_ns)
            mask, interval_us = self._list = self._next_list
            self._line.send([(Command.INIT_LIST, init_list(mask, interval_us))], now_ns)
        elif self._wanted != self._told:
            begins = self._told == ZERO
            if not begins or now_ns >= self._given.may_begin_ns(self._wanted):
                self._start(now_ns)
        elif now_ns >= self._line.sent_ns + LIVE_NS:
            self._line.tell([Packet(self._line.next_number(), Command.WATCHDOG)], now_ns)
            self._line.send([(Command.GET_MODE, b"")], now_ns)

    def _end_list(self, now_ns: int) -> None:
        """Stop, to begin another list."""
        self._told = ZERO
        self._given.change(ZERO, now_ns)
        self._line.send([(Command.STOP_LIST, b"")], now_ns)

    def _start(self, now_ns: int) -> None:
        self._line.send([(Command.START_LIST, self._pulses(self._wanted))], now_ns)
        self._told = self._wanted
        self._given.change(self._wanted, now_ns)

    def _pulses(self, output: Output) -> bytes:
        """Data of START_LIST: every channel of the list, silent ones with current 0."""
        return start_list(
            [
                ListPulse(max(one.pulse_width_us, _LEAST_US), one.amplitude_ua // UA_PER_MA)
                for channel, one in enumerate(output)
                if self._list[0] >> channel & 1
            ]
        )

    def _awake_ns(self, now_ns: int) -> int:
        """Now, but no later than its dead-man has stopped it: a dead device gives no more."""
        return min(now_ns, self._line.sent_ns + DEAD_MAN_NS + self._ack_ns)
