"""The checksum of a certificate: whether a figure was changed. It says nothing of who made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmesd.errors import RecordError

KEY = "sha256"


def signed(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """With the checksum of all the rest."""
    rest = {key: value for key, value in certificate.items() if key != KEY}
    return {**rest, KEY: checksum(rest)}


def checksum(certificate: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical text: keys sorted, no spaces, ASCII; without the checksum itself."""
    rest = {key: value for key, value in certificate.items() if key != KEY}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> dict[str, Any]:
    """A certificate from its file, as it was made. Raises RecordError if it is none, or was changed."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict) or KEY not in found or "idle" not in found:
        raise RecordError(
            f"{path}: is no certificate: give the file that `nmesd certify --json` wrote"
        )
    try:
        same = found[KEY] == checksum(found)
    except ValueError:  # NaN, which none has
        same = False
    if not same:
        raise RecordError(
            f"{path}: was changed after it was made: its checksum is another; make it anew"
        )
    return found
