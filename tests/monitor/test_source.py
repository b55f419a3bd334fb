"""One listens to the daemon for all pages, and never passes old words on as new."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from nmesd.monitor import source as source_module
from nmesd.monitor.source import Source
from tests.monitor.guard_and_daemon import Door

Test = tuple[Source, Door]


@pytest.fixture
async def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Test]:
    """A source that runs, and a daemon that is not there yet. Everything is told sooner than in earnest."""
    for name, seconds in (
        ("PERIOD_S", 0.02),
        ("ANSWER_S", 0.3),
        ("RETRY_S", 0.05),
        ("FRESH_S", 0.4),
    ):
        monkeypatch.setattr(source_module, name, seconds)
    source, door = Source(str(tmp_path / "control.sock")), Door(tmp_path / "control.sock")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(source.run(), name="source")
        yield source, door
        running.cancel()


def said(source: Source) -> dict[str, Any]:
    message = source.message()
    assert message.startswith(b"data: ")
    assert message.endswith(b"\n\n")
    found: dict[str, Any] = json.loads(message[6:])
    return found


async def until(source: Source, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for _ in range(500):
        if true(now := said(source)):
            return now
        await source.news(0.01)
    pytest.fail(f"it does not come to be so: {said(source)}")


def state(word: str) -> Callable[[dict[str, Any]], bool]:
    return lambda now: now["state"] == word


async def test_pages_follow_the_daemon(listening: Test) -> None:
    source, door = listening
    before = said(source)
    assert (before["connected"], before["state"]) == (False, "NOT CONNECTED")
    async with door.open():
        now = await until(source, state("READY"))
        assert now["plot"] == [5.25, 12.0, 8.0, None]
        door.status |= {"state": "STIMULATING", "amplitude_ma": 20.0}
        assert (await until(source, state("STIMULATING")))["shown"]["output"] == "20.0 mA"
    gone = await until(source, state("NOT CONNECTED"))
    assert "is it running?" in gone["text"]
    assert "shown" not in gone
    async with door.open():  # and back
        await until(source, state("STIMULATING"))


async def test_a_daemon_that_hangs_is_not_connected(listening: Test) -> None:
    source, door = listening
    async with door.open():
        await until(source, state("READY"))
        door.hangs = True
        now = await until(source, state("NOT CONNECTED"))
        assert "does not answer within 0.3 s" in now["text"]
        door.hangs = False
        await until(source, state("READY"))


async def test_an_engine_that_stands_still_is_not_shown_as_alive(listening: Test) -> None:
    source, door = listening
    async with door.open():
        await until(source, state("READY"))
        door.status["age_s"] = 3.2
        now = await until(source, state("NOT CONNECTED"))
        assert now["text"].startswith("the engine has said nothing for 3 s")
        door.status["age_s"] = None
        await until(source, state("READY"))


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"{}\n", b"x" * 400_000, b""])
async def test_a_daemon_that_talks_nonsense_is_not_connected(line: bytes, tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(line)
        writer.close()

    source = Source(path)
    async with asyncio.TaskGroup() as tasks, await asyncio.start_unix_server(answer, path):
        running = tasks.create_task(source.run(), name="source")
        now = await until(source, lambda now: "is it running?" in now["text"])
        assert now["state"] == "NOT CONNECTED"
        running.cancel()


async def test_a_trip_is_kept_after_its_reset(listening: Test) -> None:
    source, door = listening
    async with door.open():
        await until(source, state("READY"))
        stopped = "stopped by the operator: reset when ready"
        door.status |= {"state": "TRIPPED", "text": stopped}
        assert stopped in (await until(source, state("TRIPPED")))["trip"]
        door.status |= {"state": "DISARMED", "text": "ready to be armed"}
        assert stopped in (await until(source, state("DISARMED")))["trip"]
    assert stopped in (await until(source, state("NOT CONNECTED")))["trip"]


async def test_cues_come_as_they_are_told_and_go_with_the_daemon(listening: Test) -> None:
    source, door = listening
    async with door.open():
        assert (await until(source, state("READY")))["shown"]["cue"] == "\u2013"
        while not door.hub._watchers:  # noqa: ASYNC110 - it watches now
            await asyncio.sleep(0.01)
        door.hub.publish({"event": "trial", "outcome": "MISS"})
        door.hub.publish({"event": "cue", "cue": "TRY", "trial": 3, "muscle": None})
        await until(source, lambda now: now["shown"]["cue"] == "TRY NOW")
    await until(source, state("NOT CONNECTED"))
    async with door.open():
        now = await until(source, state("READY"))
        assert now["shown"]["cue"] == "\u2013"  # of the session before, for all that is known


async def test_one_asks_for_all(listening: Test) -> None:
    source, door = listening
    async with door.open():
        await until(source, state("READY"))
        async with asyncio.TaskGroup() as tasks:
            for number in range(50):
                tasks.create_task(source.news(5), name=f"page {number}")
        asked = len(door.asked)
        for _ in range(500):
            source.message()
        assert len(door.asked) == asked
