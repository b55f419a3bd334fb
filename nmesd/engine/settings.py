"""Everything the engine decides with, as one value that survives JSON bit for bit. The record keeps it."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from nmesd.core.plain import core_settings, to_plain
from nmesd.core.values import CoreSettings, OutputSettings
from nmesd.units import NS_PER_MS
from nmesd.wire import ChannelOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """The one EMG stream that is accepted. Empty text means: not checked."""

    name: str
    type: str
    source_id: str
    host: str
    rate_mhz: int
    labels: tuple[str, ...]  # of all channels, in order
    columns: tuple[str, ...]  # labels of those that are decided on; the core counts them from 0
    unit: str = "microvolts"
    speed: int = (
        1  # how many times faster than real time: rehearsals with a simulated stimulator only
    )

    @property
    def channels(self) -> list[int]:
        """Where the columns are in the stream."""
        return [self.labels.index(label) for label in self.columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Settings of one run of the engine. A programme that needs no EMG has no stream and no chain."""

    stream: StreamSpec | None
    chain: dict[str, Any] | None  # dsp.coefficients.ChainCoefficients.to_dict()
    core: CoreSettings
    lease_ns: int = 20 * NS_PER_MS
    guard_socket: str
    lsl_config: str

    @property
    def whole(self) -> bool:
        """False while the filters are still designed: what to listen for is known, and no more."""
        return self.stream is None or self.chain is not None

    def to_json(self) -> bytes:
        """Canonical JSON: the same settings give the same bytes, and so the same hash."""
        data = {
            "stream": None if self.stream is None else asdict(self.stream),
            "chain": self.chain,
            "core": to_plain(self.core),
            "lease_ns": self.lease_ns,
            "guard_socket": self.guard_socket,
            "lsl_config": self.lsl_config,
        }
        return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> EngineSettings:
        """Back from JSON. Raises KeyError, TypeError or ValueError on anything else than `to_json` makes."""
        data = json.loads(text)
        stream = None if data["stream"] is None else stream_spec(data["stream"])
        return cls(**{**data, "stream": stream, "core": core_settings(data["core"])})


def stream_spec(data: dict[str, Any]) -> StreamSpec:
    """Back from JSON. Raises KeyError or TypeError."""
    return StreamSpec(
        **{**data, "labels": tuple(data["labels"]), "columns": tuple(data["columns"])}
    )


def settings_hash(text: bytes) -> int:
    """Names the settings in handshake and record: two 32-bit checksums, no security."""
    return zlib.crc32(text) << 32 | zlib.adler32(text)


def outputs(core: CoreSettings) -> list[tuple[OutputSettings, ChannelOutput]]:
    """Every output at its plateau, as the stimulator is told it."""
    return [
        (one, ChannelOutput(one.amplitude_ua, one.pulse_width_us, core.programme.period_us))
        for muscle in core.muscles
        for one in muscle.outputs
    ]
