"""What guard.toml may say of a stimulator, and what is made of it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers import DRIVERS, LEVELS, REFUSED, driver_from_config, make_driver
from nmesd.drivers.dry_run import DryRun
from nmesd.drivers.gated import Gated
from nmesd.drivers.options import Option, chosen
from nmesd.errors import ConfigError
from nmesd.wire import ZERO, ChannelOutput
from tests.drivers.fake_lines import FakeLines

OPTIONS = {
    "mode": Option("low", str, ("low", "mid"), '"low" or "mid"'),
    "line": Option(None, int, range(1, 8), "must be 1 to 7"),
    "chip": Option("a", str, "", "a text is needed"),
}
SIM = {"driver": "sim", "port": "/run/p", "level": "full"}
GATE = {"chip": "pinctrl-bcm2711", "line": 5}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> FakeLines:
    lines = FakeLines()
    lines.wire_to(monkeypatch)
    return lines


def test_what_is_not_given_has_its_default_and_what_is_given_is_kept() -> None:
    assert chosen(OPTIONS, {"line": 3}, "x") == {"mode": "low", "line": 3, "chip": "a"}
    assert chosen(OPTIONS, {"line": 7, "mode": "mid", "chip": "b"}, "x")["mode"] == "mid"
    assert chosen({}, {}, "x") == {}


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({}, r"\[x\] line is missing: must be 1 to 7"),
        ({"line": 8}, r"\[x\] line = 8: must be 1 to 7"),
        ({"line": 0}, r"line = 0: "),
        ({"line": True}, r"line = True: "),  # a flag is no number
        ({"line": 3.0}, r"line = 3.0: "),
        ({"line": "3"}, r"line = '3': "),
        ({"line": [3]}, r"line = \[3\]: "),
        ({"line": 3, "mode": "high"}, r'mode = .high.: "low" or "mid"'),
        ({"line": 3, "mode": ["low"]}, r"mode = "),
        ({"line": 3, "chip": ""}, r"chip = '': a text is needed"),
        ({"line": 3, "chip": 1}, r"chip = 1: a text is needed"),
        (
            {"line": 3, "lime": 3},
            r"\[x\] lime = 3: there is no such key for this driver: did you mean line\?",
        ),
    ],
)
def test_anything_else_is_refused_in_words(given_: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        chosen(OPTIONS, given_, "x")


def test_a_driver_without_options_says_so() -> None:
    with pytest.raises(
        ConfigError, match="mode = 'low': there is no such key for this driver: there are none"
    ):
        make_driver("null", "x", {"mode": "low"})


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(given_=st.dictionaries(st.sampled_from([*OPTIONS, "other"]) | st.text(), values, max_size=4))
def test_whatever_a_file_holds_it_is_chosen_or_refused(given_: dict[str, Any]) -> None:
    try:
        values = chosen(OPTIONS, given_, "x")
    except ConfigError as error:
        assert str(error).startswith("[x] ")  # noqa: PT017  it need not raise
        return
    assert set(values) == set(OPTIONS)
    assert values["mode"] in ("low", "mid")
    assert values["line"] in range(1, 8)
    assert values["chip"]


@pytest.mark.parametrize("name", DRIVERS)
def test_every_default_of_every_driver_is_allowed_or_must_be_given(name: str) -> None:
    driver = make_driver(name, "x", _needed(name))
    for key, option in type(driver).OPTIONS.items():  # type: ignore[attr-defined]
        assert option.about, key
        if option.default is not None:
            assert chosen({key: option}, {}, "x") == {key: option.default}


@pytest.mark.parametrize("name", DRIVERS)
def test_from_the_file_as_from_code(name: str) -> None:
    stimulator = {"driver": name, "port": "/dev/x", "level": "full", "channels": [1]}
    driver = driver_from_config(stimulator | _needed(name), None)
    assert type(driver) is type(make_driver(name, "/dev/x", _needed(name)))
    assert driver.capabilities == make_driver(name, "/dev/x", _needed(name)).capabilities


def test_options_reach_the_driver() -> None:
    low = driver_from_config({"driver": "sciencemode2", "port": "x", "level": "full"}, None)
    single = driver_from_config(
        {"driver": "sciencemode2", "port": "x", "level": "full", "mode": "single"}, None
    )
    assert low.capabilities.one_period
    assert not single.capabilities.one_period


@pytest.mark.parametrize(
    ("stimulator", "gate", "words"),
    [
        ({"driver": "rehastim3", "port": "x"}, None, "known are gpio, null, sciencemode2"),
        ({"port": "x"}, None, r"driver is missing: known are"),
        ({"driver": ["sim"], "port": "x"}, None, r"driver = \['sim'\]: known are"),
        ({"driver": 4, "port": "x"}, None, r"driver = 4: known are"),
        ({"driver": "sim"}, None, r"\[stimulator\] port is missing: a text is needed"),
        ({"driver": "sim", "port": ""}, None, r"port = '': a text is needed"),
        (SIM | {"level": "half"}, None, "level = 'half': must be one of dry-run, single-pulse"),
        (SIM | {"level": True}, None, "level = True: must be one of"),
        (SIM | {"parity": "none"}, None, "parity = 'none': .* for this driver: did you mean port"),
        (
            {"driver": "sciencemode2", "port": "x", "parity": "odd"}, None,
            "parity = 'odd': \"even\"",
        ),
        ({"driver": "sciencemode4", "port": "x", "interphase_us": 0}, None, "1 to 1000"),
        ({"driver": "sciencemode4", "port": "x", "model": "p25"}, None, "one of p24, rehamove3"),
        ({"driver": "gpio", "port": "x", "trigger_line": 3}, None, "say what the stimulator is"),
        (SIM, {}, r"\[gate\] chip is missing: a text is needed"),
        (SIM, GATE | {"toggle_ms": 11}, r"\[gate\] toggle_ms = 11"),
        (SIM, GATE | {"hold_ms": 11}, r"\[gate\] hold_ms = 11 ms: there is no such key"),
    ],
)  # fmt: skip
def test_a_bad_stimulator_is_refused_beginning_with_its_place(
    stimulator: dict[str, Any], gate: dict[str, Any] | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        driver_from_config(stimulator, gate)
    assert all(
        re.match(r"\[(stimulator|gate)\] \w+", one) for one in str(caught.value).splitlines()
    )


def test_sciencemode1_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="is refused: RehaStim 1 has no dead-man") as caught:
        driver_from_config({"driver": "sciencemode1", "port": "/dev/ttyUSB0"}, None)
    assert str(caught.value).startswith("[stimulator] driver = 'sciencemode1'")
    assert 'use driver = "gpio"' in str(caught.value)


def test_what_is_refused_is_not_also_known() -> None:
    assert not set(REFUSED) & set(DRIVERS)
    for name, why in REFUSED.items():
        with pytest.raises(ConfigError, match="is refused") as caught:
            make_driver(name, "x")
        assert why in str(caught.value)


@pytest.mark.parametrize("level", [None, *LEVELS])
def test_only_at_full_does_it_give_and_without_a_level_it_does_not(level: str | None) -> None:
    stimulator = {"driver": "null", "port": "x"} | ({"level": level} if level else {})
    driver = driver_from_config(stimulator, None)
    driver.open()
    driver.apply((ChannelOutput(10_000, 250, 20_000), *ZERO[1:]), 0)
    assert driver.tick(0).pulses == (level == "full")
    assert isinstance(driver, DryRun) is (level != "full")
    if level != "full":
        assert driver.identify() == f"GIVES NOTHING (level {level or 'dry-run'}): no stimulator"


def test_a_gate_goes_around_the_driver(lines: FakeLines) -> None:
    driver = driver_from_config({"driver": "null", "port": "x", "level": "full"}, GATE)
    assert isinstance(driver, Gated)
    driver.open()
    driver.apply((ChannelOutput(10_000, 250, 20_000), *ZERO[1:]), 0)
    assert driver.tick(0).pulses == 1
    driver.zero(1)
    assert [change.high for change in lines["pinctrl-bcm2711", 5].changes] == [True, False]
    driver.close()


def test_a_dry_run_is_around_the_gate_too_and_never_opens_it(lines: FakeLines) -> None:
    driver = driver_from_config({"driver": "null", "port": "x"}, GATE)
    driver.open()
    line = lines["pinctrl-bcm2711", 5]
    assert line.claimed
    driver.apply((ChannelOutput(10_000, 250, 20_000), *ZERO[1:]), 0)
    for now_ns in range(0, 10**9, 10**7):
        assert driver.tick(now_ns).pulses == 0
    assert line.rises_ns == []
    driver.close()
    assert not line.claimed


def _needed(name: str) -> dict[str, Any]:
    if name != "gpio":
        return {}
    return {"trigger_line": 1, "set_amplitude_ua": 10_000, "set_pulse_width_us": 250}
