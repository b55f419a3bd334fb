"""nmesd.toml, the unit's file: the one truth about its keys, types, units and ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nmesd.daemon.toml import Section, parse
from nmesd.toml import read_text


class SessionSection(Section):
    """Whose session, and by which programme. Paths count from the folder of nmesd.toml."""

    patient: Annotated[str, Field(min_length=1)] = "patient.toml"
    programme: Annotated[str, Field(min_length=1)]


class StreamSection(Section):
    """The one EMG stream that is accepted."""

    name: Annotated[str, Field(min_length=1)]
    type: str = "EMG"
    source_id: str = ""
    host: str = ""
    rate_hz: Annotated[float, Field(ge=200, le=20_000)]
    labels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]  # TOML has lists
    rail_uv: Annotated[float, Field(ge=0, le=10_000_000)] = 0
    speed: Annotated[int, Field(ge=1, le=50)] = 1


class LslSection(Section):
    """How far LSL looks."""

    scope: Literal["machine", "link", "site"] = "machine"
    known_peers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    session_id: str = "default"
    listen_address: str = (
        ""  # the interface to search on; empty: all, or 127.0.0.1 for scope "machine"
    )


class FilterSection(Section):
    """Band, mains notch, envelope and detector: the same for all muscles."""

    band_low_hz: Annotated[float, Field(ge=5, le=100)] = 30
    band_high_hz: Annotated[float, Field(ge=100, le=1000)] = 450
    mains_hz: Literal[0, 50, 60] = 50
    envelope: Literal["lowpass", "rms"] = "lowpass"
    envelope_hz: Annotated[float, Field(ge=1, le=50)] = 8
    rms_window_ms: Annotated[float, Field(ge=10, le=500)] = 100
    detector: Literal["cusum", "envelope"] = "cusum"
    min_duration_ms: Annotated[float, Field(ge=0, le=500)] = 0


class GuardSection(Section):
    """Where the guard is, and how long a lease lasts."""

    socket: str = "/run/nmesd/guard.sock"
    lease_ms: Annotated[int, Field(ge=10, le=100)] = 20


class ControlSection(Section):
    """Where the operator's commands come in, and whose group may do more than see and stop."""

    socket: str = "/run/nmesd/control.sock"
    operators: Annotated[str, Field(min_length=1)] = "nmesd"


class RecordSection(Section):
    """Where session folders go; empty: none are kept."""

    folder: str = ""


class MqttSection(Section):
    """Telemetry to a broker; from it only stop and disarm."""

    enabled: bool = False
    host: Annotated[str, Field(min_length=1)] = "localhost"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8883
    unit: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = "unit"
    tls: bool = True
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    username: str = ""
    password_file: str = ""

    @model_validator(mode="after")
    def _no_secret_in_the_clear(self) -> Self:
        if self.password_file and not self.tls and self.host not in ("localhost", "127.0.0.1"):
            raise ValueError(
                "password_file without tls would go over the network in the clear: set tls = true"
            )
        if bool(self.password_file) != bool(self.username):
            raise ValueError("username and password_file belong together: give both or neither")
        return self


class DaemonSettings(Section):
    """The whole file. A unit without a stream runs programmes that hear no EMG."""

    session: SessionSection
    stream: StreamSection | None = None
    lsl: LslSection = LslSection()
    filter: FilterSection = FilterSection()
    guard: GuardSection = GuardSection()
    control: ControlSection = ControlSection()
    record: RecordSection = RecordSection()
    mqtt: MqttSection = MqttSection()


def read_settings(path: Path) -> DaemonSettings:
    """Read nmesd.toml. Raises ConfigError with every error at once: file, key, value, what is wanted."""
    return parse(path, read_text(path), DaemonSettings)
