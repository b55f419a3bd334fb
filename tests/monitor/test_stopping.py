"""STOP says what the guard says, of this press and none before, however many press."""

import asyncio
import threading
from pathlib import Path

from nmesd.monitor.stopping import Stopper, Together
from nmesd.stopping import NO_ZERO
from tests.monitor.guard_and_daemon import Door, stop_socket


async def test_the_guard_answers(tmp_path: Path) -> None:
    with stop_socket(tmp_path) as guard:
        stopper = Stopper(guard.path, "")
        assert await stopper.press() == (True, "STOPPED: the guard has the output at zero")
        guard.state = NO_ZERO
        zero, text = await stopper.press()
        assert (zero, text.startswith("NOT STOPPED")) == (False, True)
        assert "electrode plug" in text


async def test_without_a_guard_it_says_so(tmp_path: Path) -> None:
    zero, text = await Stopper(str(tmp_path / "guard.sock"), "").press()
    assert (zero, text.startswith("NOT STOPPED")) == (False, True)
    assert "electrode plug" in text


async def test_a_guard_that_hangs_is_told_within_its_time(tmp_path: Path) -> None:
    with stop_socket(tmp_path) as guard:
        guard.state = None
        zero, text = await Stopper(guard.path, "").press()
    assert not zero
    assert "does not answer" in text


async def test_the_daemon_is_told_and_may_be_gone(tmp_path: Path) -> None:
    door = Door(tmp_path / "control.sock")
    stopper = Stopper("", door.path)
    assert await stopper.tell_daemon() is False
    async with door.open():
        assert await stopper.tell_daemon() is True
    assert door.asked == ["stop"]


async def test_a_hundred_presses_at_once_are_two(tmp_path: Path) -> None:
    with stop_socket(tmp_path) as guard:
        guard.late_s = 0.1
        stopper = Stopper(guard.path, "")
        async with asyncio.TaskGroup() as tasks:
            pressed = [tasks.create_task(stopper.press(), name=f"press {n}") for n in range(100)]
        assert all(task.result().zero for task in pressed)
        assert len(guard.stops) == 2


async def test_nobody_gets_an_answer_from_before_the_press() -> None:
    begun, go = 0, threading.Semaphore(0)

    def work() -> int:
        nonlocal begun
        begun += 1
        mine = begun
        go.acquire()
        return mine

    together = Together(work)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(together(), name="first")
        while begun < 1:  # noqa: ASYNC110 - a thread counts
            await asyncio.sleep(0.001)
        during = [tasks.create_task(together(), name="during") for _ in range(3)]
        await asyncio.sleep(0.02)
        go.release()
        while begun < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        late = tasks.create_task(together(), name="late")
        await asyncio.sleep(0.02)
        for _ in range(5):
            go.release()
    assert first.result() == 1
    assert [task.result() for task in during] == [2, 2, 2]
    assert late.result() == 3


async def test_one_who_goes_away_leaves_the_others_their_answer() -> None:
    go = threading.Event()
    together = Together(lambda: go.wait(5))
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(together(), name="first")
        await asyncio.sleep(0.02)
        second = tasks.create_task(together(), name="second")
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.sleep(0.02)
        go.set()
    assert second.result() is True
