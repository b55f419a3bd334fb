"""No certificate beside an armed session, nor where nobody can say whether there is one."""

import asyncio
import socket
from pathlib import Path

import pytest

from nmesd.certificate.refusing import refuse, refuse_while_armed
from nmesd.certificate.setup import read_setup
from nmesd.errors import ConfigError
from nmesd.wire import listens
from tests.certificate.files import write
from tests.monitor.guard_and_daemon import Door

SERIAL = {
    'driver = "null"': 'driver = "sciencemode4"',
    'level = "dry-run"': 'level = "full"',
    'port = "none"': 'port = "/dev/serial/by-id/none"',
}


@pytest.mark.parametrize("state", ["READY", "STIMULATING", "HOLD_OFF", "REST", "PAUSED"])
async def test_refused_while_armed(state: str, tmp_path: Path) -> None:
    door = Door(tmp_path / "control.sock")
    door.status["state"] = state
    async with door.open():
        with pytest.raises(ConfigError, match=f"armed \\({state}\\).*nmesd disarm"):
            await asyncio.to_thread(refuse_while_armed, door.path)


@pytest.mark.parametrize("state", ["DISARMED", "TRIPPED", "STARTING"])
async def test_allowed_while_disarmed(state: str, tmp_path: Path) -> None:
    door = Door(tmp_path / "control.sock")
    door.status["state"] = state
    async with door.open():
        await asyncio.to_thread(refuse_while_armed, door.path)


def test_allowed_where_no_daemon_runs(tmp_path: Path) -> None:
    refuse_while_armed(str(tmp_path / "nobody.sock"))
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(left))
    refuse_while_armed(str(left))


async def test_refused_while_the_daemon_hangs(tmp_path: Path) -> None:
    door = Door(tmp_path / "control.sock")
    door.hangs = True
    async with door.open():
        with pytest.raises(ConfigError, match="is a session of this unit armed"):
            await asyncio.to_thread(refuse_while_armed, door.path)
        door.hangs = False
        await asyncio.sleep(0.1)  # it answers, to nobody


def test_the_real_device_is_left_to_the_guard_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "guard.sock"
    sections = {**SERIAL, "/run/nmesd/guard.sock": str(path)}
    setup = read_setup(*write(tmp_path, guard=sections), "real")
    refuse(setup)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as guard:
        guard.bind(str(path))
        guard.listen()
        assert listens(str(path))
        with pytest.raises(ConfigError, match="systemctl stop"):
            refuse(setup)
