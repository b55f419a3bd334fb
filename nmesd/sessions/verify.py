"""Is a session folder as it was written? Follows the chain, and says the first place that was changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from nmesd.errors import RecordError
from nmesd.sessions.hash_chain import BEGINNING, unsealed
from nmesd.sessions.names import CLOSED, COVERED, EVENTS, SESSION, SIGNALS

BLOCK = 1024 * 1024


class Verified(NamedTuple):
    """What came of it."""

    good: bool
    closed: bool  # ended in order; else by a power cut, a kill, or it still runs
    text: str
    lines: int  # that follow from the ones before
    chain: str  # of the last of these


def verify(folder: Path) -> Verified:
    """Raises RecordError if a file cannot be read."""
    try:
        with (folder / EVENTS).open("rb") as events:
            return _verify(folder, events.read().split(b"\n"))
    except OSError as error:
        raise RecordError(f"{folder}: cannot be read: {error}; is this a session folder?") from None


def _verify(folder: Path, lines: list[bytes]) -> Verified:
    chain, before, closed = BEGINNING, 0, False
    files = {name: _Prefix(folder / name) for name in (SESSION, SIGNALS)}
    whole = lines[:-1]  # what has no line end was cut off
    for number, line in enumerate(whole, 1):
        found = unsealed(chain, line.decode(errors="replace"))
        if found is None:
            text = f"{EVENTS}, line {number}: changed, or a line before it was taken out or put in"
            return Verified(False, closed, text, number - 1, chain)
        data = json.loads(found[0])
        closed = data.get("event") == CLOSED
        if data.get("event") == COVERED:
            for name, prefix in files.items():
                if wrong := prefix.differs(*data[name]):
                    text = f"{wrong} (kept between lines {before} and {number} of {EVENTS})"
                    return Verified(False, False, text, number - 1, chain)
            before = number
        chain = found[1]
    if closed:
        for prefix in files.values():
            if wrong := prefix.longer():
                return Verified(False, True, wrong, len(whole), chain)
        if lines[-1]:
            text = f"{EVENTS}: something stands after its last line"
            return Verified(False, True, text, len(whole), chain)
    end = "closed in order" if closed else "NOT closed: cut off here, or still being written"
    return Verified(True, closed, f"as it was written; {end}", len(whole), chain)


class _Prefix:
    """A file, read once, compared at every length that is known."""

    def __init__(self, path: Path) -> None:
        self._path, self._size = path, path.stat().st_size
        self._hash, self._read = hashlib.sha256(), 0

    def differs(self, size: int, sha256: str) -> str:
        """What is wrong with its first `size` bytes, empty if nothing. Sizes never get smaller."""
        if self._size < size:
            return f"{self._path.name}: has {self._size} bytes, {size} were kept: cut off"
        start = self._read
        with self._path.open("rb") as file:
            file.seek(start)
            while self._read < size:
                block = file.read(min(BLOCK, size - self._read))
                self._hash.update(block)
                self._read += len(block)
        if self._hash.hexdigest() != sha256:
            return f"{self._path.name}: changed between byte {start} and byte {size}"
        return ""

    def longer(self) -> str:
        """Whether something was added."""
        if self._size > self._read:
            return f"{self._path.name}: changed: something was added after byte {self._read}"
        return ""
