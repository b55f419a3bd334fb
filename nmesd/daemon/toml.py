"""The operator's files, read with every error at once: file, line, value, limit and unit."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from nmesd.daemon.complaints import complaint
from nmesd.errors import ConfigError
from nmesd.toml import line_of
from nmesd.toml import parse as parse_toml


class Section(BaseModel):
    """A table of such a file."""

    # Strict: `amplitude_ma = true` is a slip of the pen, and not one milliampere.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


File = TypeVar("File", bound=Section)


def parse(path: Path, text: bytes, kind: type[File]) -> File:
    """What the bytes of a file mean; `path` only names them. Raises ConfigError."""
    data = parse_toml(path, text)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        told = {}
        for problem in error.errors(include_url=False):
            line = line_of(text.decode(), problem["loc"])
            told[f"{path}:{line}: {complaint(problem, kind)}"] = line
        raise ConfigError("\n".join(sorted(told, key=told.__getitem__))) from None
