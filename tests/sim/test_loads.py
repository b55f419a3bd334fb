"""Loads of a machine: each does what it says, and none outlives whoever started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from nmesd.sim import loads

PARENT = """
import sys, time
from nmesd.sim import loads
children = [loads.started("burn", sys.argv[1], 0.05), loads.started("disk", sys.argv[2])]
print(*(child.pid for child in children), flush=True)
time.sleep(60)
"""
SOON_S = 10.0


def command_of(pid: int) -> bytes:
    """Empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def loading(pid: int) -> bool:
    return b"nmesd.sim.loads" in command_of(pid)


def gone(pid: int) -> bool:
    return not command_of(pid)


def until(true: Callable[[], bool], what: str) -> None:
    give_up_s = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < give_up_s, what
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_loads_end_with_their_parent_whatever_becomes_of_it(number: int, tmp_path: Path) -> None:
    core, file = min(os.sched_getaffinity(0)), tmp_path / "filled"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(core), str(file)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        for pid in pids:
            until(partial(loading, pid), "no load")
        parent.send_signal(number)
    for pid in pids:
        until(partial(gone, pid), f"{pid} is left over")
    assert not file.exists()


def test_a_load_says_how_much_it_did(tmp_path: Path) -> None:
    file = tmp_path / "filled"
    writing = loads.started("disk", file)
    burning = loads.started("burn", min(os.sched_getaffinity(0)), 0.1)
    time.sleep(1.0)
    assert loads.ended(writing) > 0
    assert loads.ended(burning) > 0
    assert list(tmp_path.iterdir()) == []


def test_the_flood_speaks_mqtt() -> None:
    """A CONNECT, then nothing but PUBLISH of the text on the unit's topic."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        flood = loads.started("flood", server.getsockname()[1], "u1", 0, 100, 0.2)
        connection = server.accept()[0]
        with connection, connection.makefile("rb") as said:
            kind, length = said.read(2)
            assert (kind, said.read(length)[:6]) == (0x10, b"\x00\x04MQTT")
            connection.sendall(b"\x20\x02\x00\x00")
            rest = said.read()
        sent = int(flood.communicate(timeout=SOON_S)[0])
    assert sent > 0
    assert rest == b"\x30\x15\x00\x10nmesd/u1/commandarm" * sent


def test_an_unknown_load_is_none() -> None:
    with loads.started("nothing") as load:
        assert load.wait(SOON_S) == 2
