"""nmesd.toml, the operator's file: the one truth about its keys, types, units and ranges."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dsp.calibration import Unit
from dsp.critical import MOST_RATIO
from nmesd.errors import ConfigError
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

    band_low_hz: Annotated[float, Field(ge=5, le=100)] = 30
    band_high_hz: Annotated[float, Field(ge=100, le=1000)] = 450
    mains_hz: Literal[0, 50, 60] = 50
    envelope: Literal["lowpass", "rms"] = "lowpass"
    envelope_hz: Annotated[float, Field(ge=1, le=50)] = 8
    rms_window_ms: Annotated[float, Field(ge=10, le=500)] = 100


class ThresholdSection(_Section):
    """When EMG is an attempt: one of the first four, in the unit its operator thinks in."""

    on_uv: Annotated[float, Field(gt=0, le=10_000)] | None = None
    on_scales: Annotated[float, Field(ge=0, le=100)] | None = None
    on_percent_mvc: Annotated[float, Field(gt=0, le=90)] | None = None
    false_per_min: Annotated[float, Field(ge=0.01, le=10)] | None = None
    calibration: str = ""  # file of `nmesd calibrate`
    off_uv: Annotated[float, Field(gt=0, le=10_000)] | None = None
    fast_ratio: Annotated[float, Field(ge=1, le=MOST_RATIO)] | None = None
    detector: Literal["cusum", "envelope"] = "cusum"
    min_duration_ms: Annotated[float, Field(ge=0, le=500)] = 0

    @property
    def wanted(self) -> tuple[Unit, float]:
        """The one that is given."""
        return next((unit, value) for unit, value in self._units() if value is not None)

    def _units(self) -> tuple[tuple[Unit, float | None], ...]:
        return (
            ("uv", self.on_uv),
            ("scales", self.on_scales),
            ("percent_mvc", self.on_percent_mvc),
            ("false_per_min", self.false_per_min),
        )

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        given = sum(value is not None for _, value in self._units())
        if given != 1:
            raise ValueError(
                f"{given} of on_uv, on_scales, on_percent_mvc, false_per_min are given, must be one"
            )
        if not self.calibration and (self.on_uv is None or self.off_uv is None):
            raise ValueError(
                "needs calibration = the file of `nmesd calibrate`, or both on_uv and off_uv"
            )
        if self.fast_ratio is not None and (self.calibration or self.detector != "cusum"):
            raise ValueError(
                f"fast_ratio = {self.fast_ratio} is of the CUSUM, and a calibration finds its own: leave it out"
            )
        if self.on_uv is not None and self.off_uv is not None and self.off_uv > self.on_uv:
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
