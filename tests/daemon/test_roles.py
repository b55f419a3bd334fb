"""Everybody on the computer may see and stop; who may do more, the kernel's word decides."""

import asyncio
import grp
import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from nmesd.core.values import Mode
from nmesd.daemon import acts, control
from nmesd.daemon.acts import operator_number
from nmesd.daemon.client import ask
from nmesd.daemon.control import MOST_CLIENTS, serve
from nmesd.daemon.mqtt import ALLOWED
from nmesd.daemon.process import Daemon
from nmesd.daemon.roles import BROKER, NEEDS, Peer, Role, Roles, login
from nmesd.errors import Reason
from nmesd.wire import ActKind, ActReply, Snapshot
from tests.daemon.three import write

NOBODY = pwd.getpwnam("nobody")
GROUP = grp.getgrnam("users")  # stands for nmesd, which is not installed here
SAFE = ("stop", "disarm", "pause")
SEEING = ("status", "timing", "watch")
OTHERS = ("arm", "reset", "give", "resume", "release", "reload")
CLIENT = """
import json, os, socket, sys
uid, gid, groups, path, lines = json.loads(sys.argv[1])
os.setgroups(groups)
os.setgid(gid)
os.setuid(uid)
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
    sock.settimeout(10)
    sock.connect(path)
    answers = sock.makefile("rb")
    for line in lines:
        sock.sendall(json.dumps(line).encode() + b"\\n")
        print(answers.readline().decode(), end="")
"""
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")


class Engine:
    """Takes every act."""

    pid = 0

    def __init__(self) -> None:
        self.acts: list[tuple[ActKind, int]] = []

    async def act(self, kind: ActKind, operator: int, *_: int) -> ActReply:
        self.acts.append((kind, operator))
        return ActReply(1, Reason.NONE, 0, 0)


class Door:
    """A daemon at its control socket, with an engine that takes everything."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "c")
        toml = write(folder)
        text = f'[control]\nsocket = "{self.path}"\noperators = "{GROUP.gr_name}"\n'
        toml.write_text(toml.read_text() + text)
        self.daemon, self.engine = Daemon(toml, None), Engine()
        self.daemon._host = self.engine  # type: ignore[assignment]
        self.daemon._snapshot = Snapshot(*[0] * len(Snapshot._fields))._replace(mode=Mode.REST)

    async def say(
        self, uid: int, gid: int, groups: list[int], *lines: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """What a process of that user is answered."""
        arguments = json.dumps([uid, gid, groups, self.path, lines])
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-I", "-S", "-c", CLIENT, arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter, as /run/nmesd."""
    with tempfile.TemporaryDirectory(prefix="nr") as name:
        Path(name).chmod(0o1771)
        yield Path(name)


@pytest.fixture
async def door(folder: Path) -> AsyncIterator[Door]:
    door = Door(folder)
    daemon = door.daemon
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(
            serve(door.path, daemon._roles, daemon._answer, daemon._hub.watch), name="control"
        )
        while not Path(door.path).exists():  # noqa: ASYNC110, ASYNC240 - one system call
            await asyncio.sleep(0.005)
        yield door
        serving.cancel()


def line(command: str) -> dict[str, Any]:
    return {"command": command, "operator": "Ada", "channel": 2, "amplitude_ma": 1}


def test_every_command_has_its_role() -> None:
    assert {*acts.ACTS, *acts.OTHERS} == set(NEEDS)
    assert set(NEEDS) == {*SAFE, *SEEING, *OTHERS}
    assert {command for command, role in NEEDS.items() if role is Role.OPERATOR} == set(OTHERS)
    assert set(ALLOWED) == {"stop", "disarm"}


@pytest.mark.parametrize("command", [*NEEDS, "stimulate", ""])
@pytest.mark.parametrize("role", Role)
def test_the_table_decides_and_what_it_does_not_know_needs_an_operator(
    command: str, role: Role
) -> None:
    peer = Peer(1001, frozenset(), "bob", role)
    may = role is Role.OPERATOR or (
        command in SAFE[:2] if role is Role.NETWORK else command in (*SAFE, *SEEING)
    )
    assert (Roles(GROUP.gr_name).refusal(command, peer) is None) is may


def test_root_the_daemon_s_user_and_the_group_are_operators_and_nobody_else() -> None:
    roles = Roles(GROUP.gr_name)
    assert roles.of(0, frozenset()) is Role.OPERATOR
    assert roles.of(os.geteuid(), frozenset()) is Role.OPERATOR
    assert roles.of(4711, frozenset({4, GROUP.gr_gid})) is Role.OPERATOR
    assert roles.of(4711, frozenset({4})) is Role.LOCAL
    assert Roles("no-such-group").of(4711, frozenset({4, GROUP.gr_gid})) is Role.LOCAL


