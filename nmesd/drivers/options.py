"""A driver's own keys in [stimulator] of guard.toml: what they may be, in one table per driver."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from nmesd.errors import ConfigError


class Option(NamedTuple):
    """One key. Without a default (None) it must be given."""

    default: Any
    kind: type
    allowed: Collection[Any]  # a range for numbers; empty: any but an empty text
    about: str  # what is wanted, with unit and choices


def chosen(options: Mapping[str, Option], given: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Every option's value. Raises ConfigError naming key, value and what is wanted."""
    for key in given:
        if key not in options:
            known = ", ".join(options) or "none"
            raise ConfigError(f"[{section}] {key}: no such key; this driver's own are: {known}")
    values = {}
    for key, option in options.items():
        value = given.get(key, option.default)
        if type(value) is not option.kind or (
            value not in option.allowed if option.allowed else value == ""
        ):
            raise ConfigError(f"[{section}] {key} = {value!r}: {option.about}")
        values[key] = value
    return values
