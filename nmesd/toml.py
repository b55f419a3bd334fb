"""A TOML file read for people: what is wrong with it, in which line, in which unit, and what was probably meant.

For the guard's file and the operator's files alike. Standard library only.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from nmesd.errors import ConfigError

UNITS: Final = {  # by the end of a key
    "_hz": "Hz", "_mhz": "mHz", "_uv": "µV", "_ma": "mA", "_ua": "µA", "_us": "µs", "_ms": "ms", "_s": "s",
    "_cm2": "cm²", "_uc": "µC", "_mc": "mC", "_pc": "pC", "_ma_cm2": "mA/cm²", "_mw_cm2": "mW/cm²",
    "_ma_s": "mA/s", "_percent": "%", "_percent_mvc": "% of the best effort", "minutes": "min", "_min": "min",
    "_per_min": "a minute",
}  # fmt: skip

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")

_NAMED = re.compile(r"\[([^\]]+)\](?: ([\w-]+))?")

Place = tuple[str | int, ...]
File = str | os.PathLike[str]


def read_text(path: File) -> bytes:
    """The bytes of a file. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def parse(path: File, text: bytes) -> dict[str, Any]:
    """What the bytes of a file say; `path` only names them. Raises ConfigError with the line."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: cannot be read: not UTF-8: save it so") from None
    try:
        return tomllib.loads(decoded)
    except (ValueError, RecursionError) as error:  # not only TOML's: a number of 5000 digits
        at = re.search(r"\(at line (\d+)", str(error))
        line = int(at[1]) if at else decoded.count("\n") + 1
        says = re.sub(r" \(at .*\)$", "", str(error))
        raise ConfigError(
            f"{path}:{line}: cannot be read: {says}: see the file in config/"
        ) from None


def unit_of(key: str) -> str:
    """`mA` of `amplitude_ma`; empty for one without."""
    endings = [ending for ending in UNITS if key.endswith(ending)]
    return UNITS[max(endings, key=len)] if endings else ""


def valued(name: str, value: object) -> str:
    """`amplitude_ma = 30 mA`, or that it is missing."""
    if value is None:
        return f"{name} is missing"
    unit = unit_of(name) if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f"{name} = {value!r}{f' {unit}' if unit else ''}"


def meant(name: str, known: Collection[str]) -> str:
    """What was probably meant by a name that is none, or else all there are."""
    import difflib  # noqa: PLC0415 - 0.1 MB, for who made a mistake

    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"


def strangers(data: Mapping[str, Any], tables: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Tables and keys that there are not. tables: name -> its keys; none: somebody else knows them."""
    for name, table in data.items():
        if name not in tables:
            yield f"[{name}]: there is no such table: {meant(name, tables)}"
        elif not isinstance(table, dict):
            yield f"[{name}] is {table!r}: must be one table"
        else:
            for key in table:
                if tables[name] and key not in tables[name]:
                    said = valued(key, table[key])
                    yield f"[{name}] {said}: there is no such key here: {meant(key, tables[name])}"


def located(path: File, text: bytes, complaints: Iterable[str]) -> ConfigError:
    """All of them in the order of the file. Each begins with `[table] key`: from there comes its line."""
    told = {}
    for one in complaints:
        named = _NAMED.match(one)
        place = [part for part in named.groups() if part] if named else []
        line = line_of(text.decode(), place)
        told[f"{path}:{line}: {one}"] = line
    return ConfigError("\n".join(sorted(told, key=told.__getitem__)))


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line, from 1, of a key or table by its path, or else of the nearest thing around it that stands there.

    Lists count from 0, as pydantic says them. A key inside an inline table has the line of what that belongs to.
    """
    there = _places(text)
    for length in range(len(place), 0, -1):
        if (line := there.get(tuple(place[:length]))) is not None:
            return line
    return 1


def _places(text: str) -> dict[Place, int]:
    there: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            brackets, name = match[1], match[2]
            table = _resolved(tuple(_parts(name)), counts)
            if brackets == "[[":
                index = counts[table] = counts.get(table, -1) + 1
                there.setdefault(table, number)
                table = (*table, index)
            there.setdefault(table, number)
        elif match := _KEY.match(line):
            key = (*table, *_parts(match[1]))
            for length in range(len(table) + 1, len(key) + 1):
                there.setdefault(key[:length], number)
    return there


def _resolved(parts: Place, counts: dict[Place, int]) -> Place:
    """`muscle.output` after [[muscle]] is that of the last muscle."""
    place: Place = ()
    for part in parts[:-1]:
        place = (*place, part)
        if place in counts:
            place = (*place, counts[place])
    return (*place, parts[-1])


def _parts(name: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(name)]
