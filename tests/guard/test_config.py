"""guard.toml: a good one is read as it stands, a bad one is refused in words that name what is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers import DRIVERS, make_driver
from nmesd.errors import ConfigError
from nmesd.guard.config import GuardConfig, read_config
from nmesd.guard.limits import RULES, Limits

GOOD = """\
[stimulator]
driver = "sim"
port = "/run/nmesd/pulses.sock"
channels = [1, 4]

[guard]
socket = "/run/nmesd/guard.sock"

[limits]
amplitude_ma = 32.3
pulse_width_us = 300
rate_hz = 40
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard.toml"


def read(path: Path, text: str) -> GuardConfig:
    path.write_text(text)
    return read_config(path)


def test_a_good_file_is_read_as_it_stands(path: Path) -> None:
    config = read(path, GOOD)
    assert config[:3] == ("sim", "/run/nmesd/pulses.sock", "/run/nmesd/guard.sock")
    assert config.limits == Limits(32_300, 300, 40, frozenset({0, 3}))
    assert 0 < config.limits_hash < 2**64


def test_any_change_of_the_file_changes_its_hash(path: Path) -> None:
    hashes = {
        read(path, text).limits_hash
        for text in (GOOD, GOOD + "\n", GOOD.replace("40", "41"), GOOD.replace("[1, 4]", "[1, 5]"))
    }
    assert len(hashes) == 4


def test_without_limits_the_defaults_hold_and_are_under_the_ceilings(path: Path) -> None:
    config = read(path, GOOD[: GOOD.index("[limits]")])
    assert config.limits == Limits(30_000, 400, 50, frozenset({0, 3}))
    assert all(rule.default <= rule.ceiling for rule in RULES)


def test_the_ceilings_can_be_reached(path: Path) -> None:
    text = (
        GOOD.replace("32.3", "130").replace("300", "500").replace("rate_hz = 40", "rate_hz = 100")
    )
    assert read(path, text).limits[:3] == (130_000, 500, 100)


@given(st.integers(1, 130_000))
def test_an_amplitude_limit_means_itself_to_the_microampere(
    tmp_path_factory: pytest.TempPathFactory, amplitude_ua: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "guard-amplitude.toml"
    text = GOOD.replace("32.3", f"{amplitude_ua / 1000:.3f}")
    assert read(path, text).limits.amplitude_ua == amplitude_ua


def over(key: str, old: str, new: str) -> tuple[str, str, tuple[str, ...]]:
    rule = next(rule for rule in RULES if rule.key == key)
    return f"{key} = {old}", f"{key} = {new}", (key, rule.unit, f"{rule.ceiling:g}", rule.source)


BAD: dict[str, tuple[str, str, tuple[str, ...]]] = {  # what, instead of what, and what is named
    "amplitude over ceiling": over("amplitude_ma", "32.3", "130.001"),
    "amplitude infinite": over("amplitude_ma", "32.3", "inf"),
    "amplitude not a number": over("amplitude_ma", "32.3", "nan"),
    "amplitude negative": over("amplitude_ma", "32.3", "-1"),
    "amplitude zero": over("amplitude_ma", "32.3", "0"),
    "amplitude under 1 µA": over("amplitude_ma", "32.3", "0.0009"),
    "amplitude a truth value": over("amplitude_ma", "32.3", "true"),
    "amplitude a text": over("amplitude_ma", "32.3", '"30"'),
    "amplitude a list": over("amplitude_ma", "32.3", "[30]"),
    "width over ceiling": over("pulse_width_us", "300", "501"),
    "width under 1 µs": over("pulse_width_us", "300", "0.5"),
    "rate over ceiling": over("rate_hz", "40", "101"),
    "rate under 1 Hz": over("rate_hz", "40", "0.5"),
    "rate a truth value": over("rate_hz", "40", "true"),
    "unknown limit": ("rate_hz =", "rate_khz =", ("[limits]", "rate_khz", "rate_hz")),
    "unknown key": ("port =", "prot =", ("[stimulator]", "prot", "port")),
    "unknown section": ("[limits]", "[limit]", ("[limit]", "limits")),
    "section a value": ("[guard]\nsocket", "[x]\nsocket", ("[x]",)),
    "driver missing": ('driver = "sim"\n', "", ("[stimulator]", "driver", "None")),
    "driver a number": ('driver = "sim"', "driver = 3", ("[stimulator]", "driver", "3")),
    "port empty": ('"/run/nmesd/pulses.sock"', '""', ("[stimulator]", "port", "''")),
    "socket missing": ('[guard]\nsocket = "/run/nmesd/guard.sock"\n', "", ("[guard]", "socket")),
    "channels missing": ("channels = [1, 4]\n", "", ("channels", "None", "1 to 8")),
    "channels empty": ("[1, 4]", "[]", ("channels", "[]", "1 to 8")),
    "channel 0": ("[1, 4]", "[0]", ("channels", "[0]", "1 to 8")),
    "channel 9": ("[1, 4]", "[1, 9]", ("channels", "[1, 9]", "1 to 8")),
    "channels a text": ("[1, 4]", '"1"', ("channels", "'1'", "1 to 8")),
    "channel a text": ("[1, 4]", '["1"]', ("channels", "['1']", "1 to 8")),
    "channel a truth value": ("[1, 4]", "[true]", ("channels", "[True]", "1 to 8")),
    "channel a float": ("[1, 4]", "[1.0]", ("channels", "[1.0]", "1 to 8")),
    "broken TOML": ("[limits]", "[limits", ("cannot be read", "line 9")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_words(path: Path, name: str) -> None:
    old, new, named = BAD[name]
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        read(path, GOOD.replace(old, new))
    text = str(caught.value)
    assert str(path) in text
    for word in named:
        assert word in text
    if " = " in new and new.count("\n") == 0:
        value = new.split(" = ")[1].strip('"').removesuffix('"')
        assert value.lower() in text.lower()


def test_a_file_that_is_not_there_or_not_text_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"guard\.toml: cannot be read"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"guard\.toml: cannot be read"):
        read_config(path)


def test_a_top_level_value_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="guard"):
        read(path, "guard = 3\n")


def test_an_unknown_driver_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'rehastim9': known are .*sim") as caught:
        make_driver("rehastim9", "x")
    assert all(name in str(caught.value) for name in DRIVERS)
