"""What the processes say to each other: frames as frozen values of integers.

The table at the end gives each its number on the wire and its struct format. Only `Capabilities`, `Timing`,
`Settings`, `Retune`, `Raw`, `Hops`, `Found`, `Opened` and `Bundle` carry a payload. How they become bytes is in
`codec.py`. Named tuples, not dataclasses: those would bring `inspect` and 2 MB into the guard.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum, unique
from typing import NamedTuple

CHANNELS = 8  # what a P24 or RehaStim 2 has
NOTE_ARGS = 10  # integers a journal entry may have


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
class Stage(IntEnum):
    """Where the time goes from a sample to the stimulator, in order; at the end the whole way to the guard."""

    ARRIVAL = 1  # LSL stamp of the sample that decided, to pulled from the inlet
    FILTER = 2  # the signal chain, a hop
    DECISION = 3  # the rest of that step
    LEASE_WRITE = 4  # step done, to lease handed to the kernel
    GUARD = 5  # lease made by the engine, to let through by the guard
    DEVICE_WRITE = 6  # the driver's write of what is due
    DEVICE_ACK = 7  # command, to the device's answer
    SAMPLE_TO_GUARD = 8  # LSL stamp, to let through by the guard


@unique
class ActKind(IntEnum):
    """What an operator can do."""

    ARM = 1
    DISARM = 2
    STOP = 3
    RESET = 4
    PAUSE = 5
    RESUME = 6
    RELEASE = 7
    GIVE = 8


# ---- engine -> guard ----------------------------------------------------------------------------------


class Hello(NamedTuple):
    """First frame of an engine. `settings_hash` names the settings it will decide with."""

    settings_hash: int
    pid: int


class Arm(NamedTuple):
    """An operator's act, passed on. Must echo the guard's current `nonce` and `limits_hash`."""

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


class Lease(NamedTuple):
    """This output, until this instant, and what the engine believes. Only a completed decision step makes one.

    The stages of the sample behind it, for the latency record: `sample_ns` (its LSL time stamp), `arrival_ns`
    (pulled from the inlet), `decided_ns` (step done); all CLOCK_MONOTONIC of this machine.
    """

    session: int
    expiry_ns: int
    sample_ns: int
    arrival_ns: int
    decided_ns: int
    believes_armed: int
    believes_output: int
    output: Output


class Disarm(NamedTuple):
    """Orderly end: zero and disarmed, nothing latched."""

    operator: int


class Stop(NamedTuple):
    """Zero and latch, for a reason the engine or an operator found."""

    reason: int
    value: int
    limit: int


class Reset(NamedTuple):
    """An operator's act: clear a latched trip. Leads to DISARMED, never to output."""

    operator: int


# ---- guard -> engine ----------------------------------------------------------------------------------


class Report(NamedTuple):
    """What the guard is and has done; on every change and on every tick.

    `first_*` are the stages of the last change from zero to output: sequence number and sample time of the
    lease behind it, when the guard received it and when the driver's write returned.
    """

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


class Capabilities(NamedTuple):
    """What a stimulator can be told: each value from least to most in steps. Sent once, before any report.

    `payload` is who it says it is, as UTF-8 text; drivers leave it empty. The rounding is in `coding.py`.
    """

    channels: int
    simulated: int  # gives no current to anybody
    one_period: int  # all channels that give have the same
    amplitude_least_ua: int = 1
    amplitude_most_ua: int = 2**32 - 1
    amplitude_step_ua: int = 1
    width_least_us: int = 1
    width_most_us: int = 2**32 - 1
    width_step_us: int = 1
    period_least_us: int = 1
    period_most_us: int = 2**32 - 1
    period_step_us: int = 1
    payload: bytes = b""


class Timing(NamedTuple):
    """How long a stage took in the last second: from guard and engine, on to the daemon, for people.

    payload: pairs of bucket (u16) and count (u32), see `histogram.py`.
    """

    stage: int
    max_ns: int
    payload: bytes


# ---- daemon -> engine ---------------------------------------------------------------------------------


class Settings(NamedTuple):
    """Everything the engine decides with, as JSON. Sent once, before anything else."""

    payload: bytes


class Act(NamedTuple):
    """An operator's act. Muscle and amplitude are those of a train that is given."""

    request: int
    act: int
    operator: int
    muscle: int = 0
    amplitude_ua: int = 0


class Retune(NamedTuple):
    """An operator's change of thresholds or rests: all of it between the same two steps, or none of it.

    Payload: JSON, a list of [code in the journal, fields after `t_ns` and `operator`].
    """

    request: int
    operator: int
    payload: bytes


