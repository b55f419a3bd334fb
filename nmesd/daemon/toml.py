"""Reading the operator's files: every error at once, each with file, key, value and what is wanted."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from nmesd.errors import ConfigError


class Section(BaseModel):
    """A table of such a file."""

    # Strict: `amplitude_ma = true` is a slip of the pen, and not one milliampere.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


File = TypeVar("File", bound=Section)


def read_text(path: Path) -> bytes:
    """The bytes of a file. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def parse(path: Path, text: bytes, kind: type[File]) -> File:
    """What the bytes of a file mean; `path` only names them. Raises ConfigError."""
    try:
        data = tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(str(part) for part in problem['loc'])} = {problem['input']!r}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from None
