"""The operator's files, read with every error at once: file, line, value, limit and unit; and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

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


def to_toml(values: Mapping[str, Any]) -> str:
    """TOML of plain data: tables as inline ones, which JSON's texts, numbers and lists fit into."""
    return "".join(f"{key} = {_inline(value)}\n" for key, value in values.items())


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{key} = {_inline(one)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value, ensure_ascii=False)
