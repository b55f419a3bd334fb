"""The three files of a session as values, for rehearsals: written to a folder, or without any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from nmesd.daemon.files import PROGRAMMES, Files
from nmesd.daemon.patient import PatientFile
from nmesd.daemon.programme import ProgrammeFile
from nmesd.daemon.settings import DaemonSettings

NAME = "rehearsal"
Sections = Mapping[str, Mapping[str, Any]]
_OF_OUTPUT = ("channel", "amplitude_ma")
_OF_TRIAL = ("relax_s",)


def one_muscle(
    label: str, threshold: Mapping[str, Any], train: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Patient and programme: one muscle, whose attempts are answered for as long as the session may last.

    train: keys of [train], and what belongs to it elsewhere: channel, amplitude_ma, relax_s.
    """
    output = {"channel": 1, **{key: train[key] for key in _OF_OUTPUT if key in train}}
    trial = {key: train[key] for key in _OF_TRIAL if key in train}
    pulses = {key: train[key] for key in train if key not in (*_OF_OUTPUT, *_OF_TRIAL)}
    return {
        "patient": {"code": "nobody", "muscle": [{"label": label, **threshold, "output": [output]}]},
        "programme": {
            "purpose": "every attempt is answered", "kind": "triggered", "train": pulses, "trial": trial,
            "session": {"minutes": 120},
        },
    }  # fmt: skip


def files_of(sections: Sections) -> Files:
    """As if they had been read. Sections are those of nmesd.toml, and whole "patient" and "programme"."""
    unit = {key: value for key, value in sections.items() if key not in ("patient", "programme")}
    return Files(
        Path(),
        {},
        DaemonSettings.model_validate({"session": {"programme": NAME}, **unit}),
        PatientFile.model_validate(sections["patient"]),
        ProgrammeFile.model_validate(sections["programme"]),
        NAME,
    )


def write_files(folder: Path, sections: Sections) -> Path:
    """nmesd.toml, patient.toml and the programme into a folder. Gives the first."""
    unit = {key: value for key, value in sections.items() if key not in ("patient", "programme")}
    (folder / PROGRAMMES).mkdir(exist_ok=True)
    (folder / PROGRAMMES / f"{NAME}.toml").write_text(tomli_w.dumps(sections["programme"]))
    (folder / "patient.toml").write_text(tomli_w.dumps(sections["patient"]))
    path = folder / "nmesd.toml"
    path.write_text(tomli_w.dumps({"session": {"programme": NAME}, **unit}))
    return path
