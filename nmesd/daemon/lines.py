"""In which line of a TOML file a key stands, for error messages. The file has been read: it is good TOML."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")

Place = tuple[str | int, ...]


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
