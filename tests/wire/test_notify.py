"""What systemd is told, and when."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmesd.wire.notify import Beacon


class Systemd:
    """The other end."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        told = []
        try:
            while True:
                told.append(self.socket.recv(1000).decode())
        except BlockingIOError:
            return told


@pytest.fixture(params=["file", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Systemd]:
    path = str(tmp_path / "n")
    name = f"nmesd-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", path if request.param == "file" else f"@{name}")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    systemd = Systemd(path if request.param == "file" else f"\0{name}")
    yield systemd
    systemd.socket.close()


def test_it_is_ready_once_and_alive_three_times_in_the_limit(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    beacon = Beacon()
    told = []
    for now_ms in range(5, 4006, 5):
        beacon.beat(now_ms * 1_000_000)
        told += [(now_ms, text) for text in systemd.heard()]
    beacon.close()
    assert told == [
        (5, "READY=1\nWATCHDOG=1"), (1005, "WATCHDOG=1"), (2005, "WATCHDOG=1"), (3005, "WATCHDOG=1"),
        (4005, "WATCHDOG=1"),
    ]  # fmt: skip
    assert systemd.heard() == ["STOPPING=1"]
    beacon.say("STATUS=gone")
    beacon.close()
    assert systemd.heard() == []


@pytest.mark.parametrize("pid", ["1", None])
def test_without_a_watchdog_or_with_another_s_it_is_ready_and_no_more(
    pid: str | None, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pid:
        monkeypatch.setenv("WATCHDOG_USEC", "1000")
        monkeypatch.setenv("WATCHDOG_PID", pid)
    else:
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    beacon = Beacon()
    for second in range(1, 100):
        beacon.beat(second * 1_000_000_000)
    assert systemd.heard() == ["READY=1\nWATCHDOG=1"]
    beacon.close()


def test_a_systemd_that_is_gone_or_full_does_not_hold_it_up(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3")
    beacon = Beacon()
    for number in range(1, 5000):
        beacon.beat(number * 1_000_000)
    systemd.socket.close()
    beacon.beat(10**12)
    beacon.close()


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    beacon = Beacon()
    beacon.beat(1)
    beacon.say("STATUS=x")
    beacon.close()
