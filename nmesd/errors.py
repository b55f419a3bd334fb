"""What can go wrong, in one place and in plain words, sorted by who must act.

NmesdError
├── ConfigError     the operator: a value in a file; names file, value, limit, unit and remedy
├── StreamError     whoever runs the amplifier: the EMG stream is missing, ambiguous or wrong
├── DeviceError     the engineer: the stimulator does not open, answer or obey
├── LinkError       the engineer: two nmesd processes do not understand each other
└── RecordError     the researcher: a session folder is incomplete or does not replay

A `Reason` is not an exception. It is a condition found while running: it *inhibits* (forbids arming) while
disarmed, and *trips* (zero, latched until reset) while armed.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import NamedTuple


class NmesdError(Exception):
    """Base of all errors nmesd raises on purpose; its text is written for the person who must act."""


class ConfigError(NmesdError):
    """A configuration file is wrong."""


class StreamError(NmesdError):
    """The EMG stream is missing, ambiguous or not the one described."""


class DeviceError(NmesdError):
    """The stimulator does not open, answer or obey; `reason` is what the guard trips with, and its numbers."""

    def __init__(
        self, text: str, reason: Reason | None = None, value: int = 0, limit: int = 0
    ) -> None:
        super().__init__(text)
        self.reason = Reason.DEVICE_FAILED if reason is None else reason
        self.value, self.limit = value, limit


class LinkError(NmesdError):
    """A frame between processes is malformed, of another version or out of place."""


class RecordError(NmesdError):
    """A session folder is incomplete, damaged or does not replay."""


@unique
class Reason(IntEnum):
    """Why output is, or must stay, zero. The numbers are part of the wire and the record: never reuse one."""

    NONE = 0
    # the EMG stream
    EMG_NO_STREAM = 1
    EMG_AMBIGUOUS = 2
    EMG_MISMATCH = 3
    EMG_STREAM_GONE = 4
    EMG_STREAM_CHANGED = 5
    EMG_STALE = 6
    EMG_GAP = 7
    EMG_BACKLOG = 8
    EMG_OVERFLOW = 9
    EMG_RATE = 10
    EMG_NOT_FINITE = 11
    EMG_CHUNK_TOO_LONG = 12
    EMG_SETTLING = 13
    EMG_RAILED = 14
    EMG_FLAT = 15
    EMG_MAINS = 16
    EMG_MOVEMENT = 17
    EMG_LEAD_OFF = 18
    EMG_POP = 19
    # the engine and the daemon
    ENGINE_OVERRUN = 20
    CLOCK_BACKWARDS = 21
    DAEMON_GONE = 22
    DAEMON_SILENT = 23
    GUARD_GONE = 24
    ENGINE_SHUTDOWN = 25
    DEVICE_CANNOT = 26
    # the EMG stream once more
    EMG_HEART = 27
    EMG_CLIPPED = 28
    # the engine's clock
    CLOCK_JUMPED = 29
    # people
    OPERATOR_STOP = 30
    # found by the guard about its client
    ENGINE_GONE = 40
    LEASE_EXPIRED = 41
    LEASE_TOO_LONG = 42
    FRAME_BAD = 43
    FRAME_SEQUENCE = 44
    FRAME_OLD = 45
    FRAME_FUTURE = 46
    SESSION_MISMATCH = 47
    BELIEF_MISMATCH = 48
    FRAME_UNEXPECTED = 49
    # found by the guard about itself and the device
    GUARD_LATE = 60
    GUARD_CLOCK_BACKWARDS = 61
    GUARD_SHUTDOWN = 62
    DEVICE_FAILED = 63
    DEVICE_LATE = 64
    DEVICE_ANSWER = 65
    DEVICE_ELECTRODE = 66
    MACHINE_STALLED = 67
    DEVICE_SWITCH = 68
    # limits: refused whole
    LIMIT_AMPLITUDE = 80
    LIMIT_PULSE_WIDTH = 81
    LIMIT_RATE = 82
    LIMIT_CHANNEL = 83
    LIMIT_CHARGE = 84
    LIMIT_DENSITY = 85
    LIMIT_POWER = 86
    LIMIT_TOTAL_RMS = 87
    LIMIT_CHANNELS_AT_ONCE = 88
    LIMIT_RISE = 89
    LIMIT_TRAIN = 90
    LIMIT_REST = 91
    LIMIT_DUTY = 92
    LIMIT_TRAINS = 93
    LIMIT_DOSE = 94
    LIMIT_SESSION = 95
    LIMIT_BALANCE = 96


class Explanation(NamedTuple):
    """Words for a person beside a patient."""

    text: str
    remedy: str
    unit: str = ""


EXPLAIN: dict[Reason, Explanation] = {
    Reason.NONE: Explanation("no reason", ""),
    Reason.EMG_NO_STREAM: Explanation(
        "no EMG stream found",
        "switch the amplifier on and start its LSL output; `nmesd streams` lists what is there",
    ),
    Reason.EMG_AMBIGUOUS: Explanation(
        "more than one EMG stream fits",
        "stop the other sender, or name source_id and host in [stream] of nmesd.toml",
        "streams",
    ),
    Reason.EMG_MISMATCH: Explanation(
        "an EMG stream is there but not as described in nmesd.toml",
        "compare [stream] with `nmesd streams`",
    ),
    Reason.EMG_STREAM_GONE: Explanation(
        "the EMG stream ended", "restart the amplifier's LSL output, then reset"
    ),
    Reason.EMG_STREAM_CHANGED: Explanation(
        "the EMG stream came back different", "check which device is sending, then reset"
    ),
    Reason.EMG_STALE: Explanation(
        "EMG samples stopped coming", "check amplifier, cable and network, then reset", "ns"
    ),
    Reason.EMG_GAP: Explanation(
        "EMG samples are missing", "check the amplifier's connection (Wi-Fi, USB), then reset", "ns"
    ),
    Reason.EMG_BACKLOG: Explanation(
        "EMG arrives late", "check network and load of the sending computer, then reset", "ns"
    ),
    Reason.EMG_OVERFLOW: Explanation(
        "EMG was lost because it was not read in time", "check the load, then reset", "samples"
    ),
    Reason.EMG_RATE: Explanation(
        "the EMG sampling rate is off", "compare rate_hz in nmesd.toml with the amplifier", "mHz"
    ),
    Reason.EMG_NOT_FINITE: Explanation(
        "the EMG contains values that are not numbers", "check the amplifier, then reset"
    ),
    Reason.EMG_CHUNK_TOO_LONG: Explanation(
        "EMG comes in chunks too long for the lease",
        "let the sender push at least every 25 ms",
        "ns",
    ),
    Reason.EMG_SETTLING: Explanation("filters are settling", "wait a moment"),
    Reason.EMG_RAILED: Explanation(
        "the EMG amplifier is at full scale", "check electrodes and reference, then reset"
    ),
    Reason.EMG_FLAT: Explanation(
        "the EMG does not move at all", "check electrodes, cable and amplifier, then reset"
    ),
    Reason.EMG_MAINS: Explanation(
        "mains hum drowns the EMG",
        "check the reference electrode, move cables away from mains, set mains_hz in [filter]",
    ),
    Reason.EMG_MOVEMENT: Explanation(
        "cable or skin moves", "fix the cables to the limb, let the limb lie still"
    ),
    Reason.EMG_LEAD_OFF: Explanation(
        "an EMG lead came off", "check electrodes and cables, then reset"
    ),
    Reason.EMG_POP: Explanation(
        "the EMG jumped as no muscle does", "do not touch the cables; press the electrodes on"
    ),
    Reason.EMG_HEART: Explanation(
        "the heartbeat is taken for attempts",
        "move the electrodes from the trunk, or set band_low_hz = 40 and calibrate again",
    ),
    Reason.EMG_CLIPPED: Explanation(
        "the EMG is cut off at full scale", "lower the amplifier's gain, check the electrodes"
    ),
    Reason.ENGINE_OVERRUN: Explanation(
        "a decision step took too long", "check load and temperature, then reset", "ns"
    ),
    Reason.CLOCK_BACKWARDS: Explanation(
        "the clock went backwards", "restart nmesd; report this", "ns"
    ),
    Reason.DAEMON_GONE: Explanation("the daemon ended", "see `nmesd log`; reset after it is back"),
    Reason.DAEMON_SILENT: Explanation(
        "the daemon does not answer", "see `nmesd log`, then reset", "ns"
    ),
    Reason.GUARD_GONE: Explanation("no connection to the guard", "start nmesd-guard, then reset"),
    Reason.ENGINE_SHUTDOWN: Explanation(
        "nmesd was shut down or reloaded while armed", "reset, then arm again"
    ),
    Reason.OPERATOR_STOP: Explanation("stopped by the operator", "reset when ready"),
    Reason.ENGINE_GONE: Explanation("the engine ended", "see `nmesd log`, then reset"),
    Reason.LEASE_EXPIRED: Explanation(
        "the engine did not renew in time", "check EMG and load, then reset", "ns"
    ),
    Reason.LEASE_TOO_LONG: Explanation("a lease reached too far ahead", "report this", "ns"),
    Reason.FRAME_BAD: Explanation("a damaged message reached the guard", "report this"),
    Reason.FRAME_SEQUENCE: Explanation(
        "messages were lost, doubled or reordered", "report this", "frames"
    ),
    Reason.FRAME_OLD: Explanation(
        "a message reached the guard too late", "check load, then reset", "ns"
    ),
    Reason.FRAME_FUTURE: Explanation("a message claims to be from the future", "report this", "ns"),
    Reason.SESSION_MISMATCH: Explanation(
        "a message belongs to another session or settings", "disarm, reset, arm again"
    ),
    Reason.BELIEF_MISMATCH: Explanation(
        "engine and guard disagree about the state", "report this, then reset"
    ),
    Reason.FRAME_UNEXPECTED: Explanation(
        "a message came in the wrong state", "report this, then reset"
    ),
    Reason.GUARD_LATE: Explanation(
        "the guard itself was late", "check real-time rights and load, then reset", "ns"
    ),
    Reason.CLOCK_JUMPED: Explanation(
        "the engine's time jumped ahead", "report this, then reset", "ns"
    ),
    Reason.GUARD_CLOCK_BACKWARDS: Explanation(
        "the guard's clock went backwards", "restart nmesd-guard; report this", "ns"
    ),
    Reason.GUARD_SHUTDOWN: Explanation("the guard was shut down", "start nmesd-guard again"),
    Reason.DEVICE_FAILED: Explanation(
        "the stimulator failed", "check its cable and display, then reset"
    ),
    Reason.DEVICE_LATE: Explanation(
        "the stimulator answered too late", "check its cable and display, then reset", "ns"
    ),
    Reason.DEVICE_ANSWER: Explanation(
        "the stimulator's answer cannot be understood", "check its cable and model, then reset"
    ),
    Reason.DEVICE_ELECTRODE: Explanation(
        "the stimulator reports an electrode error", "check the electrodes, then reset", "channel"
    ),
    Reason.DEVICE_SWITCH: Explanation(
        "the stimulator's emergency switch is pressed, or not connected",
        "look after the person; release it when all is well, then reset",
    ),
    Reason.DEVICE_CANNOT: Explanation(
        "the stimulator cannot give what patient and programme ask for",
        "`nmesd status` names the nearest it can; change their files and reload",
    ),
    Reason.MACHINE_STALLED: Explanation(
        "the whole computer stood still, guard and engine were late together",
        "check load and temperature, then reset",
        "ns",
    ),
    Reason.LIMIT_AMPLITUDE: Explanation(
        "amplitude over the limit", "lower amplitude_ma in patient.toml", "µA"
    ),
    Reason.LIMIT_PULSE_WIDTH: Explanation(
        "pulse width over the limit", "lower pulse_width_us in the programme", "µs"
    ),
    Reason.LIMIT_RATE: Explanation(
        "pulse rate over the limit", "lower rate_hz in the programme", "mHz"
    ),
    Reason.LIMIT_CHANNEL: Explanation(
        "a channel this unit may not use", "choose another channel in patient.toml", "channel"
    ),
    Reason.LIMIT_CHARGE: Explanation(
        "charge of a phase over the limit", "lower amplitude_ma or pulse_width_us", "pC"
    ),
    Reason.LIMIT_DENSITY: Explanation(
        "r.m.s. current density over the limit for these electrodes",
        "use larger electrodes, or lower amplitude, width or rate",
        "µA/cm²",
    ),
    Reason.LIMIT_POWER: Explanation(
        "power density over the limit for these electrodes",
        "use larger electrodes, or lower amplitude, width or rate",
        "µW/cm²",
    ),
    Reason.LIMIT_TOTAL_RMS: Explanation(
        "r.m.s. current of all channels over the limit", "lower amplitude, width or rate", "µA"
    ),
    Reason.LIMIT_CHANNELS_AT_ONCE: Explanation(
        "too many channels at once", "use fewer channels", "channels"
    ),
    Reason.LIMIT_RISE: Explanation(
        "the amplitude rises too fast", "lengthen ramp_up_s in the programme", "µA"
    ),
    Reason.LIMIT_TRAIN: Explanation(
        "the train is too long", "shorten ramps or plateau_s in the programme", "ns"
    ),
    Reason.LIMIT_REST: Explanation(
        "too little rest before the train", "lengthen rest_s in the programme", "ns"
    ),
    Reason.LIMIT_DUTY: Explanation(
        "too much current time in one minute", "lengthen the rest between trains", "ns"
    ),
    Reason.LIMIT_TRAINS: Explanation(
        "too many trains in one minute", "lengthen the rest between trains", "trains"
    ),
    Reason.LIMIT_DOSE: Explanation(
        "the session's charge is used up", "end the session with `nmesd disarm`", "pC"
    ),
    Reason.LIMIT_SESSION: Explanation(
        "the session's time is used up", "end the session with `nmesd disarm`", "ns"
    ),
    Reason.LIMIT_BALANCE: Explanation(
        "the two phases of a pulse do not balance", "report this; do not use the device", "pC"
    ),
}


def explain(reason: Reason, value: int = 0, limit: int = 0) -> str:
    """One sentence for a person: what, the numbers with their unit, what to do."""
    text, remedy, unit = EXPLAIN[reason]
    numbers = ""
    if unit == "ns":
        numbers = f" ({value / 1e6:.1f} ms, limit {limit / 1e6:.1f} ms)"
    elif unit == "channel":
        numbers = f" (channel {value})"
    elif unit:
        numbers = f" ({value} {unit}, limit {limit} {unit})"
    return f"{text}{numbers}: {remedy}" if remedy else f"{text}{numbers}"
