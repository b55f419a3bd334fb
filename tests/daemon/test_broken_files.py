"""Hundreds of broken files: none is accepted, none is a traceback, each message names its line."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from nmesd.daemon.complaints import _field, _models, _range
from nmesd.daemon.files import read_files
from nmesd.daemon.patient import PatientFile
from nmesd.daemon.programme import ProgrammeFile
from nmesd.daemon.settings import DaemonSettings
from nmesd.errors import ConfigError
from tests.daemon.three import write

CONFIG = Path(__file__).parents[2] / "config"
NAMES = {"nmesd.toml": DaemonSettings, "patient.toml": PatientFile, "programme.toml": ProgrammeFile}
SOUND = {
    "nmesd.toml": (CONFIG / "nmesd.toml").read_text().replace('"activation"', '"programme.toml"'),
    "patient.toml": (CONFIG / "patient.toml").read_text(),
    "programme.toml": (CONFIG / "programmes" / "catch-trials.toml").read_text(),
}
KEY = re.compile(r"^(\w+) = ([^#\n]*?)( *#.*)?$")
NOT_A_NUMBER = ('"many"', "true", "[1]", "nan", "inf", "-1e9", "1e9", "0x", "1,5")
NOT_A_TEXT = ("3", "true", "[1]", '"unclosed', "yes")


class Broken(NamedTuple):
    """One file with one line spoilt."""

    file: str
    line: int
    text: str


def spoilt() -> Iterator[Broken]:
    """Each line of each shipped file, in each way that fits it."""
    for file, text in SOUND.items():
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            for bad in _spoil(line):
                whole = [*lines[: number - 1], bad, *lines[number:]]
                yield Broken(file, number, "\n".join(whole) + "\n")


def _spoil(line: str) -> Iterator[str]:
    if match := KEY.match(line):
        key, value = match[1], match[2]
        yield f"{key}x = {value}"
        yield f"{key} {value}"
        yield f"{key} = "
        yield f"{key} = {value}\n{key} = {value}"  # twice
        for bad in NOT_A_NUMBER if re.match(r"[-\d]", value) else NOT_A_TEXT:
            yield f"{key} = {bad}"
    elif line.startswith("["):
        yield line.replace("]", "x]", 1)
        yield line.replace("]", "", 1)
        yield re.sub(r"\]( *#.*)?$", r"] x\1", line)


BROKEN = list(spoilt())


def test_there_are_more_than_two_hundred() -> None:
    assert len(BROKEN) > 400


def test_the_files_are_sound_before(tmp_path: Path) -> None:
    read_files(write(tmp_path, *SOUND.values()))


def test_each_is_refused_and_names_its_file_and_line(tmp_path: Path) -> None:
    # A table of another name leaves its keys to another: those are told where they stand.
    accepted, unnamed = [], []
    for broken in BROKEN:
        texts = {**SOUND, broken.file: broken.text}
        try:
            read_files(write(tmp_path, *texts.values()))
        except ConfigError as error:
            lines = str(error).splitlines()
            named = [re.match(rf".*/{re.escape(broken.file)}:(\d+): .+", line) for line in lines]
            if not all(named) or not any(
                match and int(match[1]) in (broken.line, broken.line + 1) for match in named
            ):
                unnamed.append(
                    (broken.file, broken.line, broken.text.splitlines()[broken.line - 1], lines)
                )
        else:
            accepted.append((broken.file, broken.line, broken.text.splitlines()[broken.line - 1]))
    assert accepted == []
    assert unnamed == []


@pytest.mark.parametrize("kind", NAMES.values())
def test_every_bound_is_told_with_its_unit(kind: type[BaseModel]) -> None:
    """The words come from the models: a bound cannot be one thing and be told as another."""
    for place in _places(kind):
        field = _field(kind, place)
        assert field is not None
        told = _range(field, "mA")
        bounds = [
            f"{bound:g}" for one in field.metadata for name in ("ge", "gt", "le", "lt")
            if (bound := getattr(one, name, None)) is not None
        ]  # fmt: skip
        assert all(bound in told for bound in bounds)
        assert not bounds or told.endswith("mA")


def _places(kind: type[BaseModel], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in kind.model_fields.items():
        inner = _models(field.annotation)
        if inner:
            yield from _places(inner[0], (*before, name))
        else:
            yield (*before, name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[filter]\nband_low = 3\n", "filter.band_low = 3: there is no such key here: did you mean band_low_hz?"),
        ("[filtre]\n", "filtre = {}: there is no such key here: did you mean filter?"),
        ("[guard]\nlease_ms = 101\n", "guard.lease_ms = 101 ms: must be 10 to 100 ms"),
        ("[guard]\nlease_ms = 20.5\n", "guard.lease_ms = 20.5 ms: must be a whole number, 10 to 100 ms"),
        ("[filter]\nmains_hz = 55\n", "filter.mains_hz = 55 Hz: must be 0, 50 or 60"),
        ("[lsl]\nknown_peers = 3\n", "lsl.known_peers = 3: must be a list in brackets"),
        ("[record]\nfolder = 3\n", "record.folder = 3: must be a text in quotes"),
        ("guard = 3\n", "guard = 3: must be a table"),
        ("[guard]\nzzzz = 3\n", "guard.zzzz = 3: there is no such key here: there are socket, lease_ms"),
    ],
)  # fmt: skip
def test_words(text: str, says: str, tmp_path: Path) -> None:
    unit = 'session = {programme = "programme.toml"}\n' + text
    with pytest.raises(ConfigError) as caught:
        read_files(write(tmp_path, unit))
    (line,) = str(caught.value).splitlines()
    assert line.endswith(f": {says}")


def test_the_lines_of_nested_tables(tmp_path: Path) -> None:
    patient = (
        'code = "x"\n\n[[muscle]]\nlabel = "a"\n[[muscle.output]]\nchannel = 9\n[[muscle.output]]\nchannel = 2\n'
        '[[muscle]]\nlabel = "b"\n[[muscle.output]]\nchannel = 3\namplitude_ma = 200\n'
        'output.extra = 1\n'
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        read_files(write(tmp_path, patient=patient))
    told: list[Any] = re.findall(r"patient.toml:(\d+): ([\w.]+)", str(caught.value))
    assert told == [
        ("6", "muscle.0.output.0.channel"),
        ("13", "muscle.1.output.0.amplitude_ma"),
        ("14", "muscle.1.output.0.output"),
    ]


def test_a_file_that_is_no_text_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b'[session]\nprogramme = "\xff"\n')
    with pytest.raises(ConfigError, match=r"nmesd.toml:2: cannot be read: not UTF-8"):
        read_files(path)


@pytest.mark.parametrize("file", ["nmesd", "patient", "programme"])
def test_editors_get_a_schema_with_the_same_bounds(file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "schema", file],
        capture_output=True,
        text=True,
        check=True,
    )
    schema = json.loads(done.stdout)
    assert schema["additionalProperties"] is False
    parts = schema["$defs"].values()
    bounds = [one for part in parts for one in part["properties"].values() if "maximum" in one]
    assert len(bounds) >= 1
    if file == "programme":
        assert schema["$defs"]["TrainSection"]["properties"]["rate_hz"]["maximum"] == 100
