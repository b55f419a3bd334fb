"""nmesd.toml, the operator's file: the one truth about its keys, types, units and ranges."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nmesd.core.values import CoreSettings
from nmesd.engine.settings import EngineSettings, StreamSpec
from nmesd.errors import ConfigError
from nmesd.units import MHZ_PER_HZ, NS_PER_MS, NS_PER_S, NV_PER_UV, UA_PER_MA, US_PER_S
from nmesd.wire import CHANNELS


class _Section(BaseModel):
    # Strict: `amplitude_ma = true` is a slip of the pen, and not one milliampere.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StreamSection(_Section):
    """The one EMG stream that is accepted."""

    name: Annotated[str, Field(min_length=1)]
    type: str = "EMG"
    source_id: str = ""
    host: str = ""
    rate_hz: Annotated[float, Field(ge=200, le=20_000)]
    labels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]  # TOML has lists
    muscle: str
    rail_uv: Annotated[float, Field(ge=0, le=10_000_000)] = 0
    speed: Annotated[int, Field(ge=1, le=50)] = 1

    @model_validator(mode="after")
    def _muscle_is_a_channel(self) -> Self:
        if self.labels.count(self.muscle) != 1:
            raise ValueError(f"muscle = {self.muscle!r} must be one of labels {list(self.labels)}")
        return self


class LslSection(_Section):
    """How far LSL looks."""

    scope: Literal["machine", "link", "site"] = "machine"
    known_peers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    session_id: str = "default"
    listen_address: str = (
        ""  # the interface to search on; empty: all, or 127.0.0.1 for scope "machine"
    )


class FilterSection(_Section):
    """Band, mains notch and envelope."""

    band_low_hz: Annotated[float, Field(ge=5, le=100)] = 20
    band_high_hz: Annotated[float, Field(ge=100, le=1000)] = 450
    mains_hz: Literal[0, 50, 60] = 50
    envelope: Literal["lowpass", "rms"] = "lowpass"
    envelope_hz: Annotated[float, Field(ge=1, le=50)] = 8
    rms_window_ms: Annotated[float, Field(ge=10, le=500)] = 100


class ThresholdSection(_Section):
    """When an envelope is an attempt."""

    on_uv: Annotated[float, Field(gt=0, le=10_000)]
    off_uv: Annotated[float, Field(gt=0, le=10_000)]
    min_duration_ms: Annotated[float, Field(ge=0, le=500)] = 30

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.off_uv > self.on_uv:
            raise ValueError(f"off_uv = {self.off_uv} µV must not be over on_uv = {self.on_uv} µV")
        return self


class TrainSection(_Section):
    """What an attempt earns. Ranges: use in the literature and device limits, see docs/safety.md."""

    channel: Annotated[int, Field(ge=1, le=CHANNELS)] = 1
    amplitude_ma: Annotated[float, Field(ge=0, le=130)] = 0
    pulse_width_us: Annotated[int, Field(ge=20, le=500)] = 250
    rate_hz: Annotated[float, Field(ge=1, le=100)] = 35
    ramp_up_s: Annotated[float, Field(ge=0, le=10)] = 1
    plateau_s: Annotated[float, Field(ge=0, le=30)] = 3
    ramp_down_s: Annotated[float, Field(ge=0, le=10)] = 1
    hold_off_s: Annotated[float, Field(ge=0.25, le=10)] = 0.5
    relax_s: Annotated[float, Field(ge=0.1, le=10)] = 1


class GuardSection(_Section):
    """Where the guard is, and how long a lease lasts."""

    socket: str = "/run/nmesd/guard.sock"
    lease_ms: Annotated[int, Field(ge=10, le=100)] = 20


class ControlSection(_Section):
    """Where the operator's commands come in."""

    socket: str = "/run/nmesd/control.sock"


class RecordSection(_Section):
    """Where session folders go; empty: none are kept."""

    folder: str = ""


class DaemonSettings(_Section):
    """The whole file."""

    stream: StreamSection
    lsl: LslSection = LslSection()
    filter: FilterSection = FilterSection()
    threshold: ThresholdSection
    train: TrainSection = TrainSection()
    guard: GuardSection = GuardSection()
    control: ControlSection = ControlSection()
    record: RecordSection = RecordSection()


