"""The engine's side of the connection: against a peer with a real Link, and a real guard."""

import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nmesd.engine.guard_link import RETRY_NS, GuardLink
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    ANY,
    ZERO,
    Arm,
    Beat,
    ChannelOutput,
    Disarm,
    Frame,
    GuardState,
    Hello,
    Lease,
    Link,
    Output,
    Received,
    Report,
    Reset,
    Stop,
    is_zero,
    session_token,
)
from nmesd.wire.lifeline import Lifeline

SETTINGS_HASH = 4711
NOW = 10**12
SOON_S = 5
SOON_NS = SOON_S * NS_PER_S
GIVING: Output = (ChannelOutput(5_000, 250, 25_000), *ZERO[1:])
DISARMED = Report(GuardState.DISARMED, 5, 6, *[0] * 16)


class Peer:
    """The other end: takes what comes and says what it is told to."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.link: Link | None = None
        self.device = ANY

    def accept(self) -> Link:
        if self.link is not None:
            self.link.close()
        self.listener.settimeout(5)
        self.link = Link(self.listener.accept()[0])
        assert self.link.send(self.device)
        return self.link

    def heard(self) -> list[Received]:
        assert self.link is not None
        frames = []
        while (received := self.link.receive()) is not None:
            frames.append(received)
        return frames

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
        self.listener.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nl", dir="/tmp"))  # a socket's path is short
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def link(folder: Path) -> Iterator[GuardLink]:
    link = GuardLink(str(folder / "g"), SETTINGS_HASH)
    yield link
    link.close()


@pytest.fixture
def peer(folder: Path, link: GuardLink) -> Iterator[Peer]:
    """Connected, greeted, and the first report has come."""
    peer = Peer(folder / "g")
    link.connect(NOW)
    peer.accept()
    assert [r.frame for r in peer.heard()] == [Hello(SETTINGS_HASH, os.getpid())]
    tell(peer, DISARMED)
    assert list(link.reports()) == [DISARMED]
    yield peer
    peer.close()


def is_connected(link: GuardLink) -> bool:
    """A call, so that mypy does not think it stays as it was."""
    return link.connected


def knows_device(link: GuardLink) -> bool:
    """Likewise."""
    return link.device == ANY


def tell(peer: Peer, *frames: Frame) -> None:
    assert peer.link is not None
    for frame in frames:
        assert peer.link.send(frame)


def lease(link: GuardLink, output: Output, now_ns: int, expiry_ns: int = 0) -> None:
    link.lease(
        output,
        expiry_ns or now_ns,
        now_ns,
        now_ns,
        now_ns,
        believes_armed=True,
        believes_output=not is_zero(output),
    )


def only(peer: Peer) -> Frame:
    (received,) = peer.heard()
    return received.frame


def test_without_a_guard_it_asks_now_and_then_and_never_raises(
    folder: Path, link: GuardLink
) -> None:
    link.connect(NOW)
    assert not is_connected(link)
    for now_ns in (NOW, NOW + RETRY_NS):
        link.arm(7)
        lease(link, GIVING, now_ns)
        link.disarm(7)
        link.stop(Reason.EMG_GAP, 1, 2)
        link.reset(7)
        assert list(link.reports()) == []
    assert (link.session, link.sequence, link.report) == (0, 0, None)
    peer = Peer(folder / "g")
    link.connect(NOW + RETRY_NS - 1)  # too early to ask again
    assert not is_connected(link)
    link.connect(NOW + RETRY_NS)
    assert is_connected(link)
    peer.close()


def test_frames_are_numbered_from_one(peer: Peer, link: GuardLink) -> None:
    link.disarm(7)
    link.reset(8)
    link.stop(Reason.EMG_GAP, 1, 2)
    sent = peer.heard()
    assert [(r.sequence, r.frame) for r in sent] == [
        (2, Disarm(7)),
        (3, Reset(8)),
        (4, Stop(Reason.EMG_GAP, 1, 2)),
    ]
    assert link.sequence == 4


def test_an_arm_echoes_the_latest_report_and_its_session_is_the_guard_s(
    peer: Peer, link: GuardLink
) -> None:
    tell(peer, Report(GuardState.DISARMED, 55, 66, *[0] * 16))
    list(link.reports())
    link.arm(7)
    arm = only(peer)
    assert arm == Arm(55, 7, 66, SETTINGS_HASH)
    assert link.session == session_token(Arm(55, 7, 66, SETTINGS_HASH))


def test_before_a_report_there_is_nothing_to_arm_with(folder: Path, link: GuardLink) -> None:
    peer = Peer(folder / "g")
    link.connect(NOW)
    peer.accept()
    link.arm(7)
    assert [type(r.frame) for r in peer.heard()] == [Hello]
    assert link.session == 0
    peer.close()


@pytest.mark.parametrize("output", [ZERO, GIVING])
@pytest.mark.parametrize("armed", [False, True])
@pytest.mark.parametrize("on", [False, True])
def test_a_lease_says_what_it_is_told_to_believe(
    peer: Peer, link: GuardLink, output: Output, armed: bool, on: bool
) -> None:
    """Not what the output looks like: a disagreement is the guard's to find."""
    link.arm(7)
    peer.heard()
    link.lease(output, 50, 10, 20, 30, believes_armed=armed, believes_output=on)
    assert only(peer) == Lease(link.session, 50, 10, 20, 30, armed, on, output)


