"""guard.toml: a good one is read as it stands, a bad one is refused in words that name what is wrong."""

import os
import pwd
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers import DRIVERS, make_driver
from nmesd.errors import ConfigError
from nmesd.guard.config import GuardConfig, read_config
from nmesd.guard.limits import RULES, Limits, Rule
from nmesd.units import NS_PER_S

GOOD = """\
[stimulator]
driver = "sim"
port = "/run/nmesd/pulses.sock"
channels = [1, 4]

[electrodes]
area_cm2 = 25.5

[guard]
socket = "/run/nmesd/guard.sock"

[limits]
amplitude_ma = 32.3
pulse_width_us = 300
rate_hz = 40
"""
DEFAULTS = Limits(
    amplitude_ua=30_000,
    pulse_width_us=400,
    rate_mhz=50_000,
    charge_pc=12_000_000,
    density_ua_cm2=2_000,
    power_uw_cm2=100_000,
    total_rms_ua=20_000,
    channels_at_once=1,
    rise_ua_s=60_000,
    train_ns=15 * NS_PER_S,
    rest_ns=NS_PER_S,
    duty_ns=30 * NS_PER_S,
    trains_per_min=12,
    dose_pc=300 * 10**9,
    session_ns=1800 * NS_PER_S,
    net_charge_pc=0,
    channels=(0, 3),
    area_mm2=2_550,
)
CEILINGS = Limits(
    amplitude_ua=130_000,
    pulse_width_us=500,
    rate_mhz=100_000,
    charge_pc=65_000_000,
    density_ua_cm2=2_000,
    power_uw_cm2=250_000,
    total_rms_ua=50_000,
    channels_at_once=8,
    rise_ua_s=260_000,
    train_ns=1800 * NS_PER_S,
    rest_ns=600 * NS_PER_S,
    duty_ns=60 * NS_PER_S,
    trains_per_min=60,
    dose_pc=11_700 * 10**9,
    session_ns=7200 * NS_PER_S,
    net_charge_pc=0,
    channels=(0, 3),
    area_mm2=2_550,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard.toml"


def read(path: Path, text: str) -> GuardConfig:
    path.write_text(text)
    return read_config(path)


def test_a_good_file_is_read_as_it_stands(path: Path) -> None:
    config = read(path, GOOD)
    stimulator = "simulated stimulator, pulses to /run/nmesd/pulses.sock"
    assert config.driver.identify() == f"GIVES NOTHING (level dry-run): {stimulator}"
    assert config.socket == "/run/nmesd/guard.sock"
    assert config.limits == DEFAULTS._replace(
        amplitude_ua=32_300, pulse_width_us=300, rate_mhz=40_000
    )
    assert 0 < config.limits_hash < 2**64


def test_any_change_of_the_file_changes_its_hash(path: Path) -> None:
    hashes = {
        read(path, text).limits_hash
        for text in (GOOD, GOOD + "\n", GOOD.replace("40", "41"), GOOD.replace("[1, 4]", "[1, 5]"))
    }
    assert len(hashes) == 4


def test_without_limits_the_defaults_hold(path: Path) -> None:
    assert read(path, GOOD[: GOOD.index("[limits]")]).limits == DEFAULTS


def test_every_rule_has_its_field_its_unit_its_source_and_a_default_within() -> None:
    assert (*(rule.field for rule in RULES), "channels", "area_mm2", "device") == Limits._fields
    assert len({rule.key for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.floor <= rule.default <= rule.ceiling
        assert rule.source[:1] in "TLFIC"
        if rule.key not in ("channels_at_once", "trains_per_min"):
            unit = rule.field.rsplit("_", 1)[1]
            assert unit in ("ua", "us", "mhz", "pc", "cm2", "s", "ns")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_the_ceiling_of_every_rule_can_be_reached_and_not_passed(path: Path, rule: Rule) -> None:
    text = GOOD[: GOOD.index("[limits]")] + f"[limits]\n{rule.key} = "
    assert getattr(read(path, f"{text}{rule.ceiling}").limits, rule.field) == getattr(
        CEILINGS, rule.field
    )
    floor = getattr(read(path, f"{text}{rule.floor}").limits, rule.field)
    assert floor == round(rule.floor * rule.scale)
    step = 1 / rule.scale
    for wrong in (rule.ceiling + step, rule.floor - step, -rule.ceiling - 1):
        with pytest.raises(ConfigError) as caught:
            read(path, f"{text}{wrong!r}")
        for word in (rule.key, repr(wrong), f"{rule.floor:g} to {rule.ceiling:g}", rule.source):
            assert word in str(caught.value)
        assert f"default {rule.default:g}" in str(caught.value)


def test_the_electrodes_area_means_itself_and_has_bounds(path: Path) -> None:
    for area_cm2, area_mm2 in (("0.5", 50), ("400", 40_000), ("9", 900), ("12.345", 1234)):
        assert read(path, GOOD.replace("25.5", area_cm2)).limits.area_mm2 == area_mm2


def test_the_client_is_a_user_of_this_system_or_our_own(path: Path) -> None:
    assert read(path, GOOD).client_uid == os.getuid()
    for user in pwd.getpwall()[:5]:
        text = GOOD.replace("[guard]", f'[guard]\nclient_user = "{user.pw_name}"')
        assert read(path, text).client_uid == pwd.getpwnam(user.pw_name).pw_uid


def test_the_shipped_file_gives_the_defaults(repo_root: Path) -> None:
    config = read_config(repo_root / "config" / "guard.toml")
    assert config.driver.identify() == "GIVES NOTHING (level dry-run): no stimulator"
    assert config.limits == DEFAULTS._replace(channels=(0,), area_mm2=2_500)


def test_a_gate_is_part_of_the_driver(path: Path) -> None:
    text = GOOD.replace("[electrodes]", '[gate]\nchip = "here"\nline = 3\n[electrodes]')
    assert "behind a gate on line 3 of here" in read(path, text).driver.identify()


def test_a_limit_between_two_codes_is_the_lower(path: Path) -> None:
    assert read(path, GOOD.replace("32.3", "30.0009")).limits.amplitude_ua == 30_000


def test_the_hash_is_of_the_whole_file_twice(path: Path) -> None:
    text = GOOD.encode()
    assert read(path, GOOD).limits_hash >> 32 == zlib.crc32(text)
    assert read(path, GOOD).limits_hash & 0xFFFFFFFF == zlib.adler32(text)


def test_all_channels_of_a_stimulator_can_be_listed(path: Path) -> None:
    text = GOOD.replace("[1, 4]", "[1, 2, 3, 4, 5, 6, 7, 8]")
    assert read(path, text).limits.channels == tuple(range(8))


WORDS = {  # what is wrong: line, and message
    ('"sim"', "3"): "2: [stimulator] driver = 3: known are gpio, null, sciencemode2, sciencemode4, sim",
    ('"/run/nmesd/pulses.sock"', "3"): (
        "3: [stimulator] port = 3: a text is needed: what the driver opens"
    ),
    ('"/run/nmesd/guard.sock"', "3"): (
        "10: [guard] socket = 3: a text is needed: the path of the guard's socket"
    ),
    ("[guard]", "[guard]\nclient_user = 3"): (
        "10: [guard] client_user = 3: no such user here: see `getent passwd`"
    ),
    ("[1, 4]", "3"): "4: [stimulator] channels = 3: list those in use, 1 to 8",
    ("25.5", "0"): (
        "7: [electrodes] area_cm2 = 0 cm²: give the smallest electrode's area, 0.5 to 400 cm²; there is no default"
    ),
    ("32.3", "0"): (
        "13: [limits] amplitude_ma = 0 mA: must be 0.001 to 130 mA (T: 130 mA at 1 kOhm, P24 and RehaStim 2); "
        "default 30"
    ),
    ("rate_hz = 40", "channels_at_once = 9"): (
        "15: [limits] channels_at_once = 9: must be 1 to 8 (T: 8 channels; default C); default 1"
    ),
    ("rate_hz =", "rate_khz ="): (
        "15: [limits] rate_khz = 40: there is no such key here: did you mean rate_hz?"
    ),
    ("[limits]", "[limit]"): "12: [limit]: there is no such table: did you mean limits?",
    ("[limits]", "[currents]"): (
        "12: [currents]: there is no such table: there are stimulator, gate, electrodes, guard, limits"
    ),
    ("[limits]\n", "[[limits]]\n#"): (
        "12: [limits] is [{'pulse_width_us': 300, 'rate_hz': 40}]: must be one table"
    ),
    ("channels =", 'mode = "low"\nchannels ='): (
        "4: [stimulator] mode = 'low': there is no such key for this driver: there are driver, port, level"
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", WORDS, ids=range(len(WORDS)))
def test_a_wrong_value_is_told_with_its_line_and_its_remedy(
    path: Path, change: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(path, GOOD.replace(*change))
    assert str(caught.value) == f"{path}:{WORDS[change]}"


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file(path: Path) -> None:
    text = GOOD.replace('"sim"', '"sms"').replace("[1, 4]", "[9]").replace("25.5", "2550")
    text = text.replace("32.3", "200").replace("rate_hz", "rate_khz") + "[gate]\nline = -1\n"
    with pytest.raises(ConfigError) as caught:
        read(path, text.replace('port = "/run/nmesd/pulses.sock"', "port = 3"))
    lines = [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]
    assert [line.split(" = ")[0].split(" is ")[0] for line in lines] == [
        "2: [stimulator] driver", "3: [stimulator] port", "4: [stimulator] channels", "7: [electrodes] area_cm2",
        "13: [limits] amplitude_ma", "15: [limits] rate_khz", "16: [gate] chip", "17: [gate] line",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["30", "30.0", "3e1"])
def test_a_number_may_be_written_either_way(path: Path, text: str) -> None:
    assert read(path, GOOD.replace("32.3", text)).limits.amplitude_ua == 30_000


@given(st.integers(1, 130_000))
def test_an_amplitude_limit_means_itself_to_the_microampere(
    tmp_path_factory: pytest.TempPathFactory, amplitude_ua: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "guard-amplitude.toml"
    text = GOOD.replace("32.3", f"{amplitude_ua / 1000:.3f}")
    assert read(path, text).limits.amplitude_ua == amplitude_ua


def over(key: str, old: str, new: str) -> tuple[str, str, tuple[str, ...]]:
    rule = next(rule for rule in RULES if rule.key == key)
    return f"{key} = {old}", f"{key} = {new}", (key, f"{rule.ceiling:g}", rule.source)


BAD: dict[str, tuple[str, str, tuple[str, ...]]] = {  # what, instead of what, and what is named
    "amplitude over ceiling": over("amplitude_ma", "32.3", "130.001"),
    "amplitude infinite": over("amplitude_ma", "32.3", "inf"),
    "amplitude not a number": over("amplitude_ma", "32.3", "nan"),
    "amplitude negative": over("amplitude_ma", "32.3", "-1"),
    "amplitude zero": over("amplitude_ma", "32.3", "0"),
    "amplitude under 1 uA": over("amplitude_ma", "32.3", "0.0009"),
    "amplitude a truth value": over("amplitude_ma", "32.3", "true"),
    "amplitude a text": over("amplitude_ma", "32.3", '"30"'),
    "amplitude a list": over("amplitude_ma", "32.3", "[30]"),
    "width over ceiling": over("pulse_width_us", "300", "501"),
    "width under 1 us": over("pulse_width_us", "300", "0.5"),
    "rate over ceiling": over("rate_hz", "40", "101"),
    "rate under 1 Hz": over("rate_hz", "40", "0.5"),
    "rate a truth value": over("rate_hz", "40", "true"),
    "unknown limit": ("rate_hz =", "rate_khz =", ("[limits]", "rate_khz", "rate_hz")),
    "unknown key": ("port =", "prot =", ("[stimulator] prot",)),
    "unknown section": ("[limits]", "[limit]", ("[limit]", "limits")),
    "section a value": ("[guard]\nsocket", "[x]\nsocket", ("[x]",)),
    "driver missing": ('driver = "sim"\n', "", ("[stimulator] driver is missing",)),
    "driver a number": ('driver = "sim"', "driver = 3", ("[stimulator]", "driver", "3")),
    "port empty": ('"/run/nmesd/pulses.sock"', '""', ("[stimulator]", "port", "''")),
    "socket empty": ('"/run/nmesd/guard.sock"', '""', ("[guard]", "socket", "''")),
    "gate without its chip": ("[electrodes]", "[gate]\nline = 3\n[electrodes]", ("[gate] chip",)),
    "gate with another key": (
        "[electrodes]",
        '[gate]\nchip = "c"\nlime = 3\n[electrodes]',
        ("[gate] lime", "mean line?"),
    ),
    "socket missing": ('[guard]\nsocket = "/run/nmesd/guard.sock"\n', "", ("[guard]", "socket")),
    "area missing": ("[electrodes]\narea_cm2 = 25.5\n", "", ("area_cm2 is missing", "no default")),
    "area too small": ("25.5", "0.49", ("[electrodes]", "area_cm2", "0.5", "400")),
    "area in mm2": ("25.5", "2550", ("[electrodes]", "area_cm2", "0.5", "400")),
    "area a text": ("25.5", '"25"', ("[electrodes]", "area_cm2")),
    "no such user": ("[guard]", '[guard]\nclient_user = "no such"', ("client_user", "no such")),
    "user a number": ("[guard]", "[guard]\nclient_user = 0", ("client_user", "no such user")),
    "channels missing": ("channels = [1, 4]\n", "", ("channels is missing", "1 to 8")),
    "channels empty": ("[1, 4]", "[]", ("channels", "[]", "1 to 8")),
    "channel 0": ("[1, 4]", "[0]", ("channels", "[0]", "1 to 8")),
    "channel 9": ("[1, 4]", "[1, 9]", ("channels", "[1, 9]", "1 to 8")),
    "channels a text": ("[1, 4]", '"1"', ("channels", "'1'", "1 to 8")),
    "channel a text": ("[1, 4]", '["1"]', ("channels", "['1']", "1 to 8")),
    "channel a truth value": ("[1, 4]", "[true]", ("channels", "[True]", "1 to 8")),
    "channel a float": ("[1, 4]", "[1.0]", ("channels", "[1.0]", "1 to 8")),
    "broken TOML": ("[limits]", "[limits", ("cannot be read", ":12: ")),
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
    path.write_bytes(b"[limits]\n#\xff\xfe")
    with pytest.raises(ConfigError, match=r"guard\.toml:2: cannot be read: not UTF-8"):
        read_config(path)


def test_a_top_level_value_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="guard"):
        read(path, "guard = 3\n")


def test_an_unknown_driver_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'rehastim9': known are .*sim") as caught:
        make_driver("rehastim9", "x")
    assert all(name in str(caught.value) for name in DRIVERS)
