"""What goes over MQTT, topic by topic: the one truth about it, for nmesd, for its tests and for whoever listens.

Times are nanoseconds of CLOCK_MONOTONIC, which is LSL's clock too. Units stand in the names.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from nmesd.core.values import CueKind, Mode, Outcome, Trial, Why
from nmesd.errors import Reason
from nmesd.wire import GuardState


def _one_of(kind: type[IntEnum], *more: str) -> str:
    return f"^({'|'.join((*kind.__members__, *more))})$"


ModeName = Annotated[str, Field(pattern=_one_of(Mode))]
ReasonName = Annotated[str, Field(pattern=_one_of(Reason))]
WhyName = Annotated[str, Field(pattern=_one_of(Why))]
GuardName = Annotated[str, Field(pattern=_one_of(GuardState, "NOT CONNECTED"))]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(ge=0)]


class Message(BaseModel):
    """One JSON object."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# ---- state ------------------------------------------------------------------------------------------------


class Kept(Message):
    """What is recorded where, and whether the disk is filling up."""

    record: str
    disk: str


class Starting(Kept):
    """The engine has not spoken yet."""

    state: Literal["STARTING"]
    text: str
    engine_pid: int


class OutputState(Message):
    """What a train gives to one muscle."""

    muscle: str
    channel: int
    amplitude_ma: Positive


class State(Kept):
    """What `nmesd status --json` says."""

    state: ModeName
    text: str
    trip_reason: ReasonName | None
    trip_value: int | None
    trip_limit: int | None
    trip_unit: str | None
    trip_channel: int | None
    inhibits: list[ReasonName]
    programme: str
    patient: str
    outputs: list[OutputState]
    trials_done: Count
    trials: int | None
    outcomes: dict[str, int]
    session_s: Positive
    session_left_s: Positive | None
    mode_s: float
    muscle: str | None
    envelope_uv: float | None
    on_uv: float | None
    off_uv: float | None
    amplitude_ma: Positive
    trains: Count
    pulses: Count
    charge_uc: Positive
    latency_ms: float
    step_max_ms: float
    telemetry_lost: Count
    guard: GuardName
    guard_real_time: bool
    stimulator: str
    stimulator_cannot: list[str]
    simulated: bool
    limits_hash: str
    streams_found: list[str]
    engine_pid: int


# ---- telemetry --------------------------------------------------------------------------------------------


class StageTiming(Message):
    """How long a stage took since the engine began."""

    count: Count
    p50_us: Positive
    p99_us: Positive
    p999_us: Positive
    max_us: Positive


class Telemetry(Message):
    """Numbers of the moment, at most four times a second."""

    t_ns: int
    hop: Count
    state: ModeName
    guard: GuardName
    muscle: str | None  # whose envelope and thresholds; null without EMG
    envelope_uv: float | None
    on_uv: float | None
    off_uv: float | None
    amplitude_ma: Positive
    trial: Count
    trains: Count
    pulses: Count
    charge_uc: Positive
    latency_ms: float  # of the last train: LSL stamp of the deciding sample to the driver's write
    latency_guard_ms: float  # the same to its receipt by the guard
    step_max_ms: float
    telemetry_lost: Count
    timing: dict[str, StageTiming]  # by the names of the stages, see wire.Stage


# ---- fault ------------------------------------------------------------------------------------------------


class TripFault(Message):
    """Zero, latched: why, with the numbers, and in `text` what to do."""

    fault: Literal["trip"] = "trip"
    t_ns: int
    reason: ReasonName
    text: str
    value: int
    limit: int
    unit: str


class InhibitFault(Message):
    """Something begins (`active`) to forbid arming, or ceases to."""

    fault: Literal["inhibit"] = "inhibit"
    t_ns: int
    reason: ReasonName
    text: str
    active: bool


class RefusedFault(Message):
    """An act was refused; nothing changed. Without a reason it was not asked of the engine at all."""

    fault: Literal["refused"] = "refused"
    t_ns: int
    act: str
    user: str  # login name of who asked
    operator: str
    reason: ReasonName | None
    text: str
    value: int | None
    limit: int | None
    unit: str


Fault = TripFault | InhibitFault | RefusedFault


# ---- event ------------------------------------------------------------------------------------------------


class CueEvent(Message):
    """The person is told this."""

    event: Literal["cue"]
    t_ns: int
    cue: Annotated[str, Field(pattern=_one_of(CueKind))]
    trial: int
    muscle: str | None


class TrialEvent(Message):
    """A trial is over; latency from cue to success or false alarm, -1 without."""

    event: Literal["trial"]
    t_ns: int
    trial: int
    purpose: Annotated[str, Field(pattern=_one_of(Trial))]
    outcome: Annotated[str, Field(pattern=_one_of(Outcome))]
    muscle: str | None
    latency_ns: int
    on_nv: int
    pulses: int
    charge_pc: int
    on_ns: int


class ModeEvent(Message):
    """A change of state."""

    event: Literal["mode"]
    t_ns: int
    before: ModeName
    after: ModeName
    why: WhyName
    reason: ReasonName
    value: int
    limit: int
    text: str | None = None


class ThresholdEvent(Message):
    """The staircase moved a muscle's on threshold."""

    event: Literal["threshold"]
    t_ns: int
    muscle: str | None
    before_nv: int
    after_nv: int
    why: WhyName


class VetoEvent(Message):
    """An attempt did not count: the antagonist was active too."""

    event: Literal["veto"]
    t_ns: int
    muscle: str | None
    antagonist_nv: int
    veto_nv: int


class RefusedEvent(Message):
    """The core refused an act."""

    event: Literal["refused"]
    t_ns: int
    reason: ReasonName
    value: int
    limit: int
    text: str | None = None


Event = CueEvent | TrialEvent | ModeEvent | ThresholdEvent | VetoEvent | RefusedEvent

# By the last part of the topic.
TOPICS: Final[dict[str, TypeAdapter[Any]]] = {
    "online": TypeAdapter(Literal["0", "1"]),
    "state": TypeAdapter(Starting | State),
    "telemetry": TypeAdapter(Telemetry),
    "event": TypeAdapter(Annotated[Event, Field(discriminator="event")]),
    "fault": TypeAdapter(Annotated[Fault, Field(discriminator="fault")]),
    "command": TypeAdapter(Literal["stop", "disarm"]),
}


def schema() -> dict[str, Any]:
    """The JSON Schema of every topic. `online` and `command` are plain text, the others JSON."""
    return {f"nmesd/<unit>/{name}": kind.json_schema() for name, kind in TOPICS.items()}
