"""RehaStim 2 (ScienceMode 2), as a host sees it. Pure: time is passed in.

    Init every 500 ms until InitAck; before it, any other packet is ignored (our reading)
    start --InitChannelListMode--> initialised --StartChannelListMode--> started, and again: update
    start --SinglePulse--> start
    any --StopChannelListMode--> start
    any --StimulationError--> start
    any --1200 ms without a packet that is whole--> start, and Init again

Not emulated, and refused as parameter errors: doublets and triplets, low-frequency channels that skip pulses, the
one-shot list (main interval 0). MOTOmed commands are unknown to it. Commands act when they come, where the real
one takes 10 to 24 ms; current is taken in steps of 1 mA, where the real one has 2 mA.
Source: ScienceMode 2 protocol 1.24 (2012-12-12), tables 2 to 7, figure 4. "Our reading" marks what it leaves open.
"""

from __future__ import annotations

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.hasomed_bytes import Packet, Splitter, unstuffed
from nmesd.drivers.sciencemode2_packets import (
    CHANNELS,
    CURRENT_MA,
    HEAD_BYTES,
    INTERVAL_US,
    MOST_BYTES,
    WIDTH_US,
    Command,
    Mode,
    Result,
    decode,
    encode,
    interval_us,
)
from nmesd.errors import DeviceError
from nmesd.sim.electrodes import SLOT_NS, Electrodes, Report, Slots, Tell
from nmesd.units import NS_PER_MS, NS_PER_US, UA_PER_MA
from nmesd.wire import ChannelOutput

DEAD_MAN_MS = 1_200  # table 7, WatchdogTimeout
ACK_MS = 15  # README: commands take 10 to 24 ms
VERSION = 1  # the document does not say which it is
_INIT_NS = 500 * NS_PER_MS  # table 7, InitRepetitionTime
_LIST_BYTES = 7
_PULSE_BYTES = 4
_MOST_FACTOR = 7  # of low frequency
_EMERGENCY, _ELECTRODE, _MODULE = -1, -2, -3  # StimulationError

# A command: the one that answers it.
_ANSWERS: dict[int, Command] = {
    Command.GET_MODE: Command.GET_MODE_ACK,
    Command.INIT_LIST: Command.INIT_LIST_ACK,
    Command.START_LIST: Command.START_LIST_ACK,
    Command.STOP_LIST: Command.STOP_LIST_ACK,
    Command.SINGLE_PULSE: Command.SINGLE_PULSE_ACK,
}
# Figure 4. No arrow leads from initialised to itself, so a second list needs a stop before it: our reading.
# A stop is answered with 0 in any mode, for its answer knows no wrong mode.
_ALLOWED: dict[int, tuple[Mode, ...]] = {
    Command.INIT_LIST: (Mode.START,),
    Command.START_LIST: (Mode.INITIALISED, Mode.STARTED),
    Command.SINGLE_PULSE: (Mode.START,),
}


