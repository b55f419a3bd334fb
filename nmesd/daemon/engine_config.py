"""From the operator's file to what the engine decides with: filters designed, thresholds in nanovolts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from nmesd.core.values import CoreSettings
from nmesd.daemon.settings import DaemonSettings, LslSection, parse_settings, read_text
from nmesd.daemon.thresholds import coefficients_of, thresholds
from nmesd.engine.settings import EngineSettings, StreamSpec
from nmesd.units import NS_PER_MS, NS_PER_S, NV_PER_UV, UA_PER_MA, US_PER_S


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
    stream, train = settings.stream, settings.train
    found = thresholds(settings)
    coefficients = coefficients_of(
        stream.rate_hz, stream.rail_uv, settings.filter, settings.threshold
    )
    if found.ratios and coefficients.cusum:
        coefficients = coefficients.with_ratios(found.ratios)
    rate_mhz = coefficients.rate_mhz
    core = CoreSettings(
        rate_mhz=rate_mhz,
        hop_samples=coefficients.hop_samples,
        on_nv=round(found.on_uv * NV_PER_UV),
        off_nv=round(found.off_uv * NV_PER_UV),
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
