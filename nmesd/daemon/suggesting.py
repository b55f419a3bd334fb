"""`nmesd tune`: the best settings as a change of the files, which `nmesd check` has accepted."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit

from nmesd.daemon.engine_config import engine_settings
from nmesd.daemon.files import programme_file
from nmesd.daemon.settings import FilterSection
from nmesd.daemon.tuning import Base, files_from
from nmesd.errors import ConfigError
from nmesd.sessions.judge import Level
from nmesd.sessions.sweep import Tried


class Suggestion(NamedTuple):
    """The three files with other settings in them."""

    texts: dict[str, str]
    diff: str
    complaint: str
    """What `nmesd check` would say against it; empty: it accepts it."""


def suggestion(base: Base, band: FilterSection, tried: Tried) -> Suggestion:
    """The settings as a change of the files."""
    names = list(base.files.texts)
    texts = [text.decode() for text in base.files.texts.values()]
    now, wanted = base.files.settings.filter.model_dump(), band.model_dump()
    unit = {key: value for key, value in wanted.items() if value != now[key]}
    unit_file, patient_file = (tomlkit.parse(text) for text in texts[:2])
    if unit:
        _set(unit_file.setdefault("filter", tomlkit.table()), unit)
    _set(patient_file["muscle"][base.number], _of_muscle(base, band, tried.level))
    after = [tomlkit.dumps(unit_file), tomlkit.dumps(patient_file), texts[2]]
    files = dict(zip(names, after, strict=True))
    complaint = ""
    try:
        engine_settings(files_from(files, base.files.name, base.files.folder))
    except ConfigError as error:  # as a file of levels that is not beside the record
        complaint = str(error)
    diff = [
        line
        for name, old, new in zip(names, texts, after, strict=True)
        for line in unified_diff(old.splitlines(), new.splitlines(), name, name, lineterm="")
    ]
    return Suggestion(files, "\n".join(diff), complaint)


def write(base: Base, found: Suggestion, folder: Path) -> Path:
    """Into a folder, where nmesd.toml looks for the other two; gives its path."""
    session = base.files.settings.session
    unit, patient, programme = found.texts
    for path, name in (
        (folder / unit, unit),
        (folder / session.patient, patient),
        (programme_file(folder, session.programme), programme),
    ):
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"{name}: nmesd.toml names it outside its folder: write it by hand")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found.texts[name], encoding="utf-8")
    return folder / unit


def _of_muscle(base: Base, band: FilterSection, level: Level) -> dict[str, Any]:
    muscle = base.files.patient.muscle[base.number]
    values: dict[str, Any] = {
        "calibration": None, "on_scales": None, "on_percent_mvc": None, "false_per_min": None,
        "on_uv": float(f"{level.on_uv:.4g}"),
        "off_uv": float(f"{level.off_uv:.4g}"),
        "fast_ratio": None,
    }  # fmt: skip
    if band.detector == "cusum" and base.ratios:
        values["fast_ratio"] = base.ratios[base.column][-1]
    adapts = base.files.programme.adapt is not None
    low, high = base.bounds_uv
    if adapts or (muscle.floor_uv or 0.0) > level.on_uv:
        values["floor_uv"] = float(f"{min(muscle.floor_uv or low, values['on_uv']):.4g}")
    if adapts or (muscle.ceiling_uv or level.on_uv) < level.on_uv:
        values["ceiling_uv"] = float(f"{max(muscle.ceiling_uv or high, values['on_uv']):.4g}")
    return values


def _set(table: Any, values: dict[str, Any]) -> None:
    """A person's comments and order stay. None: the key goes."""
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
