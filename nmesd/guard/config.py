"""guard.toml: which stimulator, which socket, which limits. Read once at start, by the guard alone."""

import os
import pwd
import zlib
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from nmesd.drivers import driver_from_config
from nmesd.drivers.base import Driver
from nmesd.errors import ConfigError
from nmesd.guard.limits import RULES, Limits
from nmesd.toml import File, located, parse, read_text, strangers, unit_of, valued
from nmesd.wire import CHANNELS


class GuardConfig(NamedTuple):
    """A read and checked guard.toml."""

    driver: Driver  # not yet opened
    socket: str
    client_uid: int  # the user whose engine is let in, beside root
    limits: Limits
    limits_hash: int


AREA_CM2 = (0.5, 400)  # smallest electrode in use to a thigh's; a slip of units is outside
_TABLES: dict[str, Collection[str]] = {
    **dict.fromkeys(("stimulator", "gate"), ()),  # nmesd.drivers knows what belongs there
    "electrodes": ("area_cm2",),
    "guard": ("socket", "client_user"),
    "limits": [rule.key for rule in RULES],
}


def read_config(path: File) -> GuardConfig:
    """Read guard.toml. Raises ConfigError with every error: line, key, value, limit, unit, remedy."""
    text = read_text(path)
    data = parse(path, text)
    wrong = list(strangers(data, _TABLES))
    tables = {name: data[name] if isinstance(data.get(name), dict) else {} for name in _TABLES}

    def get(place: str, fits: Callable[[Any], bool], wanted: str, default: Any = None) -> Any:
        table, _, key = place.partition(".")
        value = tables[table].get(key, default)
        if fits(value):
            return value
        wrong.append(f"[{table}] {valued(key, value)}: {wanted}")
        return default

    limits: dict[str, Any] = {}
    for rule in RULES:
        least, most = rule.floor, rule.ceiling
        span = f"{least:g} to {most:g} {unit_of(rule.key)}".rstrip()
        wanted = f"must be {span} ({rule.source}); default {rule.default:g}"
        value = get(f"limits.{rule.key}", _number(least, most), wanted, rule.default)
        limits[rule.field] = int(round(value * rule.scale, 3))  # 32.3 mA is 32300 µA, not 32299
    channels = get("stimulator.channels", _are_channels, f"list those in use, 1 to {CHANNELS}")
    wanted = "give the smallest electrode's area, {:g} to {:g} cm²; there is no default"
    area_cm2 = get("electrodes.area_cm2", _number(*AREA_CM2), wanted.format(*AREA_CM2))
    user = get("guard.client_user", _is_user_or_none, "no such user here: see `getent passwd`")
    socket = get("guard.socket", _is_text, "a text is needed: the path of the guard's socket")
    gate = tables["gate"] if "gate" in data else None
    try:
        driver = driver_from_config(tables["stimulator"], gate)
    except ConfigError as error:
        raise located(path, text, [*wrong, *str(error).splitlines()]) from None
    if wrong:
        raise located(path, text, wrong)
    limits |= {"channels": tuple(c - 1 for c in channels), "area_mm2": int(area_cm2 * 100)}
    return GuardConfig(
        driver=driver,
        socket=socket,
        client_uid=pwd.getpwnam(user).pw_uid if user else os.getuid(),
        limits=Limits(**limits),
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