def test_a_disarm_without_an_operator_is_nobody_s(peer: Peer, link: GuardLink) -> None:
    link.disarm()
    assert only(peer) == Disarm(0)


HOLDER = """
import sys, time
from nmesd.engine.guard_link import GuardLink
link = GuardLink(sys.argv[1], 1)
link.connect(10**12)
time.sleep(60)
"""


def test_the_guard_is_told_at_once_of_its_death_by_the_lifeline(folder: Path) -> None:
    """Held before Hello: whoever has greeted is held to it."""
    lifeline = Lifeline(str(folder / "g.life"))
    peer = Peer(folder / "g")
    engine = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder / "g")])
    try:
        link = peer.accept()
        assert select.select([link], [], [], SOON_S)[0]
        assert isinstance(only(peer), Hello)
        lifeline.watch()
        assert select.select([lifeline], [], [], 0.1)[0] == []
        engine.kill()
        assert select.select([lifeline], [], [], SOON_S)[0] == [lifeline]
    finally:
        engine.kill()
        engine.wait()
        peer.close()
        lifeline.close()


@pytest.mark.parametrize(
    "end",
    [
        lambda link: link.disarm(7),
        lambda link: link.stop(Reason.EMG_GAP, 1, 2),
        lambda link: link.close(),
    ],
)
def test_the_session_ends_with_disarm_stop_and_close(
    peer: Peer, link: GuardLink, end: Callable[[GuardLink], None]
) -> None:
    link.arm(7)
    assert link.session
    end(link)
    assert link.session == 0


def test_reports_come_oldest_first_and_the_latest_is_kept(peer: Peer, link: GuardLink) -> None:
    reports = [Report(GuardState.DISARMED, n, 6, *[0] * 16) for n in range(4)]
    tell(peer, *reports)
    assert list(link.reports()) == reports
    assert link.report == reports[-1]
    assert list(link.reports()) == []
    assert is_connected(link)


def test_what_the_stimulator_can_is_known_as_long_as_its_guard_is_there(
    peer: Peer, link: GuardLink
) -> None:
    assert knows_device(link)
    hang_up(peer)
    assert list(link.reports()) == []
    assert not knows_device(link)
    peer.device = ANY._replace(channels=4)
    link.connect(NOW + RETRY_NS)
    peer.accept()
    assert list(link.reports()) == []
    assert link.device == ANY._replace(channels=4)


def test_a_guard_that_says_it_twice_or_not_first_is_not_believed(
    peer: Peer, link: GuardLink
) -> None:
    tell(peer, ANY)
    assert list(link.reports()) == []
    assert not is_connected(link)
    link.connect(NOW + RETRY_NS)
    peer.listener.settimeout(5)
    hang_up(peer)
    peer.link = Link(peer.listener.accept()[0])
    tell(peer, DISARMED)
    assert list(link.reports()) == []
    assert not is_connected(link)


def skip_one(peer: Peer) -> None:
    assert peer.link is not None
    peer.link._sent += 1
    tell(peer, DISARMED)


def repeat_one(peer: Peer) -> None:
    assert peer.link is not None
    peer.link._sent -= 1
    tell(peer, DISARMED)