class RehaStim2:
    """Bytes in with `hear`, pulses out with `give`, both at least at `next_ns`; `answers` are (due_ns, bytes)."""

    def __init__(
        self,
        tell: Tell,
        report: Report,
        *,
        dead_man_ms: int = DEAD_MAN_MS,
        ack_ms: int = ACK_MS,
        version: int | None = None,
    ) -> None:
        self._version = VERSION if version is None else version
        self._dead_man_ns, self._ack_ns = dead_man_ms * NS_PER_MS, ack_ms * NS_PER_MS
        self._slots = Slots()
        self.electrodes = Electrodes(self._slots, tell, report)
        self._splitter = Splitter(MOST_BYTES, HEAD_BYTES)
        self.answers: list[tuple[int, bytes]] = []
        self._answered_ns = 0  # when the last answer is due: one comes after the other
        self._fault = 0  # a StimulationError that lasts
        self._failed = 0  # what the command just obeyed has run into
        self._busy = False
        self._number = -1  # of the last packet that was no answer
        self._accepted = False  # by the host, with InitAck
        self._init_ns = 0  # when to send Init; NEVER_NS once it is answered
        self._valid_ns = 0  # the last whole packet
        self._mode = Mode.START
        self._active: list[int] = []  # channels of the list, from 0

    @property
    def giving(self) -> bool:
        """Does it repeat pulses that have current?"""
        return self.electrodes.giving

    def hear(self, data: bytes, now_ns: int) -> None:
        """Obey and answer."""
        self.give(now_ns)
        for inner in self._splitter.feed(data):
            try:
                packet = decode(inner)
            except DeviceError:
                self._refuse_damaged(inner, now_ns)
                continue
            if self._init_ns == NEVER_NS:
                self._valid_ns = now_ns
            if packet.command == Command.INIT_ACK:
                self._init_ack(packet, now_ns)
            elif self._accepted:
                self._obey(packet, now_ns)
            self.give(now_ns)

    def give(self, now_ns: int) -> None:
        """Give what is due, unless the host has been silent for too long."""
        if self._init_ns == NEVER_NS and now_ns >= self._valid_ns + self._dead_man_ns:
            self._to_start("dead-man", now_ns)
            self._accepted, self._init_ns = False, now_ns
        if now_ns >= self._init_ns:
            self._init_ns = now_ns + _INIT_NS
            self._speak_up(Command.INIT, self._version, now_ns)
        if not all(flowed for _, flowed in self.electrodes.give(now_ns)):
            self._fail(_ELECTRODE, now_ns)

    def next_ns(self) -> int:
        """When `give` is to be called again."""
        if self._init_ns < NEVER_NS:
            return self._init_ns
        return min(self.electrodes.next_ns(), self._valid_ns + self._dead_man_ns)

    def fault(self, fault: str, channel: int, now_ns: int) -> str:
        """What befalls the device; "" or why that cannot befall this one. `channel` counts from 1."""
        match fault:
            case "electrode" if 1 <= channel <= CHANNELS:
                self.electrodes.off.add(channel - 1)  # found out by the test before its next pulse
            case "emergency":
                self._fault = _EMERGENCY
                self._fail(_EMERGENCY, now_ns)
            case "module":
                self._fault = _MODULE
                self._fail(_MODULE, now_ns)
            case "busy":
                self._busy = True
            case "healthy":
                self._fault, self._busy = 0, False
                self.electrodes.off.clear()
            case "restart":
                self._to_start("restart", now_ns)
                self.answers.clear()
                self._answered_ns, self._number = 0, -1
                self._accepted, self._init_ns = False, now_ns
                self._splitter = Splitter(MOST_BYTES, HEAD_BYTES)
            case _:
                return f"{fault} {channel}: not with this device, which has {CHANNELS} channels"
        return ""

    # ---- commands ------------------------------------------------------------------------------------------

    def _init_ack(self, packet: Packet, now_ns: int) -> None:
        """Of the last Init alone. After -5 it says Init again in the watchdog's time: our reading."""
        if self._init_ns == NEVER_NS or packet.number != self._number or len(packet.data) != 1:
            return
        self._accepted = packet.data[0] == Result.OK
        self._init_ns, self._valid_ns = NEVER_NS, now_ns

    def _obey(self, packet: Packet, now_ns: int) -> None:
        if packet.command == Command.WATCHDOG:
            return
        if packet.command not in _ANSWERS:
            self._say(
                Packet(packet.number, Command.UNKNOWN_COMMAND, bytes((packet.command,))), now_ns
            )
            return
        result = self._act(packet, now_ns)
        more: tuple[int, ...] = ()
        if packet.command == Command.GET_MODE and result is Result.OK:
            more = (self._mode,)
        self._answer(packet, result, now_ns, *more)
        if self._failed:  # answered first, then said: our reading
            self._fail(self._failed, now_ns)

    def _act(self, packet: Packet, now_ns: int) -> Result:
        """Do it, or nothing of it."""
        stop = packet.command == Command.STOP_LIST
        if self._busy and not stop:
            return Result.BUSY
        if not stop and self._mode not in _ALLOWED.get(packet.command, tuple(Mode)):
            return Result.WRONG_MODE
        match packet.command:
            case Command.INIT_LIST:
                return self._init_list(packet.data)
            case Command.START_LIST:
                return self._start_list(packet.data, now_ns)
            case Command.SINGLE_PULSE:
                return self._single_pulse(packet.data, now_ns)
            case _:
                pass
        if packet.data:
            # The answer to a stop knows no -2: our reading is that a stop with too many parameters is one.
            return Result.TRANSFER_ERROR if stop else Result.PARAMETER_ERROR
        if stop:
            self._to_start("command", now_ns)
        return Result.OK

    def _init_list(self, data: bytes) -> Result:
        if len(data) != _LIST_BYTES:
            return Result.PARAMETER_ERROR
        factor, mask, low_frequency, group, high, low, execution = data
        main_us, least_us = interval_us(high << 8 | low), INTERVAL_US[0]
        active = [channel for channel in range(CHANNELS) if mask >> channel & 1]
        in_range = (
            factor <= _MOST_FACTOR
            and not (factor and low_frequency)  # not emulated
            and active
            and least_us <= main_us <= INTERVAL_US[1]
            # 4.1: at least the pulses of a group x their interval, which for single pulses is one
            and main_us >= 1_500 + 500 * group
            # A slot for each channel has to find room: our reading.
            and main_us * NS_PER_US >= len(active) * SLOT_NS
            and execution <= 1  # 1 is "not yet implemented", and a captured session has it
        )
        if not in_range:
            return Result.PARAMETER_ERROR
        self._active, self._mode = active, Mode.INITIALISED
        self._slots.begin(active, main_us * NS_PER_US)
        return Result.OK

    def _start_list(self, data: bytes, now_ns: int) -> Result:
        if len(data) != len(self._active) * _PULSE_BYTES:
            return Result.PARAMETER_ERROR
        output = [ChannelOutput()] * CHANNELS
        for at, channel in enumerate(self._active):
            mode, *pulse = data[at * _PULSE_BYTES : (at + 1) * _PULSE_BYTES]
            wanted = _pulse(pulse)
            if mode or wanted is None:  # doublets and triplets: not emulated
                return Result.PARAMETER_ERROR
            output[channel] = wanted
        self._mode = Mode.STARTED
        self._failed = self._fault
        if not self._fault:
            self._slots.set(tuple(output), now_ns)
            self.electrodes.changed("command", now_ns)
        return Result.OK

    def _single_pulse(self, data: bytes, now_ns: int) -> Result:
        if len(data) != _PULSE_BYTES or data[0] >= CHANNELS:
            return Result.PARAMETER_ERROR
        wanted = _pulse(list(data[1:]))
        if wanted is None:
            return Result.PARAMETER_ERROR
        amplitude_ua, width_us, _ = wanted
        if self._fault:
            self._failed = self._fault
        elif not self.electrodes.pulse(data[0], amplitude_ua, width_us, now_ns):
            self._failed = _ELECTRODE
        return Result.OK

    # ---- states and answers --------------------------------------------------------------------------------

    def _fail(self, error: int, now_ns: int) -> None:
        """Stop, and say why, if there is a host."""
        why = {_EMERGENCY: "emergency", _ELECTRODE: "electrode", _MODULE: "module"}[error]
        self._to_start(why, now_ns)
        self._failed = 0
        if self._accepted:
            self._speak_up(Command.STIMULATION_ERROR, error & 0xFF, now_ns)

    def _to_start(self, why: str, now_ns: int) -> None:
        self._mode, self._active = Mode.START, []
        self.electrodes.stop(why, now_ns)

    def _refuse_damaged(self, inner: bytes, now_ns: int) -> None:
        """Answer -1 to what it looks like, if that can be read. It is no sign of life."""
        try:
            plain = unstuffed(inner[HEAD_BYTES:])
        except DeviceError:
            return
        if self._accepted and len(plain) > 1 and plain[1] in _ANSWERS:
            self._answer(Packet(plain[0], plain[1]), Result.TRANSFER_ERROR, now_ns)

    def _answer(self, packet: Packet, result: Result, now_ns: int, *more: int) -> None:
        data = bytes((result & 0xFF, *more))
        self._say(Packet(packet.number, _ANSWERS[packet.command], data), now_ns)

    def _say(self, packet: Packet, now_ns: int) -> None:
        self._answered_ns = max(self._answered_ns, now_ns + self._ack_ns)
        self.answers.append((self._answered_ns, encode(packet)))

    def _speak_up(self, command: Command, value: int, now_ns: int) -> None:
        """A packet that answers none, with a number of its own."""
        self._number = (self._number + 1) & 0xFF
        self._answered_ns = max(self._answered_ns, now_ns)
        data = encode(Packet(self._number, command, bytes((value,))))
        self.answers.append((self._answered_ns, data))


def _pulse(data: list[int]) -> ChannelOutput | None:
    """Width (two bytes, µs) and current (mA); None if out of range. Under 20 µs it gives 20: 4.2."""
    width_us, current_ma = data[0] << 8 | data[1], data[2]
    (narrow, wide), most_ma = WIDTH_US, CURRENT_MA[1]
    if width_us > wide or current_ma > most_ma:
        return None
    return ChannelOutput(current_ma * UA_PER_MA, max(width_us, narrow))