def read_settings(path: Path) -> DaemonSettings:
    """Read nmesd.toml. Raises ConfigError with every error at once: file, key, value, what is wanted."""
    return parse_settings(path, read_text(path))


def read_text(path: Path) -> bytes:
    """The bytes of a file. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def parse_settings(path: Path, text: bytes) -> DaemonSettings:
    """What the bytes of nmesd.toml mean; `path` only names them. Raises ConfigError as `read_settings` does."""
    try:
        data = tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        return DaemonSettings.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(str(part) for part in problem['loc'])} = {problem['input']!r}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from None


def lsl_config(section: LslSection) -> str:
    """The text of an lsl_api.cfg, so that no stray file of that name decides where EMG comes from."""
    peers = section.known_peers
    address = section.listen_address
    if section.scope == "machine":
        # liblsl 1.17 finds only one of several local outlets unless each is asked at its own port.
        peers, address = (*peers, "127.0.0.1"), "127.0.0.1"
    lines = ["[ports]", "IPv6 = disable", "[multicast]", f"ResolveScope = {section.scope}"]
    if address:
        lines.append(f"ListenAddress = {address}")
    lines += ["[lab]", f"KnownPeers = {{{', '.join(peers)}}}", f"SessionID = {section.session_id}"]
    return "\n".join([*lines, "[log]", "level = -1", ""])


def engine_settings(settings: DaemonSettings) -> EngineSettings:
    """What the engine decides with. Designs the filters. Raises ConfigError."""
    from dsp.design import ChainSpec, design  # noqa: PLC0415 - scipy: once, at start, and nowhere else

    stream, train, band = settings.stream, settings.train, settings.filter
    rate_mhz = round(stream.rate_hz * MHZ_PER_HZ)
    try:
        coefficients = design(
            ChainSpec(
                rate_mhz=rate_mhz,
                band_low_hz=band.band_low_hz,
                band_high_hz=band.band_high_hz,
                mains_hz=band.mains_hz,
                envelope=band.envelope,
                envelope_hz=band.envelope_hz,
                rms_window_ms=band.rms_window_ms,
                min_duration_ms=settings.threshold.min_duration_ms,
                rail_uv=stream.rail_uv,
            )
        )
    except ValueError as error:
        raise ConfigError(f"[filter]: {error}") from None
    core = CoreSettings(
        rate_mhz=rate_mhz,
        hop_samples=coefficients.hop_samples,
        on_nv=round(settings.threshold.on_uv * NV_PER_UV),
        off_nv=round(settings.threshold.off_uv * NV_PER_UV),
        channel=train.channel - 1,
        amplitude_ua=round(train.amplitude_ma * UA_PER_MA),
        pulse_width_us=train.pulse_width_us,
        period_us=math.ceil(US_PER_S / train.rate_hz),  # never faster than asked
        ramp_up_ns=round(train.ramp_up_s * NS_PER_S),
        plateau_ns=round(train.plateau_s * NS_PER_S),
        ramp_down_ns=round(train.ramp_down_s * NS_PER_S),
        hold_off_ns=round(train.hold_off_s * NS_PER_S),
        relax_ns=round(train.relax_s * NS_PER_S),
    )
    return EngineSettings(
        stream=StreamSpec(
            name=stream.name,
            type=stream.type,
            source_id=stream.source_id,
            host=stream.host,
            rate_mhz=rate_mhz,
            labels=stream.labels,
            muscle=stream.muscle,
            speed=stream.speed,
        ),
        chain=coefficients.to_dict(),
        core=core,
        lease_ns=settings.guard.lease_ms * NS_PER_MS,
        guard_socket=settings.guard.socket,
        lsl_config=lsl_config(settings.lsl),
    )


class Config(NamedTuple):
    """nmesd.toml as it was read at one moment: its bytes, what they mean, and what the engine gets of it."""

    text: bytes
    settings: DaemonSettings
    engine: bytes


def load(path: Path) -> Config:
    """Read and check all of nmesd.toml. Raises ConfigError."""
    text = read_text(path)
    settings = parse_settings(path, text)
    return Config(text, settings, engine_settings(settings).to_json())
