"""The three files of a session: the unit's nmesd.toml, and the patient's and the programme's that it names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from nmesd.daemon.patient import PatientFile
from nmesd.daemon.programme import ProgrammeFile
from nmesd.daemon.settings import DaemonSettings
from nmesd.daemon.toml import parse
from nmesd.errors import ConfigError
from nmesd.toml import read_text

PROGRAMMES = "programmes"  # the folder beside nmesd.toml


class Files(NamedTuple):
    """As they were read at one moment."""

    folder: Path  # of nmesd.toml: paths in it count from there
    texts: dict[str, bytes]  # by the name of the file
    settings: DaemonSettings
    patient: PatientFile
    programme: ProgrammeFile
    name: str  # of the programme

    def facts(self) -> dict[str, Any]:
        """For the record: the texts, and a checksum of each."""
        return {
            "programme": self.name,
            "patient": self.patient.code,
            "files": {name: text.decode() for name, text in self.texts.items()},
            "sha256": {name: hashlib.sha256(text).hexdigest() for name, text in self.texts.items()},
        }


def read_files(path: Path, programme: str = "") -> Files:
    """Read all three. `programme` instead of the one that nmesd.toml names. Raises ConfigError."""
    text = read_text(path)
    settings = parse(path, text, DaemonSettings)
    name = programme or settings.session.programme
    patient_path, programme_path = (
        path.parent / settings.session.patient,
        programme_file(path.parent, name),
    )
    patient_text = read_text(patient_path)
    if not programme_path.exists():
        known = ", ".join(sorted(p.stem for p in (path.parent / PROGRAMMES).glob("*.toml")))
        raise ConfigError(
            f"{path}: programme = {name!r}: no file {programme_path}; there are: {known or 'none'}"
        )
    programme_text = read_text(programme_path)
    return Files(
        path.parent,
        {path.name: text, patient_path.name: patient_text, programme_path.name: programme_text},
        settings,
        parse(patient_path, patient_text, PatientFile),
        parse(programme_path, programme_text, ProgrammeFile),
        programme_path.stem,
    )


def programme_file(folder: Path, name: str) -> Path:
    """Where a programme stands: a name is a file in programmes/, a path with .toml is that file."""
    return folder / (name if name.endswith(".toml") else f"{PROGRAMMES}/{name}.toml")
