"""P24 Science (ScienceMode 4) and RehaMove 3 (ScienceMode 3), as a host sees them. Pure: time is passed in.

    none --Ll_init--> low level: one pulse for each Ll_channel_config, nothing repeats
    none --Ml_init--> mid level, initialised --Ml_update--> mid level, running: repeats pulses by itself
    running --2 s without Ml_update or Ml_get_current_data, or an electrode error if all shall stop--> initialised
    low level --Ll_stop, mid level --Ml_stop, any --Reset--> none

A refused command changes nothing and keeps nothing alive. Not emulated: measurements, interpolated points,
commands stored without `execute` (refused as parameter errors); voltage, impedance and skin.
Sources: P24 instructions for use 1.1 (2023-01-25), pp. 16 to 29; ScienceMode4_c_library @0cb1201. "Our reading"
marks what they leave open.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import NamedTuple

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.hasomed_bytes import Packet, Splitter
from nmesd.drivers.sciencemode4_packets import (
    HEAD_BYTES,
    MOST_BYTES,
    Command,
    Result,
    decode,
    encode,
)
from nmesd.errors import DeviceError
from nmesd.sim.electrodes import Channels, Electrodes, Report, Tell
from nmesd.sim.p24_data import RefusedError, Single, Wave, ll_channel, ml_channels
from nmesd.units import NS_PER_MS, NS_PER_US
from nmesd.wire import CHANNELS, ChannelOutput

DEAD_MAN_MS = 2_000  # p. 23; of mid level: low level repeats nothing
ACK_MS = 1  # README of ScienceMode 3: latency 1 ms
_INIT_MS, _STOP_MS = 80, 40  # notes in the C library: about 2 x 40 ms and 40 ms
_QUEUE = 10  # commands that low level keeps: p. 21
_HV_OFF, _HV_150 = 1, 6
_ELECTRODE = 1  # nibble of Ml_get_current_data
_CURRENT_DATA = 4  # what Ml_get_current_data asks for, and the only thing it can


class Level(IntEnum):
    """As Get_stim_status tells it."""

    NONE = 0
    LOW = 1
    MID = 2
    RUNNING = 3


class Model(NamedTuple):
    """What distinguishes the two."""

    channels: int
    science_mode: int  # major version
    device_id: bytes  # 10 characters


P24_MODEL = Model(8, 4, b"NMESDEMP24")
REHAMOVE3_MODEL = Model(4, 3, b"NMESDEMRM3")

_MID = (Level.MID, Level.RUNNING)
_ANY = tuple(Level)
# Where a command is allowed, and how many bytes it has (None: as many as it says). Init where the other level is
# active is refused; again in its own level it starts afresh (our reading).
_COMMANDS: dict[int, tuple[tuple[Level, ...], int | None]] = {
    Command.LL_INIT: ((Level.NONE, Level.LOW), 1),
    Command.LL_CHANNEL: ((Level.LOW,), None),
    Command.LL_STOP: ((Level.LOW,), 0),
    Command.ML_INIT: ((Level.NONE, *_MID), 1),
    Command.ML_UPDATE: (_MID, None),
    Command.ML_STOP: (_MID, 0),
    Command.ML_GET_CURRENT_DATA: (_MID, 1),
    Command.GET_DEVICE_ID: (_ANY, 0),
    Command.RESET: (_ANY, 0),
    Command.GET_STIM_STATUS: (_ANY, 0),
    Command.GET_EXTENDED_VERSION: (_ANY, 0),
}


class P24:
    """Bytes in with `hear`, pulses out with `give`, both at least at `next_ns`; `answers` are (due_ns, bytes)."""

    def __init__(
        self,
        tell: Tell,
        report: Report,
        *,
        model: Model = P24_MODEL,
        dead_man_ms: int = DEAD_MAN_MS,
        ack_ms: int = ACK_MS,
        version: int | None = None,
    ) -> None:
        self._model, self._report = model, report
        self._version = model.science_mode if version is None else version
        self._dead_man_ns, self._ack_ns = dead_man_ms * NS_PER_MS, ack_ms * NS_PER_MS
        self._channels = Channels()
        self.electrodes = Electrodes(self._channels, tell, report)
        self._splitter = Splitter(MOST_BYTES, HEAD_BYTES)
        self.answers: list[tuple[int, bytes]] = []
        self._answered_ns = 0  # when the last answer is due: one comes after the other
        self._busy = False
        self._level, self._hv = Level.NONE, _HV_OFF
        self._stop_all = False  # as Ml_init said
        self._mask = 0  # channels of the last Ml_update
        self._nibbles = [0] * CHANNELS  # what came of the last pulse of each
        self._alive_ns = 0  # the last command that keeps mid level running
        self._timed_out = False
        self._queue: deque[tuple[Packet, Single]] = deque()
        self._free_ns = 0  # when the low level's pulse in progress is over

    @property
    def giving(self) -> bool:
        """Does it give current, or is a low-level pulse waiting?"""
        return self.electrodes.giving or bool(self._queue)

    def hear(self, data: bytes, now_ns: int) -> None:
        """Obey and answer."""
        self.give(now_ns)
        for inner in self._splitter.feed(data):
            try:
                packet = decode(inner)
            except DeviceError:
                # Length or checksum; its number cannot be trusted, so none is echoed.
                self._say(Packet(0, Command.GENERAL_ERROR, bytes((Result.TRANSFER_ERROR,))), now_ns)
                continue
            self._obey(packet, now_ns)
            self.give(now_ns)

    def give(self, now_ns: int) -> None:
        """Give what is due, unless mid level has waited too long for its host."""
        if self._level is Level.RUNNING and now_ns >= self._alive_ns + self._dead_man_ns:
            self._halt("dead-man", now_ns)
            self._timed_out = True
        for channel, flowed in self.electrodes.give(now_ns):
            self._nibbles[channel] = 0 if flowed else _ELECTRODE
            if not flowed and self._stop_all:
                self._halt("electrode", now_ns)
            elif not flowed:
                self._channels.drop(channel)
                self.electrodes.changed("electrode", now_ns)
        if self._queue and now_ns >= self._free_ns:
            self._give_single(*self._queue.popleft(), now_ns)

    def next_ns(self) -> int:
        """When `give` is to be called again."""
        return min(
            self.electrodes.next_ns(),
            self._free_ns if self._queue else NEVER_NS,
            self._alive_ns + self._dead_man_ns if self._level is Level.RUNNING else NEVER_NS,
        )

    def fault(self, fault: str, channel: int, now_ns: int) -> str:
        """What befalls the device; "" or why that cannot befall this one. `channel` counts from 1.

        The real one does not see a loose electrode under 15 mA (notes in the C library); this one always does.
        """
        match fault:
            case "electrode" if 1 <= channel <= self._model.channels:
                self.electrodes.off.add(channel - 1)
            case "busy":
                self._busy = True
            case "healthy":
                self._busy = False
                self.electrodes.off.clear()
            case "restart":
                self._to_none("restart", now_ns)
                self.answers.clear()
                self._answered_ns = self._free_ns = 0
                self._splitter = Splitter(MOST_BYTES, HEAD_BYTES)
            case "electrode":
                return f"channel {channel}: there are {self._model.channels}"
            case _:  # no emergency switch (README of ScienceMode 3), no error of a module
                return f"{fault}: not with this device"
        return ""

    # ---- commands ------------------------------------------------------------------------------------------

    def _obey(self, packet: Packet, now_ns: int) -> None:
        if packet.command not in _COMMANDS:
            answer = Packet(
                packet.number, Command.UNKNOWN_COMMAND, bytes((Result.INVALID_COMMAND,))
            )
            self._say(answer, now_ns)
            return
        levels, length = _COMMANDS[packet.command]
        try:
            if self._level not in levels:
                raise RefusedError(Result.NOT_INITIALISED)
            if length not in (None, len(packet.data)):
                raise RefusedError(Result.PARAMETER_ERROR)
            result = self._act(packet, now_ns)
        except RefusedError as refused:
            result = refused.result
        if result is not None:
            self._answer(packet, result, now_ns)

    def _act(self, packet: Packet, now_ns: int) -> Result | None:
        """Do it; None if the answer comes later. Raises RefusedError, with nothing done."""
        match packet.command:
            case Command.LL_INIT:
                self._ll_init(packet.data[0], now_ns)
            case Command.LL_CHANNEL:
                self._ll_channel(packet)
                return None
            case Command.ML_INIT:
                if packet.data[0] > 1:
                    raise RefusedError(Result.PARAMETER_ERROR)
                self._to_none("command", now_ns)
                self._level, self._hv = Level.MID, _HV_150
                self._stop_all = bool(packet.data[0])
            case Command.ML_UPDATE:
                self._ml_update(packet.data, now_ns)
            case Command.ML_GET_CURRENT_DATA:
                if packet.data[0] != _CURRENT_DATA:
                    raise RefusedError(Result.PARAMETER_ERROR)
                if self._timed_out:  # our reading: said until a new Ml_update
                    return Result.STIMULATION_TIMEOUT
                self._alive_ns = now_ns
            case Command.LL_STOP | Command.ML_STOP | Command.RESET:
                self._to_none("command", now_ns)
            case _:  # questions
                pass
        return Result.OK

    def _ll_init(self, settings: int, now_ns: int) -> None:
        measurement, hv_off = settings >> 4, settings >> 1 & 7
        if measurement or hv_off > 1 or settings & 1:
            raise RefusedError(Result.PARAMETER_ERROR)
        self._to_none("command", now_ns)
        self._level, self._hv = Level.LOW, _HV_OFF if hv_off else _HV_150

    def _ll_channel(self, packet: Packet) -> None:
        single = ll_channel(packet.data, self._model.channels)
        if self._hv == _HV_OFF:
            raise RefusedError(Result.HIGH_VOLTAGE_ERROR)
        if self._busy or len(self._queue) >= _QUEUE:
            raise RefusedError(Result.BUSY)
        self._queue.append((packet, single))
        self._look_at_balance(single.channel, single.wave)

    def _give_single(self, packet: Packet, single: Single, now_ns: int) -> None:
        channel, wave = single
        flowed = self.electrodes.pulse(channel, wave.amplitude_ua, wave.pulse_width_us, now_ns)
        self._free_ns = now_ns + wave.span_us * NS_PER_US
        result = Result.OK if flowed else Result.ELECTRODE_ERROR
        self._answer(packet, result, self._free_ns)

    def _ml_update(self, data: bytes, now_ns: int) -> None:
        channels = list(ml_channels(data, self._model.channels))
        busy = sum(wave.span_us / period_us for _, _, period_us, wave in channels)
        if busy >= 1:  # C library: pulses of all channels together take under 1 s in a second
            raise RefusedError(Result.PARAMETER_ERROR)
        if self._busy:
            raise RefusedError(Result.BUSY)
        output = [ChannelOutput()] * CHANNELS
        for channel, _, period_us, wave in channels:
            output[channel] = ChannelOutput(wave.amplitude_ua, wave.pulse_width_us, period_us)
            self._look_at_balance(channel, wave)
        self._channels.set(tuple(output), {channel: ramp for channel, ramp, _, _ in channels})
        self._level, self._mask = Level.RUNNING, data[0]
        self._alive_ns, self._timed_out = now_ns, False
        for channel in range(CHANNELS):
            if not data[0] >> channel & 1:
                self._nibbles[channel] = 0
        self.electrodes.changed("command", now_ns)

    def _look_at_balance(self, channel: int, wave: Wave) -> None:
        if wave.net_pc:  # the device takes it: up to 40 mA of direct current, p. 29
            self._report("unbalanced", channel=channel + 1, net_pc=wave.net_pc)

    # ---- states and answers --------------------------------------------------------------------------------

    def _halt(self, why: str, now_ns: int) -> None:
        """Mid level stops by itself; a new Ml_update starts it again."""
        self._level = Level.MID
        self.electrodes.stop(why, now_ns)

    def _to_none(self, why: str, now_ns: int) -> None:
        self._level, self._hv = Level.NONE, _HV_OFF
        self._mask, self._nibbles, self._timed_out = 0, [0] * CHANNELS, False
        self._queue.clear()  # what waited is neither given nor answered: our reading
        self.electrodes.stop(why, now_ns)

    def _answer(self, packet: Packet, result: Result, now_ns: int) -> None:
        answer = Packet(packet.number, packet.command + 1, bytes((result,)) + self._tail(packet))
        self._say(answer, now_ns)

    def _tail(self, packet: Packet) -> bytes:
        """What follows the result, also after an error: a host reads fixed places."""
        match packet.command:
            case Command.LL_CHANNEL:
                head = packet.data[0] if packet.data else 0
                return bytes((head & 0x10 | head >> 5 & 3, 0))
            case Command.ML_GET_CURRENT_DATA:
                pairs = zip(self._nibbles[::2], self._nibbles[1::2], strict=True)
                return bytes((_CURRENT_DATA, self._mask, *(low | high << 4 for low, high in pairs)))
            case Command.GET_DEVICE_ID:
                return self._model.device_id
            case Command.GET_STIM_STATUS:
                return bytes((self._level, self._hv))
            case Command.GET_EXTENDED_VERSION:  # firmware 1.0.0, ScienceMode n.0.0, no hash
                return bytes((1, 0, 0, self._version, 0, 0)) + bytes(6)
            case _:
                return b""

    def _say(self, packet: Packet, now_ns: int) -> None:
        delay_ns = {
            Command.LL_INIT_ACK: _INIT_MS * NS_PER_MS,
            Command.ML_INIT_ACK: _INIT_MS * NS_PER_MS,
            Command.LL_STOP_ACK: _STOP_MS * NS_PER_MS,
            Command.ML_STOP_ACK: _STOP_MS * NS_PER_MS,
        }.get(Command(packet.command), self._ack_ns)
        self._answered_ns = max(self._answered_ns, now_ns + delay_ns)
        self.answers.append((self._answered_ns, encode(packet)))
