"""An engine that dies or freezes, and a guard that is frozen: real processes, real signals."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from nmesd.errors import Reason
from nmesd.units import NS_PER_MS
from nmesd.wire import GuardState, Hello, Reset
from tests.guard.processes import SETTINGS_HASH, Child, Client, silent_from_now, tripped

# The connection is inherited, so that its other end, which the test keeps, outlives the engine.
ENGINE = """
import socket, sys, time
from nmesd.wire import Arm, Hello, Lease, Link, ChannelOutput, Report, ZERO, session_token
from nmesd.wire.lifeline import hold
path, descriptor, holds = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "holds"
link = Link(socket.socket(fileno=descriptor))
if holds:
    assert hold(path + ".life")
report = None
while not isinstance(report, Report):
    received = link.receive()
    report = received and received.frame
link.send(Hello(4711, 1))
arm = Arm(report.nonce, 7, report.limits_hash, 4711)
link.send(arm)
output = (ChannelOutput(10_000, 250, 25_000), *ZERO[1:])
for n in range(1_000_000):
    now_ns = time.monotonic_ns()
    link.send(Lease(session_token(arm), now_ns + 95_000_000, now_ns, now_ns, now_ns, 1, 1, output))
    while link.receive() is not None:
        pass
    if n == 20:
        print("gives", flush=True)
    time.sleep(0.002)
"""


class Engine:
    """A process that arms and gives."""

    def __init__(self, child: Child, *, holds: bool, shared: bool) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(str(child.folder / "g"))
        descriptor = self.sock.fileno()
        how = "holds" if holds else "does not"
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENGINE, str(child.folder / "g"), str(descriptor), how],
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            text=True,
        )
        if not shared:
            self.sock.close()
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "gives\n"

    def dies(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.communicate()

    def close(self) -> None:
        self.dies()
        self.sock.close()


def trip_of(child: Child) -> str:
    child.until(lambda: any(line.get("after") == "TRIPPED" for line in child.log()))
    reasons = [line["reason"] for line in child.log() if line.get("after") == "TRIPPED"]
    return str(reasons[0])


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    engines: list[Engine] = []
    yield engines
    for engine in engines:
        engine.close()


@pytest.mark.parametrize(
    ("holds", "shared", "reason"),
    [
        (True, True, "ENGINE_GONE"),
        (True, False, "ENGINE_GONE"),
        (False, False, "ENGINE_GONE"),
        (False, True, "LEASE_EXPIRED"),
    ],
    ids=["by its lifeline alone", "by both", "by its connection alone", "by neither"],
)
def test_a_killed_engine_is_noticed(
    child: Child, engines: list[Engine], *, holds: bool, shared: bool, reason: str
) -> None:
    engines.append(Engine(child, holds=holds, shared=shared))
    engines[0].dies()
    assert trip_of(child) in (reason, "MACHINE_STALLED")
    silent_from_now(child)


def test_a_frozen_engine_is_noticed_by_its_lease(child: Child, engines: list[Engine]) -> None:
    engines.append(Engine(child, holds=True, shared=False))
    engines[0].process.send_signal(signal.SIGSTOP)
    assert trip_of(child) in ("LEASE_EXPIRED", "MACHINE_STALLED")
    silent_from_now(child)


def test_a_second_engine_s_lifeline_works_after_the_first_was_killed(
    child: Child, engines: list[Engine]
) -> None:
    engines.append(Engine(child, holds=True, shared=False))
    engines[0].dies()
    assert trip_of(child) in ("ENGINE_GONE", "MACHINE_STALLED")
    client = Client(child, hello=False)
    client.link.send(Hello(SETTINGS_HASH, 1))
    client.link.send(Reset(7))
    client.until(GuardState.DISARMED)
    client.link.close()
    time.sleep(0.3)  # a rest
    engines.append(Engine(child, holds=True, shared=True))
    engines[1].dies()
    child.until(lambda: sum(line.get("after") == "TRIPPED" for line in child.log()) == 2)
    assert child.log()[-1]["reason"] in ("ENGINE_GONE", "MACHINE_STALLED")


@pytest.mark.parametrize("speaks", [False, True], ids=["silent engine", "engine that speaks"])
def test_a_frozen_guard_says_so_when_it_comes_back(giving: Client, *, speaks: bool) -> None:
    child = giving.child
    giving.may_be_late = True
    giving.lease()
    time.sleep(0.02)  # it is read
    child.process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    if speaks:
        giving.lease()
    child.process.send_signal(signal.SIGCONT)
    report = giving.until(GuardState.TRIPPED)
    # where it was stopped outside its wait, all it sees is that the lease is over
    wanted = Reason.GUARD_LATE if speaks else Reason.MACHINE_STALLED
    assert tripped(report) in (wanted, Reason.LEASE_EXPIRED)
    assert report.trip_value > 50 * NS_PER_MS
    silent_from_now(child)
