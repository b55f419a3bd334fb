"""The three files of a session, the least they must have, written and read."""

from pathlib import Path

import pytest

from nmesd.daemon.files import Files, read_files
from nmesd.errors import ConfigError

UNIT = """
[session]
programme = "programme.toml"
[stream]
name = "amplifier"
rate_hz = 1000
labels = ["biceps", "triceps"]
"""
PATIENT = """
code = "P7"
[[muscle]]
label = "biceps"
on_uv = 10
off_uv = 7
[[muscle.output]]
channel = 2
"""
PROGRAMME = """
purpose = "x"
kind = "triggered"
[session]
minutes = 30
"""


def write(
    folder: Path, unit: str = UNIT, patient: str = PATIENT, programme: str = PROGRAMME
) -> Path:
    """nmesd.toml, patient.toml and programme.toml."""
    (folder / "patient.toml").write_text(patient)
    (folder / "programme.toml").write_text(programme)
    path = folder / "nmesd.toml"
    path.write_text(unit)
    return path


def read(
    folder: Path, unit: str = UNIT, patient: str = PATIENT, programme: str = PROGRAMME
) -> Files:
    """Written, and read."""
    return read_files(write(folder, unit, patient, programme))


def errors(
    folder: Path, unit: str = UNIT, patient: str = PATIENT, programme: str = PROGRAMME
) -> list[str]:
    """What is wrong with them, a line each."""
    with pytest.raises(ConfigError) as caught:
        read(folder, unit, patient, programme)
    return str(caught.value).splitlines()
