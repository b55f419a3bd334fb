"""guard.toml: which stimulator, which socket, which limits. Read once at start, by the guard alone."""

import os
import pwd
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from nmesd.drivers import driver_from_config
from nmesd.drivers.base import Driver
from nmesd.errors import ConfigError
from nmesd.guard.limits import RULES, Limits
from nmesd.wire import CHANNELS


class GuardConfig(NamedTuple):
    """A read and checked guard.toml."""

    driver: Driver  # not yet opened
    socket: str
    client_uid: int  # the user whose engine is let in, beside root
    limits: Limits
    limits_hash: int


_AREA_CM2 = (0.5, 400)  # smallest electrode in use to a thigh's; a slip of units is outside
_SECTIONS = {
    "electrodes": {"area_cm2"},
    "guard": {"socket", "client_user"},
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
        if isinstance(content, dict) and section in ("stimulator", "gate"):
            continue  # nmesd.drivers knows what belongs there
        for key in content if isinstance(content, dict) and section in _SECTIONS else [""]:
            if key not in _SECTIONS.get(section, ()):
                known = "; ".join(f"[{name}] {', '.join(keys)}" for name, keys in _SECTIONS.items())
                raise ConfigError(f"{path}: unknown [{section}] {key}; known are {known}")

    def get(key: str, fits: Callable[[Any], bool], wanted: str, default: Any = None) -> Any:
        section, _, name = key.partition(".")
        value = data.get(section, {}).get(name, default)
        if not fits(value):
            raise ConfigError(f"{path}: [{section}] {name} = {value!r}: {wanted}")
        return value

    limits: dict[str, Any] = {}
    for rule in RULES:
        least, most = rule.floor, rule.ceiling
        wanted = f"must be {least:g} to {most:g} ({rule.source}); default {rule.default:g}"
        value = get(f"limits.{rule.key}", _number(least, most), wanted, rule.default)
        limits[rule.field] = int(round(value * rule.scale, 3))  # 32.3 mA is 32300 µA, not 32299
    channels = get("stimulator.channels", _are_channels, f"list those in use, 1 to {CHANNELS}")
    wanted = f"give the smallest electrode's area, {_AREA_CM2} cm²; there is no default"
    area_cm2 = get("electrodes.area_cm2", _number(*_AREA_CM2), wanted)
    user = get("guard.client_user", _is_user_or_none, "no such user on this system")
    return GuardConfig(
        driver=driver_from_config(data["stimulator"], data.get("gate"), path),
        socket=get("guard.socket", _is_text, "a text is needed: the path of the guard's socket"),
        client_uid=pwd.getpwnam(user).pw_uid if user else os.getuid(),
        limits=Limits(
            **limits,
            channels=tuple(c - 1 for c in channels),
            area_mm2=int(area_cm2 * 100),
        ),
        # Two 32-bit checksums of the file: names the limits in force in handshake and record, no security.
        limits_hash=zlib.crc32(text) << 32 | zlib.adler32(text),
    )


def _number(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and least <= value <= most


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_user_or_none(value: Any) -> bool:
    return value is None or value in [user.pw_name for user in pwd.getpwall()]


def _are_channels(value: Any) -> bool:
    known = range(1, CHANNELS + 1)
    return (
        isinstance(value, list)
        and value != []
        and all(type(c) is int and c in known for c in value)
    )
