"""The bench that measures is itself measured: judging, figures, the proxy."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.campaign.cycle import NO_TRIP, Result, figures, judge
from bench.campaign.devices import DEVICES
from bench.campaign.faults import faults_of
from bench.campaign.run import Queue
from bench.campaign.table import as_json, markdown
from nmesd.sim.witness import Stall
from nmesd.units import NS_PER_MS
from nmesd.wire import ZERO, Arm, ChannelOutput, Lease, Pulse, decode, encode

FAULTS = faults_of("sim")
ON = (ChannelOutput(20_000, 250, 10_000), *ZERO[1:])


class Stalls:
    """A witness that saw what it is told."""

    def __init__(self, *stalls: Stall) -> None:
        self.seen = stalls

    def stalls(self, from_ns: int, to_ns: int) -> list[Stall]:
        return [s for s in self.seen if s.from_ns <= to_ns and s.to_ns >= from_ns]


def pulses(*at_ms: float) -> list[Pulse]:
    return [Pulse(int(at * NS_PER_MS), 0, 20_000, 250) for at in at_ms]


def judged(given: list[Pulse], *trips: str, stalls: tuple[Stall, ...] = ()) -> Any:
    return judge(given, 100 * NS_PER_MS, 25.0, trips, Stalls(*stalls))  # type: ignore[arg-type]


def test_what_comes_before_the_fault_is_no_matter() -> None:
    assert judged(pulses(80, 90, 100), "LEASE_EXPIRED") == (0.0, 0, "LEASE_EXPIRED", False)


def test_a_survivor_is_later_than_the_bound() -> None:
    cycle = judged(pulses(90, 110, 125, 126, 400))
    assert cycle == (300.0, 2, NO_TRIP, False)


def test_a_zero_command_is_no_pulse() -> None:
    assert judged([*pulses(90), Pulse(200 * NS_PER_MS, 0, 0, 0)]).last_pulse_ms == 0


@pytest.mark.parametrize(("long_ms", "stalled"), [(2, False), (4, True)])
def test_a_stall_of_the_machine_is_told(long_ms: int, stalled: bool) -> None:
    stall = Stall(0, 105 * NS_PER_MS, (105 + long_ms) * NS_PER_MS)
    assert judged(pulses(90, 110), stalls=(stall,)).stalled == stalled


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], (None, None, None)), ([3.0], (3, 3, 3)), (list(range(1, 101)), (50, 99, 100))],
)
def test_figures_are_by_nearest_rank(values: list[float], expected: tuple[Any, ...]) -> None:
    assert figures(values) == expected


def test_a_rig_takes_the_faults_of_its_setup_first() -> None:
    killed, dropped, frozen = (
        FAULTS[n] for n in ("engine_killed", "frame_dropped", "engine_frozen")
    )
    queue = Queue([killed, dropped, frozen])
    assert queue.take(None) is killed
    assert queue.take(killed.setup) is frozen
    assert queue.take(frozen.setup) is dropped
    assert queue.take(dropped.setup) is None


def test_the_results_are_told_whole() -> None:
    result = Result(FAULTS["frame_dropped"], [judged(pulses(90, 104), "FRAME_SEQUENCE")])
    (row,) = json.loads(as_json([result.as_json()]))
    assert (row["n"], row["survivors"], row["p99_ms"], row["met"]) == (1, 0, 4.0, False)
    assert (
        "| sim | frame_dropped | 1 | 0 | 4.0 / 4.0 / 4.0 | 1 | no | FRAME_SEQUENCE 1 |"
        in markdown([result.as_json()])
    )


def test_no_fault_may_be_seen_later_than_its_train_lasts() -> None:
    for device in DEVICES:
        for fault in faults_of(device).values():
            assert fault.budget_ms / 1000 < fault.setup.train_s, (device, fault.name)


class Middle:
    """A proxy between two ends that are ours."""

    def __init__(self, folder: Path) -> None:
        self.guard = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.guard.bind(str(folder / "guard"))
        self.guard.listen(1)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.campaign.proxy"),
                *(str(folder / "proxy"), str(folder / "guard")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.event() == "ready"
        self.engine = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.engine.connect(str(folder / "proxy"))
        self.server, _ = self.guard.accept()
        self.server.settimeout(10)
        self.sequence = 0

    def event(self) -> str:
        assert self.process.stdout
        return str(json.loads(self.process.stdout.readline())["event"])

    def order(self, **order: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        time.sleep(0.2)  # it has been read

    def send(self, output: Any = ON) -> bytes:
        self.sequence += 1
        now_ns = time.monotonic_ns()
        lease = Lease(7, now_ns + 20 * NS_PER_MS, now_ns, now_ns, now_ns, 1, output is ON, output)
        data = encode(lease, self.sequence, now_ns)
        self.engine.send(data)
        return data

    def passed(self) -> bytes:
        return self.server.recv(65_536)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        for end in (self.engine, self.server, self.guard):
            end.close()


@pytest.fixture
def middle(tmp_path: Path) -> Iterator[Middle]:
    middle = Middle(tmp_path)
    yield middle
    middle.close()


def test_the_proxy_passes_on_unchanged(middle: Middle) -> None:
    arm = encode(Arm(1, 2, 3, 4), 1, 0)
    middle.engine.send(arm)
    assert middle.passed() == arm
    assert middle.event() == "arm"
    sent = middle.send(ZERO)
    assert middle.passed() == sent
    sent = middle.send()
    assert middle.passed() == sent
    assert middle.event() == "on"
    middle.server.send(b"report")
    assert middle.engine.recv(100) == b"report"


def test_the_proxy_spoils_one_lease_with_output_and_no_other(middle: Middle) -> None:
    middle.order(order="output", channels=[[1, 5, 6, 7]])
    sent = middle.send(ZERO)
    assert middle.passed() == sent
    middle.send()
    spoiled = decode(middle.passed())
    assert spoiled.sequence == 2
    assert isinstance(spoiled.frame, Lease)
    assert spoiled.frame.output[1] == ChannelOutput(5, 6, 7)
    assert spoiled.frame.output[0] == ChannelOutput()
    sent = middle.send()
    assert middle.passed() == sent
    assert [middle.event(), middle.event()] == ["on", "fault"]


@pytest.mark.parametrize(
    ("order", "order_of_frames"),
    [("drop", [2, 3]), ("repeat", [1, 1, 2, 3]), ("swap", [2, 1, 3])],
)
def test_the_proxy_loses_repeats_and_swaps(
    middle: Middle, order: str, order_of_frames: list[int]
) -> None:
    middle.order(order=order)
    for _ in range(3):
        middle.send()
    assert [decode(middle.passed()).sequence for _ in order_of_frames] == order_of_frames


def test_the_end_of_one_side_is_the_end_of_the_other(middle: Middle) -> None:
    middle.engine.close()
    assert middle.passed() == b""