def send_rubbish(peer: Peer) -> None:
    assert peer.link is not None
    peer.link._socket.send(b"rubbish")


def hang_up(peer: Peer) -> None:
    assert peer.link is not None
    peer.link.close()


@pytest.mark.parametrize(
    "fault", [skip_one, repeat_one, send_rubbish, lambda peer: tell(peer, Beat()), hang_up]
)
def test_a_fault_ends_the_connection_and_a_new_one_starts_afresh(
    peer: Peer, link: GuardLink, fault: Callable[[Peer], None]
) -> None:
    link.arm(7)
    fault(peer)
    assert list(link.reports()) == []
    assert not is_connected(link)
    assert (link.report, link.session) == (None, 0)
    link.connect(NOW + RETRY_NS)
    assert is_connected(link)
    peer.accept()
    (hello,) = peer.heard()
    assert (hello.sequence, hello.frame) == (1, Hello(SETTINGS_HASH, os.getpid()))
    tell(peer, DISARMED)
    assert list(link.reports()) == [DISARMED]


def test_what_was_told_before_the_end_is_heard(peer: Peer, link: GuardLink) -> None:
    tell(peer, DISARMED)
    hang_up(peer)
    assert list(link.reports()) == [DISARMED]
    assert not is_connected(link)


# ---- a real guard -----------------------------------------------------------------------------

GUARD_TOML = """\
[stimulator]
driver = "null"
level = "full"
port = "none"
channels = [1]
[electrodes]
area_cm2 = 25
[guard]
socket = "{folder}/g"
"""


@pytest.fixture
def guard(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    config = folder / "guard.toml"
    config.write_text(GUARD_TOML.format(folder=folder))
    command = [sys.executable, "-m", "nmesd.guard", str(config)]
    guard = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    yield guard
    guard.kill()
    guard.wait()


def wait_for(link: GuardLink, done: Callable[[], bool]) -> None:
    deadline_ns = time.monotonic_ns() + SOON_NS
    while not done():
        now_ns = time.monotonic_ns()
        assert now_ns < deadline_ns, link.report
        link.connect(now_ns)
        list(link.reports())
        time.sleep(0.002)


def state(link: GuardLink) -> int | None:
    return link.report.state if link.report else None


def test_a_real_guard_arms_gives_disarms_trips_and_resets(
    guard: subprocess.Popen[bytes], link: GuardLink
) -> None:
    wait_for(link, lambda: state(link) == GuardState.DISARMED)
    link.arm(7)
    wait_for(link, lambda: state(link) == GuardState.ARMED)
    assert link.report is not None
    assert link.report.session == link.session

    def pulses_came() -> bool:
        now_ns = time.monotonic_ns()
        lease(link, GIVING, now_ns, now_ns + 80 * NS_PER_MS)
        return link.report is not None and link.report.pulses >= 3

    wait_for(link, pulses_came)
    link.disarm(7)
    wait_for(link, lambda: state(link) == GuardState.DISARMED)
    assert link.report.trip_reason == Reason.NONE

    link.arm(7)
    wait_for(link, lambda: state(link) == GuardState.TRIPPED)  # no lease follows
    assert link.report.trip_reason == Reason.LEASE_EXPIRED
    sequence = link.sequence
    link.reset(7)
    wait_for(link, lambda: state(link) == GuardState.DISARMED)
    assert link.report.ack_sequence == sequence + 1


def test_a_real_guard_that_dies_is_missed_at_once(
    guard: subprocess.Popen[bytes], link: GuardLink
) -> None:
    wait_for(link, lambda: link.report is not None)
    link.arm(7)
    guard.kill()
    guard.wait()
    link_is_gone = list(link.reports())
    assert all(isinstance(report, Report) for report in link_is_gone)
    assert not is_connected(link)
    assert link.session == 0


def test_connecting_to_a_guard_that_is_taken_comes_to_nothing(
    guard: subprocess.Popen[bytes], folder: Path, link: GuardLink
) -> None:
    wait_for(link, lambda: link.report is not None)
    second = GuardLink(str(folder / "g"), SETTINGS_HASH)
    second.connect(NOW)
    assert is_connected(second)  # as far as it knows
    assert second._link is not None
    select.select([second._link], [], [], 5)
    assert list(second.reports()) == []
    assert not is_connected(second)
    wait_for(link, lambda: state(link) == GuardState.DISARMED)
