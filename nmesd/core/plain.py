"""Settings of the core as plain data for JSON, and back: named tuples as objects, enums by their names."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, get_args, get_type_hints

from nmesd.core.values import CoreSettings


def to_plain(value: Any) -> Any:
    """What JSON can take."""
    if isinstance(value, IntEnum):
        return value.name
    if hasattr(value, "_fields"):
        return {name: to_plain(getattr(value, name)) for name in value._fields}
    return [to_plain(one) for one in value] if isinstance(value, tuple) else value


def core_settings(data: Any) -> CoreSettings:
    """Back from `to_plain`. Raises KeyError, TypeError or ValueError on anything else."""
    settings: CoreSettings = _value(CoreSettings, data)
    return settings


def _value(kind: Any, data: Any) -> Any:
    if hasattr(kind, "_fields"):
        hints = get_type_hints(kind)
        unknown = data.keys() - hints.keys()
        if unknown:
            raise ValueError(f"{kind.__name__}: {sorted(unknown)} unknown")
        return kind(**{name: _value(hints[name], value) for name, value in data.items()})
    if args := get_args(kind):  # tuple[X, ...]
        return tuple(_value(args[0], one) for one in data)
    return kind[data] if issubclass(kind, IntEnum) else kind(data)
