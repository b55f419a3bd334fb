"""The units as systemd reads them: sound, closed, and each for what its process needs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nmesd.realtime import ENGINE_PRIORITY, GUARD_PRIORITY

UNITS = ("nmesd-guard", "nmesd")
OPTIONAL = ("nmesd-monitor",)
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\ndialout:x:20:\n",
    "shadow": "",
    "gshadow": "",
}
EXPOSURE = {"nmesd-guard": 1.5, "nmesd": 2.0, "nmesd-monitor": 1.5}


@pytest.fixture
def folder(repo_root: Path) -> Path:
    return repo_root / "systemd"


def needs(command: str) -> str:
    path = shutil.which(command)
    if path is None:
        pytest.skip(f"no {command} here")
    return path


def settings(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS + OPTIONAL)
def test_exposure_is_as_low_as_promised(unit: str, folder: Path) -> None:
    done = subprocess.run(
        [needs("systemd-analyze"), "security", "--offline=yes", str(folder / f"{unit}.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(level) <= EXPOSURE[unit]


@pytest.mark.parametrize("unit", UNITS + OPTIONAL)
def test_systemd_finds_nothing_to_complain_about(unit: str, folder: Path, tmp_path: Path) -> None:
    """But for what is not installed here: the programs, and the other unit."""
    path = tmp_path / f"{unit}.service"
    text = (folder / f"{unit}.service").read_text()
    path.write_text(re.sub(r"/opt/nmesd/bin/\w+", "/bin/true", text))
    done = subprocess.run(
        [needs("systemd-analyze"), "verify", "--man=no", str(path)],
        capture_output=True, text=True, check=False, env={"SYSTEMD_UNIT_PATH": f"{folder}:"},
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if unit in line and "/opt/nmesd" not in line]
    assert ours == []


def test_only_the_guard_may_open_a_device(folder: Path) -> None:
    guard, daemon = (settings(folder / f"{unit}.service") for unit in UNITS)
    assert guard["DevicePolicy"] == daemon["DevicePolicy"] == ["closed"]
    assert {value.split()[0] for value in guard["DeviceAllow"]} == {
        "char-ttyUSB", "char-ttyACM", "char-ttyAMA", "char-gpiochip",
    }  # fmt: skip
    assert "DeviceAllow" not in daemon
    assert guard["User"] != daemon["User"]
    assert "dialout" not in " ".join(daemon.get("SupplementaryGroups", []))


def test_however_the_guard_ends_zero_is_verified(folder: Path) -> None:
    (last,) = settings(folder / "nmesd-guard.service")["ExecStopPost"]
    assert "nmesd.guard --zero /etc/nmesd/guard.toml" in last


@pytest.mark.parametrize(
    ("unit", "priority"), [("nmesd-guard", GUARD_PRIORITY), ("nmesd", ENGINE_PRIORITY)]
)
def test_the_rights_are_those_the_process_asks_for(unit: str, priority: int, folder: Path) -> None:
    found = settings(folder / f"{unit}.service")
    assert found["LimitRTPRIO"] == [str(priority)]
    assert found["LimitMEMLOCK"] == ["infinity"]
    assert "RestrictRealtime" not in found  # it would forbid it


@pytest.mark.parametrize("unit", UNITS)
def test_what_comes_back_is_disarmed_and_tells_systemd_that_it_lives(
    unit: str, folder: Path
) -> None:
    found = settings(folder / f"{unit}.service")
    assert found["Type"] == ["notify"]
    assert found["Restart"] == ["on-failure"]
    assert int(found["WatchdogSec"][0]) <= 20
    assert not any("arm" in value for value in found["ExecStart"])


def test_the_reload_is_a_command_that_nmesd_takes(folder: Path, tmp_path: Path) -> None:
    (reload,) = settings(folder / "nmesd.service")["ExecReload"]
    program, *arguments = reload.split()
    assert program == "/opt/nmesd/bin/nmesd"
    done = subprocess.run(
        [Path(sys.executable).parent / "nmesd", *arguments, "--control", tmp_path / "none"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "no answer from nmesd" in done.stderr, done.stderr


def test_the_guard_has_no_network_and_the_daemon_only_what_lsl_needs(folder: Path) -> None:
    guard, daemon = (settings(folder / f"{unit}.service") for unit in UNITS)
    assert "PrivateNetwork" not in guard  # `nmesd stop` could not be answered
    assert guard["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert daemon["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"]


@pytest.mark.parametrize(
    ("command", "file"), [("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")]
)
def test_users_and_folders_can_be_made(
    command: str, file: str, folder: Path, tmp_path: Path
) -> None:
    path = needs(command)
    (tmp_path / "etc").mkdir()
    for name, text in ETC.items():
        (tmp_path / "etc" / name).write_text(text)
    subprocess.run(
        [needs("systemd-sysusers"), f"--root={tmp_path}", str(folder / "nmesd.sysusers")],
        check=True, capture_output=True,
    )  # fmt: skip
    if file == "tmpfiles":
        done = subprocess.run(
            [path, "--create", f"--root={tmp_path}", str(folder / "nmesd.tmpfiles")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "run" / "nmesd").stat().st_mode & 0o7777 == 0o1771
    groups = (tmp_path / "etc" / "group").read_text()
    assert re.search(r"^dialout:.*nmesd-guard", groups, re.MULTILINE)
    assert not re.search(r"^dialout:.*nmesd(,|$)", groups, re.MULTILINE)
