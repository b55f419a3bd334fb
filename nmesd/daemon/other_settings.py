"""Other settings for a recorded session: another nmesd.toml with its files, or another patient.toml alone."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from nmesd.daemon.engine_config import engine_settings, load
from nmesd.daemon.files import Files
from nmesd.daemon.patient import PatientFile
from nmesd.daemon.programme import ProgrammeFile
from nmesd.daemon.settings import DaemonSettings
from nmesd.daemon.toml import parse
from nmesd.errors import RecordError
from nmesd.toml import read_text


def other_settings(session: dict[str, Any], path: Path) -> dict[str, Any]:
    """What the engine would decide with. Raises ConfigError, and RecordError where the record lacks a file.

    session: as `Folder.session`. What a patient.toml names (a calibration) is looked for beside it.
    """
    text = read_text(path)
    if _is_unit(text.decode(errors="replace")):
        return _plain(load(path).engine)
    patient = parse(path, text, PatientFile)
    settings, programme, name = _recorded(session)
    files = Files(path.parent, {path.name: text}, settings, patient, programme, name)
    return _plain(engine_settings(files).to_json())


def _recorded(session: dict[str, Any]) -> tuple[DaemonSettings, ProgrammeFile, str]:
    """The unit's file and the programme, as the record has kept them."""
    name = str(session.get("programme", ""))
    texts: dict[str, str] = session.get("files", {})
    units = [key for key, text in texts.items() if _is_unit(text)]
    if f"{name}.toml" not in texts or len(units) != 1:
        raise RecordError("the record has not kept its nmesd.toml and programme: give a nmesd.toml")
    unit = parse(Path(units[0]), texts[units[0]].encode(), DaemonSettings)
    path = Path(f"{name}.toml")
    return unit, parse(path, texts[path.name].encode(), ProgrammeFile), name


def _is_unit(text: str) -> bool:
    """Is it a nmesd.toml? What is no TOML at all is not."""
    try:
        return "programme" in tomllib.loads(text).get("session", {})
    except tomllib.TOMLDecodeError:
        return False


def _plain(engine: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(engine)
    return data
