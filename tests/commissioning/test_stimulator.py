"""`nmesd stimulator`: ports, identity, bytes, and one pulse."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from nmesd.cli.commands import app
from nmesd.commissioning import Pulse, checked, read_unit
from nmesd.errors import ConfigError, DeviceError
from nmesd.sim.pulses import PulseListener

FILE = """\
[stimulator]
driver = "{driver}"
port = "{port}"
level = "{level}"
channels = [1]
[electrodes]
area_cm2 = 25
[guard]
socket = "/nowhere/guard.sock"
"""
RUN = CliRunner()


def guard_toml(
    folder: Path, driver: str = "sciencemode4", port: str = "/nowhere/tty", level: str = "dry-run"
) -> Path:
    path = folder / "guard.toml"
    path.write_text(FILE.format(driver=driver, port=port, level=level))
    return path


def nmesd(*arguments: object, typed: str = "") -> Any:
    return RUN.invoke(app, ["stimulator", *map(str, arguments)], input=typed)


def test_ports_are_listed_with_what_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [
        SimpleNamespace(device=name, description="x", serial_number="1", vid=vid, pid=pid)
        for name, vid, pid in (("b", 0x0403, 0x6001), ("a", 0x0483, 0x5740), ("c", None, None))
    ]
    monkeypatch.setattr("nmesd.commissioning.list_ports.comports", lambda: ports)
    shown = json.loads(nmesd("--config", "/nowhere/guard.toml", "--json").stdout)
    assert [port["port"] for port in shown["ports"]] == ["a", "b", "c"]
    assert "P24" in shown["ports"][0]["may_be"]
    assert "RehaStim 2" in shown["ports"][1]["may_be"]
    assert shown["ports"][2]["may_be"] == ""
    assert shown["stimulator"] is None
    assert "no device was asked" in nmesd("--config", "/nowhere/guard.toml").stdout


def test_a_device_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    done = nmesd("--config", guard_toml(tmp_path))
    assert isinstance(done.exception, DeviceError)
    assert "no such port" in str(done.exception)


@pytest.mark.parametrize("driver", ["sciencemode4", "sciencemode2"])
def test_a_dry_run_shows_every_byte_of_one_pulse_to_a_device_of_its_kind(
    tmp_path: Path, driver: str
) -> None:
    done = nmesd("--config", guard_toml(tmp_path, driver), "--dry-run", "--json")
    shown = json.loads(done.stdout)
    assert shown["pulses"] == 1
    assert shown["pulse"]["amplitude_ua"] == 4000
    said = [packet["says"] for packet in shown["bytes"] if packet["direction"] == "->"]
    pulse = {"sciencemode4": "LL_CHANNEL", "sciencemode2": "SINGLE_PULSE"}[driver]
    stop = {"sciencemode4": "LL_STOP", "sciencemode2": "STOP_LIST"}[driver]
    assert said.count(pulse) == 1
    assert said[0] == stop  # before anything else
    assert set(said[said.index(pulse) + 1 :]) == {stop}
    assert all(packet["bytes"].startswith("f0 81") for packet in shown["bytes"])
    assert pulse in nmesd("--config", guard_toml(tmp_path, driver), "--dry-run").stdout


def test_a_driver_without_bytes_says_so(tmp_path: Path) -> None:
    done = nmesd("--config", guard_toml(tmp_path, "sim"), "--dry-run")
    assert "sends no bytes" in str(done.exception)


@pytest.mark.parametrize(
    ("driver", "pulse", "words"),
    [
        ("sciencemode4", Pulse(1, 40, 200), "amplitude over the limit"),
        ("sciencemode4", Pulse(2, 4, 200), "a channel this unit may not use"),
        ("sciencemode4", Pulse(1, 4, 5), "the nearest is 10 µs"),
        ("sciencemode2", Pulse(1, 5, 200), "the nearest is 4 mA"),
    ],
)
def test_a_pulse_over_a_limit_or_between_two_steps_is_refused(
    tmp_path: Path, driver: str, pulse: Pulse, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        checked(pulse, read_unit(guard_toml(tmp_path, driver)))


class TestSinglePulse:
    @pytest.fixture
    def listener(self, tmp_path: Path) -> Iterator[PulseListener]:
        with PulseListener(tmp_path / "p") as listener:
            yield listener

    def given(self, listener: PulseListener) -> list[tuple[int, int, int]]:
        pulses = [pulse for pulse in listener.read_all() if pulse.amplitude_ua]
        return [(one.channel, one.amplitude_ua, one.pulse_width_us) for one in pulses]

    def ask(self, folder: Path, level: str, typed: str) -> Any:
        config = guard_toml(folder, "sim", str(folder / "p"), level)
        return nmesd("--config", config, "--single-pulse", "--amplitude-ma", 6, typed=typed)

    @pytest.mark.parametrize("level", ["single-pulse", "full"])
    def test_it_is_one_and_the_one_that_was_typed(
        self, tmp_path: Path, listener: PulseListener, level: str
    ) -> None:
        done = self.ask(tmp_path, level, "6\n")
        assert done.exit_code == 0
        assert "no person may be connected" in done.output
        assert self.given(listener) == [(0, 6000, 200)]

    def test_at_dry_run_there_is_none(self, tmp_path: Path, listener: PulseListener) -> None:
        done = self.ask(tmp_path, "dry-run", "6\n")
        assert "a pulse needs" in str(done.exception)
        assert self.given(listener) == []

    @pytest.mark.parametrize("typed", ["\n", "5\n", "y\n", ""])
    def test_without_its_amplitude_typed_there_is_none(
        self, tmp_path: Path, listener: PulseListener, typed: str
    ) -> None:
        assert self.ask(tmp_path, "full", typed).exit_code != 0
        assert self.given(listener) == []
