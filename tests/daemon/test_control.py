"""The operator's door takes whatever comes in, answers it, and stays open."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from nmesd.core.values import Cue, CueKind, Mode, ModeChanged, SetOutput, Why
from nmesd.daemon.acts import operator_number
from nmesd.daemon.client import ask
from nmesd.daemon.control import MAX_LINE, Handler, serve
from nmesd.daemon.events import MOST_WAITING, Hub
from nmesd.daemon.process import Daemon
from nmesd.daemon.roles import Peer, Roles, login
from nmesd.errors import LinkError, Reason
from nmesd.stopping import stop
from nmesd.wire import ActKind, ActReply, Snapshot

NMESD_TOML = """
[session]
programme = "programme.toml"
[stream]
name = "amplifier"
rate_hz = 1000
labels = ["biceps"]
[control]
socket = "{socket}"
"""


PATIENT = """
code = "P7"
[[muscle]]
label = "biceps"
on_uv = 10
off_uv = 7
output = [{channel = 3, amplitude_ma = 9}]
"""
PROGRAMME = """
purpose = "x"
kind = "triggered"
session = {minutes = 30}
"""


class Engine:
    """Stands where the engine host does: no process, answers at once, remembers what it was asked."""

    pid = 4711
    daemon: Daemon

    def __init__(self) -> None:
        self.acts: list[tuple[ActKind, int]] = []
        self.given: list[tuple[int, int]] = []
        self.reply = ActReply(1, Reason.NONE, 0, 0)
        self.gone = False

    async def act(
        self, kind: ActKind, operator: int, muscle: int = 0, amplitude_ua: int = 0
    ) -> ActReply:
        if self.gone:
            raise LinkError("the engine does not answer within 2 s")
        self.acts.append((kind, operator))
        self.given.append((muscle, amplitude_ua))
        return self.reply


async def opened(path: Path) -> None:
    for _ in range(1000):
        if path.exists():  # noqa: ASYNC240 - one system call
            return
        await asyncio.sleep(0.005)
    pytest.fail("the door does not open")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Path, Engine]]:
    """(socket, engine) of a daemon whose engine is not there."""
    path = tmp_path / "control.sock"
    toml = tmp_path / "nmesd.toml"
    toml.write_text(NMESD_TOML.format(socket=path))
    (tmp_path / "patient.toml").write_text(PATIENT)
    (tmp_path / "programme.toml").write_text(PROGRAMME)
    daemon = Daemon(toml, None)
    engine = Engine()
    daemon._host = engine  # type: ignore[assignment]
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(
            serve(str(path), daemon._roles, daemon._answer, daemon._hub.watch), name="control"
        )
        await opened(path)
        engine.daemon = daemon
        yield path, engine
        serving.cancel()
    assert not path.exists()


async def until(true: Callable[[], bool]) -> bool:
    """Whether it comes to be so within five seconds."""
    for _ in range(1000):
        if true():
            return True
        await asyncio.sleep(0.005)
    return False


async def say(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """The answers to lines sent one after the other on one connection."""
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    for line in lines:
        writer.write(line + b"\n")
        answers.append(json.loads(await reader.readline()))
    writer.close()
    await writer.wait_closed()
    return answers


async def request(path: Path, **values: Any) -> dict[str, Any]:
    return (await say(path, json.dumps(values).encode()))[0]


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"\xff\xfe\x00", b"nonsense", b'{"command": "arm"', b"[" * 5000],
    ids=["empty", "brace", "bytes", "word", "cut", "deep"],
)
async def test_a_broken_line_is_answered_and_the_next_is_heard(
    line: bytes, door: tuple[Path, Engine]
) -> None:
    broken, sound = await say(door[0], line, b'{"command": "status"}')
    assert broken == {"ok": False, "text": "not a line of JSON"}
    assert sound["ok"] is True


@pytest.mark.parametrize("line", [b"3", b"[]", b"null", b"{}", b'{"command": 3}'])
async def test_json_that_is_no_command_is_answered(line: bytes, door: tuple[Path, Engine]) -> None:
    (answer,) = await say(door[0], line)
    assert answer == {"ok": False, "text": 'send an object with a "command"'}


async def test_an_endless_line_ends_only_its_own_connection(door: tuple[Path, Engine]) -> None:
    reader, writer = await asyncio.open_unix_connection(door[0])
    writer.write(b"x" * (4 * MAX_LINE))
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert (await request(door[0], command="status"))["ok"] is True


async def test_an_unknown_command_is_refused_and_the_known_are_named(
    door: tuple[Path, Engine],
) -> None:
    answer = await request(door[0], command="stimulate")
    assert answer["ok"] is False
    for word in ("'stimulate'", "status", "reload", "arm", "disarm", "stop", "reset"):
        assert word in answer["text"]
    assert door[1].acts == []


@pytest.mark.parametrize("command", ["arm", "reset"])
@pytest.mark.parametrize("operator", [{}, {"operator": ""}])
async def test_arming_and_reset_need_a_name(
    command: str, operator: dict[str, str], door: tuple[Path, Engine]
) -> None:
    answer = await request(door[0], command=command, **operator)
    assert answer["ok"] is False
    assert f"{command} needs the operator's name" in answer["text"]
    assert door[1].acts == []


@pytest.mark.parametrize("command", ["stop", "disarm"])
async def test_stop_and_disarm_need_none(command: str, door: tuple[Path, Engine]) -> None:
    assert (await request(door[0], command=command))["ok"] is True
    assert door[1].acts == [(ActKind[command.upper()], operator_number(login(os.getuid())))]


async def test_the_operator_is_passed_on_as_a_number_of_their_own(
    door: tuple[Path, Engine],
) -> None:
    for operator in ("Ada", "Bob", "Ada"):
        assert (await request(door[0], command="arm", operator=operator))["ok"] is True
    ada, bob, again = (number for _, number in door[1].acts)
    assert ada == again != bob
    assert 0 < ada < 2**63


@pytest.mark.parametrize("name", ["", "Ada", "0", "\0", "a" * 10_000])
def test_the_number_of_an_operator_is_never_nobody_s(name: str) -> None:
    assert 0 < operator_number(name) < 2**56


async def test_a_refusal_names_the_reason_and_what_to_do(door: tuple[Path, Engine]) -> None:
    door[1].reply = ActReply(1, Reason.EMG_BACKLOG, 70_000_000, 50_000_000)
    answer = await request(door[0], command="arm", operator="Ada")
    assert (answer["ok"], answer["reason"]) == (False, "EMG_BACKLOG")
    assert "70.0 ms, limit 50.0 ms" in answer["text"]


async def test_an_engine_that_is_gone_is_said_so(door: tuple[Path, Engine]) -> None:
    door[1].gone = True
    answer = await request(door[0], command="stop")
    assert answer == {"ok": False, "text": "the engine does not answer within 2 s"}


@contextlib.asynccontextmanager
async def asking(
    path: Path, handle: Handler
) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.StreamReader]]:
    """A door, and a client that has asked for the status and stays."""
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(
            serve(str(path), Roles("nmesd"), handle, Hub().watch), name="control"
        )
        await opened(path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"command": "status"}\n')
        yield serving, reader
    writer.close()
    await writer.wait_closed()


async def test_a_client_who_stays_does_not_keep_the_daemon_from_ending(tmp_path: Path) -> None:
    async def handle(_: dict[str, Any], __: Peer) -> dict[str, Any]:
        return {"ok": True}

    async with asking(tmp_path / "control.sock", handle) as (serving, reader):
        assert json.loads(await reader.readline()) == {"ok": True}
        async with asyncio.timeout(5):
            serving.cancel()
            await asyncio.wait([serving])
            assert await reader.read() == b""


async def test_an_answer_that_does_not_come_ends_with_the_door(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def handle(_: dict[str, Any], __: Peer) -> dict[str, Any]:
        asked.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()
        return {}

    async with asking(tmp_path / "control.sock", handle) as (serving, reader):
        async with asyncio.timeout(5):
            await asked.wait()
            serving.cancel()
            await asyncio.wait([serving])
        assert ended.is_set()
        assert await reader.read() == b""
    assert not caplog.records


async def test_before_the_engine_speaks_the_state_is_starting(door: tuple[Path, Engine]) -> None:
    answer = await request(door[0], command="status")
    assert answer["state"] == "STARTING"
    assert answer["state"] not in Mode.__members__


def test_a_daemon_that_is_not_there_is_an_error_for_a_person(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="is it running"):
        ask(str(tmp_path / "control.sock"), "status", timeout_s=1)


def test_a_guard_that_is_not_there_is_an_error_that_says_what_is_left(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="pull the electrode plug"):
        stop(str(tmp_path / "guard.sock"))


# ---- while armed ----------------------------------------------------------------------------------


ZERO_SHOT = Snapshot(*[0] * len(Snapshot._fields))


@pytest.mark.parametrize("command", ["pause", "resume", "release", "give"])
async def test_without_a_session_there_is_nothing_to_act_on(
    command: str, door: tuple[Path, Engine]
) -> None:
    answer = await request(door[0], command=command, operator="A", channel=3, amplitude_ma=1)
    assert answer == {"ok": False, "text": f"nothing to {command}: DISARMED"}
    door[1].daemon._snapshot = ZERO_SHOT._replace(mode=Mode.REST)
    assert (await request(door[0], command=command, operator="A", channel=3, amplitude_ma=1))["ok"]
    assert [kind.name for kind, _ in door[1].acts] == [command.upper()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel": 3},
        {"channel": 3, "amplitude_ma": "2"},
        {"channel": 3, "amplitude_ma": True},
        {"channel": 3, "amplitude_ma": -1},
        {"channel": 3, "amplitude_ma": 131},
        {"channel": 3, "amplitude_ma": float("nan")},
        {"channel": 1, "amplitude_ma": 2},
        {"amplitude_ma": 2},
    ],
)
async def test_a_train_is_given_on_a_channel_with_an_amplitude(
    wrong: dict[str, Any], door: tuple[Path, Engine]
) -> None:
    path, engine = door
    engine.daemon._snapshot = ZERO_SHOT._replace(mode=Mode.REST)
    answer = await request(path, command="give", operator="A", **wrong)
    assert answer["ok"] is False
    assert engine.acts == []
    assert (await request(path, command="give", operator="A", channel=3, amplitude_ma=2.5))["ok"]
    assert engine.given == [(0, 2500)]
    assert not (await request(path, command="give", channel=3, amplitude_ma=2.5))["ok"]  # by nobody


async def test_the_status_says_how_old_it_is(door: tuple[Path, Engine]) -> None:
    """An engine that stands still leaves the last it said, which looks like a session that goes on."""
    path, engine = door
    assert (await request(path, command="status"))["age_s"] is None  # it has said nothing yet
    engine.daemon._hear(ZERO_SHOT)
    assert 0 <= (await request(path, command="status"))["age_s"] < 60
    engine.daemon._heard_ns -= 100_000_000_000
    assert 100 <= (await request(path, command="status"))["age_s"] < 160


# ---- watching -------------------------------------------------------------------------------------


async def test_a_watcher_is_told_every_event_and_others_go_on(door: tuple[Path, Engine]) -> None:
    path, engine = door
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"command": "watch"}\n')
    assert json.loads(await reader.readline())["watching"] is True
    assert await until(lambda: bool(engine.daemon._hub._watchers))
    engine.daemon._tell(Cue(5, CueKind.TRY, 2, 0))
    engine.daemon._tell(SetOutput(6, 0, 1, 1, 1, Why.ATTEMPT, 0, 0))  # too often to be told
    change = ModeChanged(7, Mode.REST, Mode.TRIPPED, Why.TRIP, Reason.EMG_GAP, 3, 2)
    engine.daemon._tell(change)
    cue, trip = [json.loads(await reader.readline()) for _ in range(2)]
    assert cue == {"event": "cue", "t_ns": 5, "cue": "TRY", "trial": 2, "muscle": "biceps"}
    assert (trip["event"], trip["after"], trip["reason"]) == ("mode", "TRIPPED", "EMG_GAP")
    assert trip["text"]
    assert (await request(path, command="status"))["ok"]
    writer.close()
    await writer.wait_closed()
    assert await until(lambda: not engine.daemon._hub._watchers)


async def test_a_watcher_who_does_not_read_is_let_go() -> None:
    hub, got = Hub(), list[int]()

    async def read() -> None:
        async for event in hub.watch():
            got.append(event["n"])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(), name="watcher")
        assert await until(lambda: bool(hub._watchers))
        for number in range(MOST_WAITING + 10):  # without a moment to read in between
            hub.publish({"n": number})
    assert got == list(range(MOST_WAITING))
    assert hub._watchers == set()
