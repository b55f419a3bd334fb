"""The JSON Schema of guard.toml, from the tables the guard itself checks it by."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from nmesd.drivers import DRIVERS, LEVELS, gated
from nmesd.drivers.options import Option
from nmesd.guard.config import AREA_CM2
from nmesd.guard.limits import RULES
from nmesd.wire import CHANNELS

_TYPES = {int: "integer", str: "string", bool: "boolean"}


def schema() -> dict[str, Any]:
    """Of the whole file; editors choose the keys of [stimulator] by its driver."""
    least, most = AREA_CM2
    area = {"type": "number", "minimum": least, "maximum": most, "description": "cm²"}
    guard = {
        "socket": {"type": "string", "minLength": 1},
        "client_user": {"type": "string", "description": "a user of this system"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "guard.toml",
        **_table(
            {
                "stimulator": {"oneOf": [_stimulator(name) for name in DRIVERS]},
                "gate": _table(
                    {key: _option(one) for key, one in gated.OPTIONS.items()},
                    _needed(gated.OPTIONS),
                ),
                "electrodes": _table({"area_cm2": area}, ["area_cm2"]),
                "guard": _table(guard, ["socket"]),
                "limits": _table(_limits(), []),
            },
            ["stimulator", "electrodes", "guard"],
        ),
    }


def _table(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def _limits() -> dict[str, Any]:
    return {
        rule.key: {
            "type": "number", "minimum": rule.floor, "maximum": rule.ceiling, "default": rule.default,
            "description": rule.source,
        }
        for rule in RULES
    }  # fmt: skip


def _stimulator(name: str) -> dict[str, Any]:
    module, cls = DRIVERS[name]
    options: Mapping[str, Option] = getattr(import_module(module), cls).OPTIONS
    channel = {"type": "integer", "minimum": 1, "maximum": CHANNELS}
    common = {
        "driver": {"const": name},
        "port": {"type": "string", "minLength": 1, "description": "what the driver opens"},
        "level": {"enum": list(LEVELS), "default": LEVELS[0]},
        "channels": {"type": "array", "items": channel, "minItems": 1},
    }
    own = {key: _option(one) for key, one in options.items()}
    return _table(common | own, ["driver", "port", "channels", *_needed(options)])


def _needed(options: Mapping[str, Option]) -> list[str]:
    return [key for key, option in options.items() if option.default is None]


def _option(option: Option) -> dict[str, Any]:
    said: dict[str, Any] = {"type": _TYPES[option.kind], "description": option.about}
    if option.default is not None:
        said["default"] = option.default
    allowed = list(option.allowed)
    if option.kind is str:
        return {**said, "enum": allowed} if allowed else {**said, "minLength": 1}
    first, *rest = allowed  # a range, and before it perhaps a number for none
    if rest[0] == first + 1:
        return {**said, "minimum": first, "maximum": rest[-1]}
    return {**said, "anyOf": [{"const": first}, {"minimum": rest[0], "maximum": rest[-1]}]}
