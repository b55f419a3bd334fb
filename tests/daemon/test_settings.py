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
from nmesd.daemon.settings import DaemonSettings, read_settings
from nmesd.engine.settings import EngineSettings
from nmesd.errors import ConfigError
from nmesd.guard.config import read_config
from nmesd.guard.limits import RULES
from nmesd.wire import CHANNELS

LEAST = """
[stream]
name = "amplifier"
rate_hz = 1000
labels = ["biceps", "triceps"]
muscle = "biceps"
[threshold]
on_uv = 10
off_uv = 7
"""


def read(tmp_path: Path, text: str) -> DaemonSettings:
    path = tmp_path / "nmesd.toml"
    path.write_text(text)
    return read_settings(path)


def errors(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return str(caught.value).splitlines()


# ---- the shipped files ----------------------------------------------------------------------------


@pytest.fixture
def shipped(repo_root: Path) -> Path:
    return repo_root / "config" / "nmesd.toml"


def test_the_shipped_file_loads_and_gives_no_current(shipped: Path) -> None:
    settings = read_settings(shipped)
    assert settings.train.amplitude_ma == 0
    assert engine_settings(settings).core.amplitude_ua == 0


def test_the_shipped_file_shows_every_key_with_its_default(shipped: Path) -> None:
    text = shipped.read_text()
    given = tomllib.loads(text)
    shown = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    for name, section in DaemonSettings.model_fields.items():
        kind = section.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        alternatives = [
            key
            for key, field in kind.model_fields.items()
            if field.default is None and key not in given.get(name, {})
        ]
        assert [
            key for key in alternatives if not re.search(rf"^#   {key} = ", text, re.MULTILINE)
        ] == []
        assert list(shown[name]) == [k for k in kind.model_fields if k not in alternatives], name
        for key in shown[name].keys() - given[name].keys():
            default = kind.model_fields[key].default
            value = tuple(shown[name][key]) if isinstance(default, tuple) else shown[name][key]
            assert value == default, f"[{name}] {key}"
    DaemonSettings.model_validate(shown)


def test_check_says_what_the_shipped_file_means(shipped: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "check", str(shipped)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "good" in done.stdout
    assert "12 µV in 'tibialis anterior'" in done.stdout
    assert "0.0 mA" in done.stdout


def test_the_shipped_guard_file_loads_and_gives_nothing(repo_root: Path) -> None:
    config = read_config(repo_root / "config" / "guard.toml")
    assert config.driver.identify() == "GIVES NOTHING (level dry-run): no stimulator"
    assert tuple(config.limits.channels) == (0,)
    shown = tomllib.loads((repo_root / "config" / "guard.toml").read_text())["limits"]
    choices = {rule.key: rule.default for rule in RULES if rule.floor != rule.ceiling}
    assert shown == choices  # all written out, and as the guard would have it anyway


def test_the_two_files_meet_at_one_socket(shipped: Path, repo_root: Path) -> None:
    guard = read_config(repo_root / "config" / "guard.toml")
    assert read_settings(shipped).guard.socket == guard.socket


# ---- defaults -------------------------------------------------------------------------------------


def test_defaults_are_the_quiet_side_of_every_choice(tmp_path: Path) -> None:
    settings = read(tmp_path, LEAST)
    assert settings.train.amplitude_ma == 0
    assert settings.lsl.scope == "machine"
    assert settings.stream.speed == 1
    assert settings.stream.type == "EMG"
    assert settings.guard.lease_ms == 20
    assert settings.record.folder == ""
    assert settings.stream.rail_uv == 0  # not known, and so not guessed


def test_the_engine_gets_integers_in_their_units(tmp_path: Path) -> None:
    text = LEAST + "[train]\nchannel = 2\namplitude_ma = 12.3\nrate_hz = 35\nhold_off_s = 0.25\n"
    engine = engine_settings(read(tmp_path, text))
    core = engine.core
    assert (core.on_nv, core.off_nv) == (10_000, 7_000)
    assert core.channel == 1  # counted from 0
    assert core.amplitude_ua == 12_300
    assert core.period_us == 28_572  # rounded up: never faster than asked for
    assert core.hold_off_ns == 250_000_000
    assert core.rate_mhz == 1_000_000
    assert engine.lease_ns == 20_000_000
    assert engine.chain["rail_uv"] == 0
    rail = LEAST.replace("rate_hz = 1000", "rate_hz = 1000\nrail_uv = 187500")
    assert engine_settings(read(tmp_path, rail)).chain["rail_uv"] == 187_500
    assert EngineSettings.from_json(engine.to_json()).to_json() == engine.to_json()


# ---- what is wrong, all of it at once -------------------------------------------------------------


def test_every_error_is_told_at_once_with_file_key_value_and_limit(tmp_path: Path) -> None:
    text = (
        LEAST.replace("rate_hz = 1000", "rate_hz = 50")
        + "[train]\namplitude_ma = 131\npulse_width_us = 501\nhold_off_s = 0.1\n"
        + "[guard]\nlease_ms = 101\n[filter]\nmains_hz = 55\n[extra]\nkey = 1\n"
    )
    lines = errors(tmp_path, text)
    wanted = [
        ("stream.rate_hz", "50", "200"),
        ("train.amplitude_ma", "131", "130"),
        ("train.pulse_width_us", "501", "500"),
        ("train.hold_off_s", "0.1", "0.25"),
        ("guard.lease_ms", "101", "100"),
        ("filter.mains_hz", "55", "50 or 60"),
        ("extra", "{'key': 1}", "not permitted"),
    ]
    assert len(lines) == len(wanted)
    for key, value, limit in wanted:
        (line,) = [line for line in lines if f": {key} = " in line]
        assert line.startswith(f"{tmp_path / 'nmesd.toml'}: {key} = {value}: ")
        assert limit in line.split(f"= {value}: ")[1]


@pytest.mark.parametrize("section", list(DaemonSettings.model_fields))
def test_a_key_that_does_not_exist_is_refused(section: str, tmp_path: Path) -> None:
    """A misspelt limit must not be a limit that is silently not there."""
    text = LEAST.replace(f"[{section}]", f"[{section}]\namplitude_mA = 5")
    if text == LEAST:
        text += f"[{section}]\namplitude_mA = 5\n"
    (line,) = errors(tmp_path, text)
    assert f"{section}.amplitude_mA = 5" in line


BOUNDS = [
    ("stream", "rate_hz", 200, 20_000, 1),
    ("stream", "speed", 1, 50, 1),
    ("stream", "rail_uv", 0, 10_000_000, 0.1),
    ("filter", "band_low_hz", 5, 100, 0.1),
    ("filter", "band_high_hz", 100, 1000, 0.1),
    ("filter", "envelope_hz", 1, 50, 0.1),
    ("filter", "rms_window_ms", 10, 500, 0.1),
    ("threshold", "min_duration_ms", 0, 500, 0.1),
    ("train", "channel", 1, CHANNELS, 1),
    ("train", "amplitude_ma", 0, 130, 0.001),
    ("train", "pulse_width_us", 20, 500, 1),
    ("train", "rate_hz", 1, 100, 0.01),
    ("train", "ramp_up_s", 0, 10, 0.001),
    ("train", "plateau_s", 0, 30, 0.001),
    ("train", "ramp_down_s", 0, 10, 0.001),
    ("train", "hold_off_s", 0.25, 10, 0.001),
    ("train", "relax_s", 0.1, 10, 0.001),
    ("guard", "lease_ms", 10, 100, 1),
]


def with_value(section: str, key: str, value: float) -> str:
    data: dict[str, dict[str, Any]] = tomllib.loads(LEAST)
    data.setdefault(section, {})[key] = value
    lines = []
    for name, content in data.items():
        lines.append(f"[{name}]")
        lines += [
            f"{k} = {str(v).replace(chr(39), chr(34)) if isinstance(v, list) else repr(v)}"
            for k, v in content.items()
        ]
    return "\n".join(lines)


@pytest.mark.parametrize(("section", "key", "least", "most", "unit"), BOUNDS)
def test_a_range_ends_where_it_says(
    section: str, key: str, least: float, most: float, unit: float, tmp_path: Path
) -> None:
    for good in (least, most):
        value = getattr(getattr(read(tmp_path, with_value(section, key, good)), section), key)
        assert value == good
    for bad in (round(least - unit, 6), round(most + unit, 6)):
        (line,) = errors(tmp_path, with_value(section, key, bad))
        assert f"{section}.{key} = {bad!r}" in line


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", '"20"', "true"])
def test_an_amplitude_is_a_finite_number_and_nothing_else(value: str, tmp_path: Path) -> None:
    (line,) = errors(tmp_path, LEAST + f"[train]\namplitude_ma = {value}\n")
    assert "train.amplitude_ma" in line


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("off_uv = 7", "off_uv = 11", "off_uv = 11.0 µV must not be over on_uv = 10.0 µV"),
        ("off_uv = 7", 'off_uv = 7\nfast_ratio = 2\ncalibration = "x"', "fast_ratio = 2.0 is of"),
        (
            "off_uv = 7",
            'off_uv = 7\nfast_ratio = 2\ndetector = "envelope"',
            "fast_ratio = 2.0 is of",
        ),
        ('muscle = "biceps"', 'muscle = "deltoid"', "must be one of labels ['biceps', 'triceps']"),
        ('"biceps", "triceps"', '"biceps", "biceps"', "must be one of labels"),
        ("on_uv = 10\n", "", "0 of on_uv, on_scales, on_percent_mvc, false_per_min are given"),
        ("rate_hz = 1000\n", "", "stream.rate_hz"),
        ('labels = ["biceps", "triceps"]', "labels = []", "stream.labels"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    assert before in LEAST
    assert any(said in line for line in errors(tmp_path, LEAST.replace(before, after)))


def test_a_band_the_rate_cannot_carry_is_refused_with_words(tmp_path: Path) -> None:
    text = LEAST.replace("rate_hz = 1000", "rate_hz = 200") + "[filter]\nband_low_hz = 100\n"
    with pytest.raises(ConfigError, match=r"\[filter\]"):
        engine_settings(read(tmp_path, text))


@pytest.mark.parametrize("content", [b"[stream", b"\xff\xfe", None], ids=["toml", "bytes", "none"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "nmesd.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f"{path}: cannot be read")):
        read_settings(path)


def test_an_error_is_one_line_each_for_a_person_and_never_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "nmesd.toml"
    path.write_text(LEAST + "[train]\namplitude_ma = 131\n")
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "run", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "train.amplitude_ma = 131" in done.stderr
    assert "Traceback" not in done.stderr


# ---- LSL ------------------------------------------------------------------------------------------


def test_the_lsl_text_says_how_far_to_look(tmp_path: Path) -> None:
    text = lsl_config(read(tmp_path, LEAST).lsl)
    assert "ResolveScope = machine" in text
    assert "ListenAddress = 127.0.0.1" in text
    wide = lsl_config(
        read(
            tmp_path,
            LEAST + '[lsl]\nscope = "site"\nknown_peers = ["10.0.0.2"]\nsession_id = "b"\n',
        ).lsl
    )
    assert "ResolveScope = site" in wide
    assert "ListenAddress" not in wide
    assert "KnownPeers = {10.0.0.2}" in wide
    assert "SessionID = b" in wide
