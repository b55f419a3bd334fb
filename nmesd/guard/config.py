"""guard.toml: which stimulator, which socket, which limits. Read once at start, by the guard alone."""

from __future__ import annotations

import tomllib
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from nmesd.errors import ConfigError
from nmesd.guard.limits import RULES, Limits
from nmesd.wire import CHANNELS


class GuardConfig(NamedTuple):
    """A read and checked guard.toml."""

    driver: str
    port: str
    socket: str
    limits: Limits
    limits_hash: int


_SECTIONS = {
    "stimulator": {"driver", "port", "channels"},
    "guard": {"socket"},
    "limits": {rule.key for rule in RULES},
}


def read_config(path: Path) -> GuardConfig:
    """Read guard.toml. Raises ConfigError naming file, key, value, limit, unit and remedy."""
    try:
        text = path.read_bytes()
        data = tomllib.loads(text.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    for section, content in data.items():
        known = _SECTIONS.get(section)
        if known is None or not isinstance(content, dict):
            raise ConfigError(
                f"{path}: unknown section [{section}]; known are {', '.join(_SECTIONS)}"
            )
        for key in content:
            if key not in known:
                raise ConfigError(
                    f"{path}: [{section}] unknown key {key}; known are {', '.join(sorted(known))}"
                )
    stimulator = data.get("stimulator", {})
    return GuardConfig(
        driver=_text(path, stimulator, "stimulator", "driver"),
        port=_text(path, stimulator, "stimulator", "port"),
        socket=_text(path, data.get("guard", {}), "guard", "socket"),
        limits=_limits(path, data.get("limits", {}), _channels(path, stimulator)),
        # Two 32-bit checksums of the file: names the limits in force in handshake and record, no security.
        limits_hash=zlib.crc32(text) << 32 | zlib.adler32(text),
    )


def _text(path: Path, section: dict[str, Any], name: str, key: str) -> str:
    value = section.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(
            f'{path}: [{name}] {key} = {value!r}: a text is needed, as in {key} = "..."'
        )
    return value


def _channels(path: Path, stimulator: dict[str, Any]) -> frozenset[int]:
    value = stimulator.get("channels")
    ok = (
        isinstance(value, list)
        and value
        and all(type(c) is int and 1 <= c <= CHANNELS for c in value)
    )
    if not ok or not isinstance(value, list):
        raise ConfigError(
            f"{path}: [stimulator] channels = {value!r}: list the channels that may be used, 1 to {CHANNELS}, "
            "as in channels = [1]"
        )
    return frozenset(channel - 1 for channel in value)


def _limits(path: Path, section: dict[str, Any], channels: frozenset[int]) -> Limits:
    values: dict[str, int] = {}
    for rule in RULES:
        value = section.get(rule.key, rule.default)
        # A limit of less than one integer unit would be a limit of zero.
        if type(value) not in (int, float) or not 1 / rule.scale <= value <= rule.ceiling:
            raise ConfigError(
                f"{path}: [limits] {rule.key} = {value!r} {rule.unit}: must be at least "
                f"{1 / rule.scale:g} and at most {rule.ceiling} {rule.unit} ({rule.source}); "
                f"the default is {rule.default}"
            )
        values[rule.key] = int(round(value * rule.scale, 3))  # 32.3 mA is 32300 µA, not 32299
    return Limits(values["amplitude_ma"], values["pulse_width_us"], values["rate_hz"], channels)
