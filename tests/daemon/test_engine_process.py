"""A real engine: started before there are settings, and ended with whoever started it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nmesd.daemon.engine_process import EngineProcess
from tests.engine.test_beginning import AHEAD, WHOLE

LONG_S = 20.0


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(LONG_S):
        while not done():  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.02)


def ended(engine: EngineProcess) -> bool:
    return engine.code is not None


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_its_daemon_s_end_is_its_end_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with EngineProcess() as engine:
        engine.link.close()
        await until(lambda: ended(engine))
        assert engine.code == 0
    assert capfd.readouterr().err == ""


async def test_what_is_no_settings_ends_it_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with EngineProcess() as engine:
        engine.tell(b"[]")
        await until(lambda: ended(engine))
        assert engine.code == 2
    assert "engine cannot start" in capfd.readouterr().err


def test_one_that_was_not_needed_is_ended_with_the_block() -> None:
    with EngineProcess() as engine:
        engine.tell(AHEAD.to_json())  # a refused file: the rest never comes
        time.sleep(0.2)
        assert engine.code is None
    assert gone(engine.pid)


async def test_one_that_is_frozen_is_ended_by_force() -> None:
    with EngineProcess() as engine:
        engine.tell(WHOLE.to_json())
        await until(engine.link.receive)  # from its first word on it ends when it is asked to
        os.kill(engine.pid, signal.SIGSTOP)
        async with asyncio.timeout(LONG_S):
            assert await engine.end() == -signal.SIGKILL
    assert gone(engine.pid)