class Beat(NamedTuple):
    """The daemon lives. Its absence stops the engine; its presence renews nothing."""


# ---- engine -> daemon ---------------------------------------------------------------------------------


class Note(NamedTuple):
    """One entry of the journal of decisions: a core event or command (see `core/journal.py`), as integers.

    `at_ns` is the core's sample time, `stamp_ns` the time stamp of that hop's last sample; 0 before the first.
    """

    hop: int
    at_ns: int
    stamp_ns: int
    code: int
    valid: int
    args: tuple[int, ...]  # NOTE_ARGS, the first `valid` mean something


class Raw(NamedTuple):
    """EMG as received: `samples` x (i64 time stamp ns), then samples x channels float32 microvolts, as payload.

    `epoch` counts fresh starts of the sample stream (new stream, flush, gap): hops never span one.
    """

    epoch: int
    first_sample: int
    samples: int
    channels: int
    arrival_ns: int
    payload: bytes


class Hops(NamedTuple):
    """What the steps of a turn came to, for people: never used to decide anything.

    payload, all i64: on thresholds, then off thresholds (columns each, nanovolts); of each hop the time stamp of
    its last sample, ns; then of each hop the mode, the flags and the envelopes (columns, nanovolts). Where no EMG
    is heard there are no columns, and the stamp is the clock's.
    """

    first_hop: int  # counted from 1, as the journal counts them
    hops: int
    columns: int
    payload: bytes


class Snapshot(NamedTuple):
    """The engine's state for people, 20 times a second: never used to decide anything."""

    mode: int
    guard_state: int
    hop: int
    inhibits: int  # bit per Reason
    muscle: int  # whose numbers these are, from 0
    envelope_nv: int
    on_nv: int
    off_nv: int
    amplitude_ua: int  # of its highest output
    trial: int  # how many are done
    mode_ns: int  # how long it has been in this mode
    session_ns: int  # since the arming, 0 without one
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


class ActReply(NamedTuple):
    """What became of an act: reason NONE = done, else why it was refused."""

    request: int
    reason: int
    value: int
    limit: int


class Found(NamedTuple):
    """What the search for the EMG stream came to: `reason` NONE = open, else why not; payload JSON for people."""

    reason: int
    payload: bytes


class Opened(NamedTuple):
    """What the stream that was opened says of itself: the XML of LSL, in UTF-8."""

    payload: bytes


class Bundle(NamedTuple):
    """Several frames that were held back for a while: see `bundle.py`."""

    payload: bytes


# ---- simulated stimulator -> whoever listens (virtual patient, tests) ---------------------------------------


class Pulse(NamedTuple):
    """One pulse as given by a simulated stimulator; amplitude 0 says: commanded to zero. `given_ns` as written."""

    given_ns: int
    channel: int
    amplitude_ua: int
    pulse_width_us: int


Frame = (
    Hello
    | Arm
    | Lease
    | Disarm
    | Stop
    | Reset
    | Report
    | Capabilities
    | Timing
    | Settings
    | Act
    | Retune
    | Beat
    | Note
    | Raw
    | Hops
    | Snapshot
    | ActReply
    | Found
    | Opened
    | Bundle
    | Pulse
)

# number on the wire: the frame and the struct format of its body, payload not counted
FRAMES: dict[int, tuple[type[Frame], str]] = {
    1: (Hello, "QI"),
    2: (Arm, "QQQQ"),
    3: (Lease, "QqqqqBB" + "III" * CHANNELS),
    4: (Disarm, "Q"),
    5: (Stop, "Hqq"),
    6: (Reset, "Q"),
    10: (Report, "BQQQHqqbIBQQIqqqqBB"),
    11: (Capabilities, "BBBIIIIIIIII"),
    12: (Timing, "Bq"),
    20: (Settings, ""),
    21: (Act, "IBQBI"),
    22: (Beat, ""),
    23: (Retune, "IQ"),
    30: (Note, "QqqHB" + "q" * NOTE_ARGS),
    31: (Raw, "IQHHq"),
    32: (Snapshot, "BBQQBqqqQIqqHqqbQQQqqqIBBBQ"),
    33: (ActReply, "IHqq"),
    34: (Found, "H"),
    35: (Hops, "QHH"),
    36: (Opened, ""),
    37: (Bundle, ""),
    40: (Pulse, "qBII"),
}
KINDS = {frame: kind for kind, (frame, _) in FRAMES.items()}
