"""What the processes say to each other: frames as frozen values of integers.

`KIND` is the frame's number on the wire, `BODY` its struct format. Only `Settings`, `Raw` and `Found` carry a
payload. How they become bytes is in `codec.py`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import ClassVar, NamedTuple

CHANNELS = 8  # what a P24 or RehaStim 2 has
NOTE_ARGS = 8  # integers a journal entry may have


class ChannelOutput(NamedTuple):
    """What one stimulator channel gives: biphasic, charge-balanced pulses. Amplitude 0 is zero output."""

    amplitude_ua: int = 0
    pulse_width_us: int = 0
    period_us: int = 0


Output = tuple[ChannelOutput, ...]  # always CHANNELS long
ZERO: Output = (ChannelOutput(),) * CHANNELS


def is_zero(output: Output) -> bool:
    """True if no channel gives current."""
    return not any(channel.amplitude_ua for channel in output)


@unique
class GuardState(IntEnum):
    """What the guard is."""

    DISARMED = 0
    ARMED = 1
    TRIPPED = 2


@unique
class ActKind(IntEnum):
    """What an operator can do."""

    ARM = 1
    DISARM = 2
    STOP = 3
    RESET = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """Base of all frames."""

    KIND: ClassVar[int] = 0
    BODY: ClassVar[str] = ""


# ---- engine -> guard ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello(Frame):
    """First frame of an engine. `settings_hash` names the settings it will decide with."""

    KIND: ClassVar[int] = 1
    BODY: ClassVar[str] = "QI"
    settings_hash: int
    pid: int


@dataclass(frozen=True, slots=True)
class Arm(Frame):
    """An operator's act, passed on. Must echo the guard's current `nonce` and `limits_hash`."""

    KIND: ClassVar[int] = 2
    BODY: ClassVar[str] = "QQQQ"
    nonce: int
    operator: int
    limits_hash: int
    settings_hash: int


def session_token(arm: Arm) -> int:
    """Names the session that an Arm opens.

    Guard and engine work it out each for itself, and every lease carries it. Two checksums: it holds frames of
    different sessions apart, it keeps nobody out.
    """
    data = struct.pack("<QQQQ", arm.nonce, arm.operator, arm.limits_hash, arm.settings_hash)
    return zlib.crc32(data) << 32 | zlib.adler32(data)


@dataclass(frozen=True, slots=True)
class Lease(Frame):
    """This output, until this instant, and what the engine believes. Only a completed decision step makes one.

    The stages of the sample behind it, for the latency record: `sample_ns` (its LSL time stamp), `arrival_ns`
    (pulled from the inlet), `decided_ns` (step done); all CLOCK_MONOTONIC of this machine.
    """

    KIND: ClassVar[int] = 3
    BODY: ClassVar[str] = "QqqqqBB" + "III" * CHANNELS
    session: int
    expiry_ns: int
    sample_ns: int
    arrival_ns: int
    decided_ns: int
    believes_armed: int
    believes_output: int
    output: Output


@dataclass(frozen=True, slots=True)
class Disarm(Frame):
    """Orderly end: zero and disarmed, nothing latched."""

    KIND: ClassVar[int] = 4
    BODY: ClassVar[str] = "Q"
    operator: int


@dataclass(frozen=True, slots=True)
class Stop(Frame):
    """Zero and latch, for a reason the engine or an operator found."""

    KIND: ClassVar[int] = 5
    BODY: ClassVar[str] = "Hqq"
    reason: int
    value: int
    limit: int


@dataclass(frozen=True, slots=True)
class Reset(Frame):
    """An operator's act: clear a latched trip. Leads to DISARMED, never to output."""

    KIND: ClassVar[int] = 6
    BODY: ClassVar[str] = "Q"
    operator: int


