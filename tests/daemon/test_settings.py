"""nmesd.toml: the shipped file loads, a wrong one is refused with all that is wrong with it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from nmesd.daemon.engine_config import engine_settings, lsl_config
from nmesd.daemon.files import read_files
from nmesd.daemon.settings import DaemonSettings, read_settings
from nmesd.errors import ConfigError
from nmesd.guard.config import read_config
from nmesd.guard.limits import RULES
from tests.daemon.three import UNIT, errors, read, write

# ---- the shipped files ----------------------------------------------------------------------------


@pytest.fixture
def shipped(repo_root: Path) -> Path:
    return repo_root / "config" / "nmesd.toml"


def test_the_shipped_files_load_and_give_no_current(shipped: Path) -> None:
    core = engine_settings(read_files(shipped)).core
    assert [o.amplitude_ua for muscle in core.muscles for o in muscle.outputs] == [0]


def shown(text: str) -> dict[str, Any]:
    """With every line that is commented out."""
    return tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))


def test_the_shipped_file_shows_every_key_with_its_default(shipped: Path) -> None:
    text = shipped.read_text()
    given, all_of_it = tomllib.loads(text), shown(text)
    for name, section in DaemonSettings.model_fields.items():
        kind = section.annotation
        if name == "stream":
            kind = type(read_settings(shipped).stream)
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        assert set(all_of_it[name]) == set(kind.model_fields), name
        for key in all_of_it[name].keys() - given.get(name, {}).keys():
            default = kind.model_fields[key].default
            value = all_of_it[name][key]
            assert (tuple(value) if isinstance(value, list) else value) == default, (
                f"[{name}] {key}"
            )
    DaemonSettings.model_validate(all_of_it)


def test_check_says_what_the_shipped_files_mean(shipped: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "check", str(shipped)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "good" in done.stdout
    assert "programme activation: " in done.stdout
    assert "12 µV" in done.stdout
    assert "0 mA on channel 1: nothing is given" in done.stdout


def test_the_shipped_guard_file_loads_and_gives_nothing(repo_root: Path) -> None:
    config = read_config(repo_root / "config" / "guard.toml")
    assert config.driver.identify() == "GIVES NOTHING (level dry-run): no stimulator"
    assert tuple(config.limits.channels) == (0,)
    limits = tomllib.loads((repo_root / "config" / "guard.toml").read_text())["limits"]
    choices = {rule.key: rule.default for rule in RULES if rule.floor != rule.ceiling}
    assert limits == choices  # all written out, and as the guard would have it anyway


def test_the_two_files_meet_at_one_socket(shipped: Path, repo_root: Path) -> None:
    guard = read_config(repo_root / "config" / "guard.toml")
    assert read_settings(shipped).guard.socket == guard.socket


# ---- defaults -------------------------------------------------------------------------------------


def test_defaults_are_the_quiet_side_of_every_choice(tmp_path: Path) -> None:
    settings = read(tmp_path).settings
    assert settings.stream is not None
    assert settings.lsl.scope == "machine"
    assert settings.stream.speed == 1
    assert settings.stream.type == "EMG"
    assert settings.guard.lease_ms == 20
    assert settings.record.folder == ""
    assert settings.stream.rail_uv == 0  # not known, and so not guessed


# ---- what is wrong, all of it at once -------------------------------------------------------------


def test_every_error_is_told_at_once_with_file_key_value_and_limit(tmp_path: Path) -> None:
    unit = (
        UNIT.replace("rate_hz = 1000", "rate_hz = 50")
        + "[guard]\nlease_ms = 101\n[filter]\nmains_hz = 55\n[extra]\nkey = 1\n"
    )
    lines = errors(tmp_path, unit)
    wanted = [
        (6, "stream.rate_hz = 50 Hz: must be 200 to 20000 Hz"),
        (9, "guard.lease_ms = 101 ms: must be 10 to 100 ms"),
        (11, "filter.mains_hz = 55 Hz: must be 0, 50 or 60"),
        (
            12,
            "extra = {'key': 1}: there is no such key here: there are session, stream, lsl, filter, guard",
        ),
    ]
    assert len(lines) == len(wanted)
    for line, (number, says) in zip(lines, wanted, strict=True):
        assert line.startswith(f"{tmp_path / 'nmesd.toml'}:{number}: {says}")


@pytest.mark.parametrize("section", list(DaemonSettings.model_fields))
def test_a_key_that_does_not_exist_is_refused(section: str, tmp_path: Path) -> None:
    """A misspelt setting must not be one that is silently not there."""
    unit = UNIT.replace(f"[{section}]", f"[{section}]\nlease_MS = 5")
    if unit == UNIT:
        unit += f"[{section}]\nlease_MS = 5\n"
    (line,) = errors(tmp_path, unit)
    assert f"{section}.lease_MS = 5" in line


BOUNDS = [
    ("stream", "rate_hz", 200, 20_000, 1),
    ("stream", "speed", 1, 50, 1),
    ("stream", "rail_uv", 0, 10_000_000, 0.1),
    ("filter", "band_low_hz", 5, 100, 0.1),
    ("filter", "band_high_hz", 100, 1000, 0.1),
    ("filter", "envelope_hz", 1, 50, 0.1),
    ("filter", "rms_window_ms", 10, 500, 0.1),
    ("filter", "min_duration_ms", 0, 500, 0.1),
    ("guard", "lease_ms", 10, 100, 1),
]


def with_value(section: str, key: str, value: float) -> str:
    data: dict[str, dict[str, Any]] = tomllib.loads(UNIT)
    data.setdefault(section, {})[key] = value
    lines = []
    for name, content in data.items():
        lines.append(f"[{name}]")
        lines += [f"{k} = {str(v) if isinstance(v, list) else repr(v)}" for k, v in content.items()]
    return "\n".join(lines)


@pytest.mark.parametrize(("section", "key", "least", "most", "unit"), BOUNDS)
def test_a_range_ends_where_it_says(
    section: str, key: str, least: float, most: float, unit: float, tmp_path: Path
) -> None:
    for good in (least, most):
        settings = read_settings(write(tmp_path, with_value(section, key, good)))
        assert getattr(getattr(settings, section), key) == good
    for bad in (round(least - unit, 6), round(most + unit, 6)):
        (line,) = errors(tmp_path, with_value(section, key, bad))
        assert f"{section}.{key} = {bad!r}" in line


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("rate_hz = 1000\n", "", "stream.rate_hz"),
        ('labels = ["biceps", "triceps"]', "labels = []", "stream.labels"),
        ('programme = "programme.toml"', "", "session.programme"),
        ('"programme.toml"', '"strenght"', "no file"),
        ("[session]", '[session]\npatient = "nobody.toml"', "nobody.toml: cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(before: str, after: str, said: str, tmp_path: Path) -> None:
    assert before in UNIT
    assert any(said in line for line in errors(tmp_path, UNIT.replace(before, after)))


def test_a_band_the_rate_cannot_carry_is_refused_with_words(tmp_path: Path) -> None:
    unit = UNIT.replace("rate_hz = 1000", "rate_hz = 200") + "[filter]\nband_low_hz = 100\n"
    with pytest.raises(ConfigError, match=r"\[filter\]"):
        engine_settings(read(tmp_path, unit))


@pytest.mark.parametrize("content", [b"[stream", b"\xff\xfe", None], ids=["toml", "bytes", "none"])
@pytest.mark.parametrize("name", ["nmesd.toml", "patient.toml", "programme.toml"])
def test_a_file_that_cannot_be_read_is_named(
    name: str, content: bytes | None, tmp_path: Path
) -> None:
    path = write(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ConfigError, match=rf"{re.escape(name)}(:\d)?: cannot be read|no file .*{name}"
    ):
        read_files(path)


def test_an_error_is_one_line_each_for_a_person_and_never_a_traceback(tmp_path: Path) -> None:
    path = write(tmp_path, with_value("guard", "lease_ms", 101))
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "run", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "guard.lease_ms = 101" in done.stderr
    assert "Traceback" not in done.stderr


# ---- LSL ------------------------------------------------------------------------------------------


def test_the_lsl_text_says_how_far_to_look(tmp_path: Path) -> None:
    text = lsl_config(read(tmp_path).settings.lsl)
    assert "ResolveScope = machine" in text
    assert "ListenAddress = 127.0.0.1" in text
    more = '[lsl]\nscope = "site"\nknown_peers = ["10.0.0.2"]\nsession_id = "b"\n'
    wide = lsl_config(read(tmp_path, UNIT + more).settings.lsl)
    assert "ResolveScope = site" in wide
    assert "ListenAddress" not in wide
    assert "KnownPeers = {10.0.0.2}" in wide
    assert "SessionID = b" in wide
