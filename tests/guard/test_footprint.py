"""What the guard costs: time to start, memory, threads; and that none of it grows."""

import contextlib
import gc
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nmesd.guard.interlock import State
from nmesd.guard.tally import Channel, Tally
from nmesd.realtime import fill_free_lists
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ZERO, Disarm, GuardState, Hello
from tests.guard.processes import GIVING, Child, Client

START_S = 0.2
RESIDENT_KB = 20_000
GROWTH_KB = 200


def status(child: Child, field: str) -> int:
    """A number of /proc/<pid>/status; kB where it is memory."""
    lines = Path(f"/proc/{child.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field + ":")).split()[1])


def bare_start_s() -> float:
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "import ctypes, socket, json"], check=True)
    return time.monotonic() - start


def test_it_starts_in_under_200_ms(folder: Path) -> None:
    """On a busy machine: in no more than three times what Python takes for nothing."""
    took, bare = [], []
    for n in range(5):
        bare.append(bare_start_s())
        (folder / str(n)).mkdir()
        start = time.monotonic()
        with contextlib.closing(Child(folder / str(n))):
            took.append(time.monotonic() - start)
        if min(took) < START_S:
            return
    assert min(took) < max(START_S, 3 * min(bare))


def test_it_is_under_20_mb_resident(child: Child) -> None:
    assert 5_000 < status(child, "VmRSS") < RESIDENT_KB


def test_its_memory_does_not_grow(child: Child) -> None:
    client = Client(child)
    client.arm()

    def turns(n: int) -> None:
        for k in range(n):
            client.lease(GIVING if k % 1000 < 500 else ZERO)
            time.sleep(0.001)
            child.read_pulses()
            while client.link.receive() is not None:
                pass

    turns(1500)  # each path once: where memory is not locked, it is touched only then
    before_kb = status(child, "RssAnon")  # files mapped are no growth
    turns(3000)
    assert client.drain().state == GuardState.ARMED
    assert status(child, "RssAnon") - before_kb < GROWTH_KB


def grown(filled: bool) -> int:
    """Blocks that an hour of trains leaves: of what the interlock replaces."""
    values = State(), Tally(), Channel()
    gc.collect()
    gc.disable()
    try:
        if filled:
            fill_free_lists(*values)
        before = sys.getallocatedblocks()
        for value in values:
            for _ in range(3000):
                value._replace()
        return sys.getallocatedblocks() - before
    finally:
        gc.enable()


def test_what_is_replaced_has_its_memory_from_the_beginning() -> None:
    assert grown(filled=False) > 3000  # what an hour would add
    assert grown(filled=True) < 50


def test_it_loads_nothing_it_does_not_need() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, nmesd.guard.__main__; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert not {"pathlib", "urllib", "difflib", "argparse", "logging"} & set(told.stdout.split())


def test_armings_and_new_engines_leave_no_thread_behind(child: Child) -> None:
    alone = status(child, "Threads")
    for _ in range(5):
        client = Client(child)
        client.arm()
        client.lease(ZERO)
        client.link.send(Disarm(7))
        client.until(GuardState.DISARMED)
        client.link.send(Hello(1, 1))
        client.drain()
        client.link.close()
        time.sleep(0.02)
    assert status(child, "Threads") <= alone + 1


@pytest.mark.parametrize("armed", [False, True])
def test_it_reports_at_every_tick(child: Child, *, armed: bool) -> None:
    client = Client(child)
    if armed:
        client.arm()
    client.drain()
    start_ns = time.monotonic_ns()
    reports = 0
    while time.monotonic_ns() < start_ns + NS_PER_S:
        if armed:
            client.lease(ZERO)
        client.next_report()
        reports += 1
    ticks = (time.monotonic_ns() - start_ns) / (5 * NS_PER_MS)
    assert 0.5 < reports / ticks < 1.1
