"""A driver's own keys in [stimulator] of guard.toml: what they may be, in one table per driver."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from nmesd.errors import ConfigError
from nmesd.toml import meant, valued


class Option(NamedTuple):
    """One key. Without a default (None) it must be given."""

    default: Any
    kind: type
    allowed: Collection[Any]  # a range for numbers; empty: any but an empty text
    about: str  # what is wanted, with unit and choices


def wrong(options: Mapping[str, Option], given: Mapping[str, Any], section: str) -> list[str]:
    """Everything that is wrong, a line each: `[section] key = value: what is wanted`."""
    said = [
        f"[{section}] {valued(key, given[key])}: there is no such key for this driver: {meant(key, options)}"
        for key in given
        if key not in options
    ]
    for key, option in options.items():
        value = given.get(key, option.default)
        if type(value) is not option.kind or (
            value not in option.allowed if option.allowed else value == ""
        ):
            said.append(f"[{section}] {valued(key, value)}: {option.about}")
    return said


def chosen(options: Mapping[str, Option], given: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Every option's value. Raises ConfigError with everything that is wrong."""
    if said := wrong(options, given, section):
        raise ConfigError("\n".join(said))
    return {key: given.get(key, option.default) for key, option in options.items()}
