"""The lifeline: the guard hears of its engine's death, at once and once, and of nothing else."""

import ctypes
import errno
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmesd.wire import lifeline as module
from nmesd.wire.lifeline import Lifeline, Watch, held, hold

HOLDER = """
import sys
from nmesd.wire.lifeline import hold
print(hold(sys.argv[1]), flush=True)
sys.stdin.read()
"""
SOON_S = 10.0
OTHERS_BYTES = 256 * 1024  # a stack


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "life")


@pytest.fixture
def lifeline(path: str) -> Iterator[Lifeline]:
    lifeline = Lifeline(path)
    yield lifeline
    lifeline.close()
    for descriptor in (lifeline._told, lifeline._tell):
        os.close(descriptor)


class Holder:
    """An engine that holds it."""

    def __init__(self, path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()

    def dies(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def ends(self) -> None:
        self.process.communicate()


def told(lifeline: Watch, within_s: float = SOON_S) -> bool:
    return bool(select.select([lifeline], [], [], within_s)[0])


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def waits_no_more(lifeline: Lifeline) -> None:
    for _ in range(10_000):
        if not lifeline._waiting:
            return
        select.select([], [], [], 0.001)
    raise AssertionError


def test_a_death_is_told_once(lifeline: Lifeline, path: str) -> None:
    holder = Holder(path)
    assert holder.said == "True"
    lifeline.watch()
    assert not told(lifeline, 0.1)
    holder.dies()
    assert told(lifeline)
    lifeline.clear()
    assert not told(lifeline, 0.05)


def test_an_engine_that_ends_in_order_is_told_too_and_the_next_can_hold_it(
    lifeline: Lifeline, path: str
) -> None:
    holder = Holder(path)
    lifeline.watch()
    holder.ends()
    assert told(lifeline)
    lifeline.clear()
    after = Holder(path)
    after.dies()
    assert after.said == "True"


def test_each_engine_after_the_first_is_told_too(lifeline: Lifeline, path: str) -> None:
    for _ in range(3):
        holder = Holder(path)
        assert holder.said == "True"
        lifeline.watch()
        holder.dies()
        assert told(lifeline)
        lifeline.clear()
        waits_no_more(lifeline)


def test_without_a_holder_there_is_nothing_to_tell(lifeline: Lifeline) -> None:
    lifeline.watch()
    waits_no_more(lifeline)
    assert not told(lifeline, 0)


def test_the_threads_of_others_have_the_stack_they_had(lifeline: Lifeline) -> None:
    threading.stack_size(OTHERS_BYTES)
    lifeline.watch()
    assert threading.stack_size(0) == OTHERS_BYTES
    waits_no_more(lifeline)


def test_watching_twice_is_watching_once(lifeline: Lifeline, path: str) -> None:
    holder = Holder(path)
    before = threads()
    for _ in range(5):
        lifeline.watch()
    assert threads() == before + 1
    holder.dies()
    assert told(lifeline)
    lifeline.clear()
    assert not told(lifeline, 0.05)


def test_the_wait_tells_of_a_death_alone(lifeline: Lifeline, path: str) -> None:
    """As the waiting thread does it, here where coverage sees it."""
    lifeline._waiting = True
    lifeline._wait()
    assert not lifeline._waiting
    assert not told(lifeline, 0)
    Holder(path).dies()
    lifeline._wait()
    assert told(lifeline, 0)
    lifeline.clear()
    lifeline._wait()  # it is usable again: no second death
    assert not told(lifeline, 0)


def test_a_new_guard_makes_a_new_file_for_the_old_one_may_be_held(path: str) -> None:
    first = Lifeline(path)
    inode = Path(path).stat().st_ino
    holder = Holder(path)
    second = Lifeline(path)  # the first guard was killed
    assert Path(path).stat().st_ino != inode
    second.watch()
    waits_no_more(second)  # nobody holds the new one
    assert not told(second, 0)
    newer = Holder(path)
    second.watch()
    holder.dies()  # holds the old one, which nobody watches any more
    assert not told(second, 0.1)
    newer.dies()
    assert told(second)
    second.close()
    assert not Path(path).exists()
    for descriptor in (first._told, first._tell, second._told, second._tell):
        os.close(descriptor)


def test_its_file_is_for_owner_and_group_alone(lifeline: Lifeline, path: str) -> None:
    mode = Path(path).stat().st_mode & 0o777
    assert mode & 0o007 == 0
    assert mode & 0o600 == 0o600


def test_where_there_is_no_guard_there_is_nothing_to_hold(path: str) -> None:
    assert hold(path) is False


def test_holding_it_again_is_holding_it(lifeline: Lifeline, path: str) -> None:
    ours: list[bool] = []

    def engine() -> None:  # a thread: what it holds ends with it
        ours.extend((hold(path), hold(path)))

    thread = threading.Thread(target=engine)
    thread.start()
    thread.join()
    assert ours == [True, True]
    assert hold(path) is True
    assert sum(inode == Path(path).stat().st_ino for inode in module._held) == 1


def test_another_engine_s_lifeline_cannot_be_held(lifeline: Lifeline, path: str) -> None:
    holder = Holder(path)
    second = Holder(path)
    assert (holder.said, second.said) == ("True", "False")
    second.dies()
    lifeline.watch()
    assert not told(lifeline, 0.1)  # it held nothing
    holder.dies()
    assert told(lifeline)


def test_a_dead_engine_s_lifeline_can_be_held_by_the_next(lifeline: Lifeline, path: str) -> None:
    Holder(path).dies()  # while nobody watched
    after = Holder(path)
    assert after.said == "True"
    lifeline.watch()
    after.dies()
    assert told(lifeline)


def test_a_daemon_s_death_is_told_to_the_engine_that_watches_it() -> None:
    program = "import sys; from nmesd.wire.lifeline import held; print(held(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as daemon:
        assert daemon.stdout is not None
        descriptor = int(daemon.stdout.readline())
        watch = Watch(os.open(f"/proc/{daemon.pid}/fd/{descriptor}", os.O_RDWR))
        watch.watch()
        assert not told(watch, 0.1)
        daemon.send_signal(signal.SIGKILL)
        assert told(watch)
        watch.clear()
        assert not told(watch, 0.05)
    for one in (watch._told, watch._tell):
        os.close(one)


def test_what_a_thread_holds_ends_with_it() -> None:
    descriptors: list[int] = []
    thread = threading.Thread(target=lambda: descriptors.append(held()))
    thread.start()
    thread.join()
    watch = Watch(descriptors[0])
    watch.watch()
    assert told(watch)
    for one in (watch._told, watch._tell):
        os.close(one)


def test_a_system_without_robust_mutexes_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> int:
        return errno.ENOTSUP

    monkeypatch.setattr(module._libc, "pthread_mutex_init", refuses)
    with pytest.raises(OSError, match="no robust mutex on this system") as caught:
        Lifeline(path)
    assert caught.value.errno == errno.ENOTSUP


def test_memory_that_cannot_be_mapped_is_refused(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(OSError, match=r".") as caught:
        Watch(descriptor)
    assert caught.value.errno in (errno.ENODEV, errno.EACCES)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(descriptor)  # it is closed in any case


def test_a_mutex_of_this_system_fits_where_it_is_put() -> None:
    assert ctypes.sizeof(ctypes.c_void_p) * 6 <= module._BYTES  # 40 bytes on x86-64, 48 on arm64
