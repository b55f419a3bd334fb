"""What two readings of the files differ in, and what of it may change while a session runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from typing import Any, Final, NamedTuple

from nmesd.core.journal import to_ints
from nmesd.core.tuning import tuned, tuning
from nmesd.daemon.engine_config import Config
from nmesd.daemon.files import Files
from nmesd.engine.settings import EngineSettings
from nmesd.errors import ConfigError

THRESHOLDS: Final = (
    "on_uv", "on_scales", "on_percent_mvc", "false_per_min", "off_uv", "floor_uv", "ceiling_uv", "veto_uv",
)  # fmt: skip
RESTS: Final = ("rest_s", "set_pause_s")
RESTART: Final = ("control", "lsl", "mqtt")  # sections the daemon takes up when it starts


class Change(NamedTuple):
    """One key of a file. `before` or `after` is None where it was not, or is not, given."""

    file: str
    key: str  # as muscle.0.on_uv
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.file}: {self.key} {self.before} → {self.after}"


def changes(before: Files, after: Files) -> tuple[Change, ...]:
    """Every key whose value differs, file by file. Another patient's or programme's file is named first."""
    found = []
    for name, old, new in zip(after.texts, _sections(before), _sections(after), strict=True):
        was, now = dict(_keys(old)), dict(_keys(new))
        found += [
            Change(name, key, was.get(key), now.get(key))
            for key in dict.fromkeys((*was, *now))
            if was.get(key) != now.get(key)
        ]
    return tuple(found)


def needs_restart(found: tuple[Change, ...]) -> None:
    """Raises ConfigError if a running daemon cannot take these up."""
    other = [change for change in found if change.key.split(".")[0] in RESTART]
    if other:
        raise ConfigError(f"{_listed(other)}: restart nmesd instead: sudo systemctl restart nmesd")


def while_armed(before: Config, after: Config, found: tuple[Change, ...]) -> bytes:
    """What the engine is told, so that a session goes on with the new files; empty if nothing is to be told.

    Raises ConfigError, with what stands against it.
    """
    old, new = EngineSettings.from_json(before.engine), EngineSettings.from_json(after.engine)
    acts = tuning(old.core, new.core, operator=0, t_ns=0)  # both are said by the engine
    reached = replace(old, core=reduce(tuned, acts, old.core))
    other = [c for c in found if c.key.split(".")[-1] not in (*THRESHOLDS, *RESTS)]
    if other or reached != new:
        what = _listed(other) or "the calibration of a muscle"
        raise ConfigError(
            f"{what}: cannot change in an armed session: `nmesd disarm` first. Armed, thresholds "
            f"({', '.join(THRESHOLDS)}) and rests ({', '.join(RESTS)}) can"
        )
    told = [(code, *fields[2:]) for code, fields in map(to_ints, acts)]
    return json.dumps(told).encode() if told else b""


def _listed(found: list[Change]) -> str:
    return "; ".join(str(change) for change in found)


def _sections(files: Files) -> tuple[dict[str, Any], ...]:
    models = (files.settings, files.patient, files.programme)
    return tuple(model.model_dump(mode="json") for model in models)


def _keys(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(key, value) of everything that is no table; of several tables each has its number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _keys(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for number, inner in enumerate(value):
            yield from _keys(inner, f"{path}.{number}")
    else:
        yield path, value
