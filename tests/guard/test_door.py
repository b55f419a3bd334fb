"""Who is let in: one client of a known user; a stop from anybody who can reach the socket."""

import contextlib
import gc
import os
import pwd
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmesd.errors import LinkError, Reason
from nmesd.guard import door as door_module
from nmesd.guard.door import MOST_KNOCKS, Door
from nmesd.wire import GuardState
from tests.guard.processes import Child, Client

NOBODY = pwd.getpwnam("nobody")
ENGINE = """
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.settimeout(5)
sock.connect(sys.argv[1])
print(len(sock.recv(65536)) > 0)
"""
STRANGER = """
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
for kind, end in ((socket.SOCK_SEQPACKET, ""), (socket.SOCK_DGRAM, ".life")):
    try:
        socket.socket(socket.AF_UNIX, kind).connect(sys.argv[1] + end)
    except PermissionError:
        print("closed")
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind("")
sock.settimeout(5)
sock.sendto(b"stop", sys.argv[1] + ".stop")
print(sock.recv(64).decode())
"""


@pytest.fixture
def path(folder: Path) -> str:
    return str(folder / "g")


@pytest.fixture
def door(path: str) -> Iterator[Door]:
    door = Door(path, os.getuid())
    yield door
    door.close()


def connect(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.connect(path)
    return sock


def test_one_client_is_let_in_and_then_another(door: Door, path: str) -> None:
    with connect(path) as first, connect(path) as second:
        assert door.accept()
        client = door.client
        assert client is not None
        assert not door.accept()
        assert door.client is client
        assert second.recv(1) == b""
        door.drop_client()
        assert first.recv(1) == b""
    with connect(path):
        assert door.accept()
    door.drop_client()
    door.drop_client()  # nobody there
    assert door.client is None


def test_nobody_at_the_door_is_nobody_let_in(door: Door) -> None:
    assert not door.accept()


@pytest.mark.parametrize("admitted", ["us", "nobody"])
def test_a_stranger_is_sent_away(
    door: Door, path: str, monkeypatch: pytest.MonkeyPatch, admitted: str
) -> None:
    uids = (os.getuid(),) if admitted == "us" else (os.getuid() + 1,)
    monkeypatch.setattr(door, "_admitted", uids)
    with connect(path) as sock:
        assert bool(door.accept()) is (admitted == "us")
        if admitted == "nobody":
            assert sock.recv(1) == b""
            assert door.client is None


def test_the_admitted_are_root_ourselves_and_the_client_user(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, int, int]] = []
    monkeypatch.setattr("nmesd.guard.door.os.chown", lambda *what: given.append(what))
    other = NOBODY if os.getuid() != NOBODY.pw_uid else pwd.getpwuid(0)
    door = Door(path, other.pw_uid)
    assert set(door._admitted) == {0, os.getuid(), other.pw_uid}
    assert given == [(path + end, -1, other.pw_gid) for end in ("", ".stop", ".life")]
    door.close()


def test_the_stop_is_for_all_the_others_for_owner_and_group_and_they_go_with_the_door(
    path: str,
) -> None:
    door = Door(path, os.getuid())
    for end, mode in (("", 0o660), (".stop", 0o666), (".life", 0o660)):
        assert stat.S_IMODE(Path(path + end).stat().st_mode) == mode
    door.close()
    assert list(Path(path).parent.iterdir()) == []


def test_a_door_whose_sockets_are_gone_can_be_closed(path: str) -> None:
    door = Door(path, os.getuid())
    for end in ("", ".stop"):
        Path(path + end).unlink()
    door.close()
    assert list(Path(path).parent.iterdir()) == []


def test_what_a_killed_guard_left_is_taken_over(path: str) -> None:
    old = Door(path, os.getuid())
    for sock in (old.listener, old.stopper):
        sock.close()
    assert Path(path + ".stop").exists()
    door = Door(path, os.getuid())
    with connect(path):
        assert door.accept()
    door.close()


def test_a_second_guard_is_refused_and_the_first_stays(door: Door, path: str) -> None:
    with pytest.raises(LinkError, match="another guard is running there; stop it first"):
        Door(path, os.getuid())
    with connect(path):
        door.accept()  # the other's look
        assert Path(path).exists()


def test_knocks_are_heard_with_and_without_an_address(door: Door, path: str) -> None:
    assert door.knocks() == []
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unnamed,
    ):
        named.bind("")
        named.sendto(b"x" * 1000, path + ".stop")
        unnamed.sendto(b"", path + ".stop")
        knocks = door.knocks()
        assert knocks == [named.getsockname(), None]
        for address in knocks:
            door.answer(address, "TRIPPED")
        assert named.recv(64) == b"TRIPPED"
    door.answer(knocks[0], "TRIPPED")  # it went away


def test_no_flood_of_knocks_is_heard_in_one_turn(
    door: Door, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_KNOCKS == 16
    monkeypatch.setattr(door_module, "MOST_KNOCKS", 3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knocker:
        for _ in range(5):
            knocker.sendto(b"", path + ".stop")
    assert [len(door.knocks()) for _ in range(3)] == [3, 2, 0]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the process ends with it
def test_a_door_without_a_folder_is_refused(folder: Path) -> None:
    with pytest.raises(LinkError) as caught:
        Door(str(folder / "no" / "g"), os.getuid())
    text = str(caught.value)
    del caught
    gc.collect()
    assert text.startswith(f"{folder}/no/g: [Errno 2] No such file or directory")
    assert text.endswith("; does its folder exist and belong to us?")


def test_a_door_that_cannot_be_made_says_where(folder: Path) -> None:
    program = "import os, sys; from nmesd.guard.door import Door; Door(sys.argv[1], os.getuid())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder / "no" / "g")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "LinkError" in done.stderr
    assert f"{folder}/no/g: [Errno 2]" in done.stderr
    assert "does its folder exist and belong to us?" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")
def test_any_user_can_stop_and_open_nothing_else(child: Child, folder: Path) -> None:
    folder.chmod(0o1771)  # as /run/nmesd
    client = Client(child)
    client.arm()
    user = [str(NOBODY.pw_uid), str(NOBODY.pw_gid)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STRANGER, str(folder / "g"), *user],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["closed", "closed", "TRIPPED"], done.stderr
    assert client.until(GuardState.TRIPPED).trip_reason == Reason.OPERATOR_STOP


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")
@pytest.mark.parametrize("client_user", ["nobody", None])
def test_the_client_user_s_engine_is_let_in_and_no_other_s(
    folder: Path, client_user: str | None
) -> None:
    with contextlib.closing(Child(folder, client_user=client_user)) as child:
        if client_user is None:  # the socket's mode alone would keep it out
            (folder / "g").chmod(0o777)
        user = [str(NOBODY.pw_uid), str(NOBODY.pw_gid)]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", ENGINE, str(folder / "g"), *user],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == str(client_user is not None), done.stderr
        assert Client(child).report.nonce  # root is let in always