# ---- guard -> engine ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report(Frame):
    """What the guard is and has done; on every change and on every tick.

    `first_*` are the stages of the last change from zero to output: sequence number and sample time of the
    lease behind it, when the guard received it and when the driver's write returned.
    """

    KIND: ClassVar[int] = 10
    BODY: ClassVar[str] = "BQQQHqqbIBQQIqqqqBB"
    state: int
    nonce: int
    limits_hash: int
    session: int
    trip_reason: int
    trip_value: int
    trip_limit: int
    trip_channel: int
    ack_sequence: int
    output_on: int
    pulses: int
    charge_pc: int
    first_sequence: int
    first_sample_ns: int
    first_received_ns: int
    first_written_ns: int
    tick_late_max_ns: int
    real_time: int
    simulated: int


# ---- daemon -> engine ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settings(Frame):
    """Everything the engine decides with, as JSON. Sent once, before anything else."""

    KIND: ClassVar[int] = 20
    BODY: ClassVar[str] = ""
    payload: bytes


@dataclass(frozen=True, slots=True)
class Act(Frame):
    """An operator's act."""

    KIND: ClassVar[int] = 21
    BODY: ClassVar[str] = "IBQ"
    request: int
    act: int
    operator: int


@dataclass(frozen=True, slots=True)
class Beat(Frame):
    """The daemon lives. Its absence stops the engine; its presence renews nothing."""

    KIND: ClassVar[int] = 22


# ---- engine -> daemon ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Note(Frame):
    """One entry of the journal of decisions: a core event or command (see `core/journal.py`), as integers."""

    KIND: ClassVar[int] = 30
    BODY: ClassVar[str] = "QqHB" + "q" * NOTE_ARGS
    hop: int
    at_ns: int
    code: int
    count: int
    args: tuple[int, ...]  # NOTE_ARGS, the first `count` valid


@dataclass(frozen=True, slots=True)
class Raw(Frame):
    """EMG as received: `samples` x (i64 time stamp ns), then samples x channels float32 microvolts, as payload.

    `epoch` counts fresh starts of the sample stream (new stream, flush, gap): hops never span one.
    """

    KIND: ClassVar[int] = 31
    BODY: ClassVar[str] = "IQHHq"
    epoch: int
    first_sample: int
    samples: int
    channels: int
    arrival_ns: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Snapshot(Frame):
    """The engine's state for people, 20 times a second: never used to decide anything."""

    KIND: ClassVar[int] = 32
    BODY: ClassVar[str] = "BBQQqqqQHqqbQQQqqqIBBBQ"
    mode: int
    guard_state: int
    hop: int
    inhibits: int  # bit per Reason
    envelope_nv: int
    on_nv: int
    off_nv: int
    amplitude_ua: int
    trip_reason: int
    trip_value: int
    trip_limit: int
    trip_channel: int
    trains: int
    pulses: int
    charge_pc: int
    latency_first_ns: int  # LSL stamp of the deciding sample to driver write, last train
    latency_guard_ns: int  # the same to its receipt by the guard
    step_max_ns: int
    dropped: int  # frames this link lost because the daemon did not read
    guard_connected: int
    guard_real_time: int
    guard_simulated: int
    limits_hash: int


@dataclass(frozen=True, slots=True)
class ActReply(Frame):
    """What became of an act: reason NONE = done, else why it was refused."""

    KIND: ClassVar[int] = 33
    BODY: ClassVar[str] = "IHqq"
    request: int
    reason: int
    value: int
    limit: int


@dataclass(frozen=True, slots=True)
class Found(Frame):
    """What the search for the EMG stream came to: `reason` NONE = open, else why not; payload JSON for people."""

    KIND: ClassVar[int] = 34
    BODY: ClassVar[str] = "H"
    reason: int
    payload: bytes


# ---- simulated stimulator -> whoever listens (virtual patient, tests) ---------------------------------------


@dataclass(frozen=True, slots=True)
class Pulse(Frame):
    """One pulse as given by a simulated stimulator; amplitude 0 says: commanded to zero. `given_ns` as written."""

    KIND: ClassVar[int] = 40
    BODY: ClassVar[str] = "qBII"
    given_ns: int
    channel: int
    amplitude_ua: int
    pulse_width_us: int