def test_a_refusal_says_who_what_is_needed_and_what_to_do() -> None:
    bob = Peer(1001, frozenset(), "bob", Role.LOCAL)
    text = Roles(GROUP.gr_name).refusal("arm", bob)
    assert text is not None
    for words in (
        "arm needs an operator", f"member of group '{GROUP.gr_name}'", "'bob', uid 1001",
        "stop, disarm, pause", f"sudo usermod -aG {GROUP.gr_name} bob",
    ):  # fmt: skip
        assert words in text
    assert "groupadd" not in text
    assert "sudo groupadd no-such-group" in (Roles("no-such-group").refusal("arm", bob) or "")
    assert "does not come over the network" in (Roles("x").refusal("arm", BROKER) or "")


def test_a_user_without_a_name_is_called_by_the_number() -> None:
    assert login(0) == "root"
    assert login(3_999_999_999) == "3999999999"


@needs_root
@pytest.mark.parametrize("command", [*SAFE, *SEEING, *OTHERS])
async def test_any_user_may_see_and_stop_and_only_operators_more(command: str, door: Door) -> None:
    nobody, gid = NOBODY.pw_uid, NOBODY.pw_gid
    (stranger,) = await door.say(nobody, gid, [], line(command))
    assert stranger["ok"] is (command not in OTHERS)
    if command in OTHERS:
        assert "you are 'nobody'" in stranger["text"]
        assert door.engine.acts == []
    if command == "reload":
        return
    for groups in ([GROUP.gr_gid], [4, *range(5000, 5200), GROUP.gr_gid]):
        (member,) = await door.say(nobody, gid, groups, line(command))
        assert member["ok"], member
    (by_sg,) = await door.say(nobody, GROUP.gr_gid, [], line(command))
    assert by_sg["ok"], by_sg


@needs_root
async def test_groups_that_cannot_be_read_make_no_operator(door: Door) -> None:
    many = [*range(5000, 5300), GROUP.gr_gid]
    armed, stopped = await door.say(
        NOBODY.pw_uid, NOBODY.pw_gid, many, line("arm"), line("stop")
    )  # fmt: skip
    assert (armed["ok"], stopped["ok"]) == (False, True)


@needs_root
async def test_what_is_done_carries_the_login_name(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(door.daemon._record, "event", lambda _, **facts: kept.append(facts))
    with capture_logs() as logs:
        await door.say(NOBODY.pw_uid, NOBODY.pw_gid, [], {"command": "stop"}, line("arm"))
        await door.daemon._stop_or_disarm("disarm")
    assert [(one["act"], one["operator"], one["user"]) for one in kept] == [
        ("stop", "", "nobody"),
        ("disarm", "", "mqtt"),
    ]
    assert [number for _, number in door.engine.acts] == [
        operator_number("nobody"),
        operator_number("mqtt"),
    ]
    told = [(one["event"], one["user"]) for one in logs if "user" in one]
    assert told == [("stop", "nobody"), ("refused", "nobody"), ("disarm", "mqtt")]


async def test_the_network_may_not_arm_whatever_it_says(door: Door) -> None:
    for command in (*OTHERS, *SEEING, "pause"):
        assert not (await door.daemon._answer(line(command), BROKER))["ok"]
    assert door.engine.acts == []


async def test_one_user_cannot_take_all_the_places(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "credentials", lambda _: (4711, frozenset()))
    taken = [await asyncio.open_unix_connection(door.path) for _ in range(MOST_CLIENTS)]
    for reader, writer in taken:
        writer.write(b'{"command": "status"}\n')
        assert json.loads(await reader.readline())["ok"]
    reader, writer = await asyncio.open_unix_connection(door.path)
    assert await reader.read() == b""
    monkeypatch.setattr(control, "credentials", lambda _: (4712, frozenset()))
    assert (await asyncio.to_thread(ask, door.path, "stop"))["ok"]  # another's place is free
    for _, one in [*taken, (reader, writer)]:
        one.close()
        await one.wait_closed()


async def test_a_name_that_takes_long_to_find_keeps_no_stop_waiting(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: int) -> str:
        asyncio.run_coroutine_threadsafe(waits.wait(), loop).result()
        return "late"

    monkeypatch.setattr(control, "login", slow)
    monkeypatch.setattr(control, "LOGIN_S", 0.05)
    with capture_logs() as logs:
        assert (await asyncio.to_thread(ask, door.path, "stop"))["ok"]
    waits.set()
    assert [one["user"] for one in logs if one["event"] == "stop"] == [str(os.getuid())]
