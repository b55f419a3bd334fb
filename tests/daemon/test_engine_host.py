"""What the daemon hears of its engine: some at a time, all of it, in order."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from nmesd.daemon.engine_host import MOST_MESSAGES, EngineHost
from nmesd.daemon.engine_process import EngineProcess
from nmesd.wire import Beat, Bundle, Frame, Gatherer, Link, Opened


class Heard:
    """A host without an engine, and who speaks in its place."""

    def __init__(self) -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.engine, self.link = Link(near), Link(far)
        self.frames: list[Frame] = []
        self.changes: list[tuple[str, int]] = []
        self.host = EngineHost(b"", self.frames.append, lambda *told: self.changes.append(told))
        self.host._heard_on = self.link.fileno()

    def say(self, count: int) -> list[Frame]:
        frames: list[Frame] = [Opened(b"%d" % n) for n in range(count)]
        assert all(self.engine.send(frame) for frame in frames)
        return frames


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    yield heard
    heard.engine.close()
    heard.link.close()


async def test_an_engine_that_says_more_than_can_be_heard_does_not_hold_the_daemon(
    heard: Heard,
) -> None:
    said = heard.say(2 * MOST_MESSAGES + 3)
    assert heard.host._read(heard.link) is True
    assert heard.frames == said[:MOST_MESSAGES]  # and now the beat, and everybody else
    assert heard.host._read(heard.link) is True
    assert heard.host._read(heard.link) is False
    assert heard.frames == said
    assert heard.changes == []


async def test_the_frames_of_a_bundle_are_heard_one_by_one(heard: Heard) -> None:
    gatherer = Gatherer(heard.engine)
    said: list[Frame] = [Opened(b"a"), Beat(), Opened(b"b")]
    for frame in said:
        gatherer.add(frame, 1)
    gatherer.flush()
    assert heard.host._read(heard.link) is False
    assert heard.frames == said


async def test_a_damaged_bundle_ends_the_connection(heard: Heard) -> None:
    heard.engine.send(Bundle(b"\x05\0\0\0abc"))
    assert heard.host._read(heard.link) is False
    assert heard.link.closed
    assert heard.frames == []
    assert "bad frame from the engine" in heard.changes[0][0]


async def test_after_a_damaged_frame_the_engine_is_given_up_and_nothing_else(heard: Heard) -> None:
    with EngineProcess() as engine:
        own, engine.link = (
            engine.link,
            heard.link,
        )  # it waits for settings, and another speaks for it
        heard.engine.send(Bundle(b"\x05\0\0\0abc"))
        async with asyncio.timeout(5):
            await heard.host._serve(engine)
        assert heard.link.closed
        assert engine.code is None
        own.close()
