"""Everything the engine decides with, as one value that survives JSON bit for bit. The record keeps it."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from nmesd.core.values import CoreSettings
from nmesd.units import NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """The one EMG stream that is accepted. Empty text means: not checked."""

    name: str
    type: str
    source_id: str
    host: str
    rate_mhz: int
    labels: tuple[str, ...]  # of all channels, in order
    muscle: str  # the label of the channel that is decided on
    unit: str = "microvolts"
    speed: int = (
        1  # how many times faster than real time: rehearsals with a simulated stimulator only
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Settings of one run of the engine."""

    stream: StreamSpec
    chain: dict[str, Any]  # dsp.coefficients.ChainCoefficients.to_dict()
    core: CoreSettings
    lease_ns: int = 20 * NS_PER_MS
    guard_socket: str
    lsl_config: str

    def to_json(self) -> bytes:
        """Canonical JSON: the same settings give the same bytes, and so the same hash."""
        data = asdict(self)
        data["core"] = self.core._asdict()
        return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> EngineSettings:
        """Back from JSON. Raises KeyError, TypeError or ValueError on anything else than `to_json` makes."""
        data = json.loads(text)
        stream = StreamSpec(**{**data["stream"], "labels": tuple(data["stream"]["labels"])})
        return cls(**{**data, "stream": stream, "core": CoreSettings(**data["core"])})


def settings_hash(text: bytes) -> int:
    """Names the settings in handshake and record: two 32-bit checksums, no security."""
    return zlib.crc32(text) << 32 | zlib.adler32(text)
