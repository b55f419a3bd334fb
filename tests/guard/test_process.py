"""The guard as it runs: a process of its own, real sockets, the simulated stimulator."""

import json
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nmesd.errors import Reason
from nmesd.guard.interlock import MAX_LEASE_NS
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
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
    Pulse,
    Report,
    Reset,
    Stop,
    is_zero,
    session_token,
)

SOON_NS = 5 * NS_PER_S  # far beyond what anything here takes
SETTINGS_HASH = 4711
PERIOD_NS = 25 * NS_PER_MS
GIVING: Output = (ChannelOutput(10_000, 250, PERIOD_NS // 1000), *ZERO[1:])

GUARD_TOML = """\
[stimulator]
driver = "sim"
port = "{folder}/p"
channels = [1]
[guard]
socket = "{folder}/g"
[limits]
amplitude_ma = 20
"""


class Child:
    """A guard process, a listener to its stimulator, and what it logged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listener = PulseListener(folder / "p")
        config = folder / "guard.toml"
        config.write_text(GUARD_TOML.format(folder=folder))
        self.pulses: list[Pulse] = []
        self.links: list[Link] = []
        self._command = [sys.executable, "-m", "nmesd.guard", str(config)]
        self.start()

    def start(self) -> None:
        self._log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(self._command, stderr=self._log)
        self.until(lambda: any(line["event"] == "guard ready" for line in self.log()))

    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def until(self, done: Callable[[], bool]) -> None:
        deadline_ns = time.monotonic_ns() + SOON_NS
        while not done():
            assert time.monotonic_ns() < deadline_ns, self.log()
            time.sleep(0.002)

    def connect(self) -> Link:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(str(self.folder / "g"))
        self.links.append(Link(sock))
        return self.links[-1]

    def read_pulses(self) -> list[Pulse]:
        self.pulses += self.listener.read_all()
        return self.pulses

    def given(self) -> list[Pulse]:
        return [pulse for pulse in self.read_pulses() if pulse.amplitude_ua]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self._log.close()
        return code

    def close(self) -> None:
        for link in self.links:
            link.close()
        self.process.kill()
        self.process.wait()
        self._log.close()
        self.listener.close()


class Client:
    """An engine, as far as the guard can tell."""

    def __init__(self, child: Child, *, hello: bool = True) -> None:
        self.child = child
        self.link = child.connect()
        self.report = self.next_report()
        self.session = self.expiry_ns = 0
        if hello:
            self.link.send(Hello(SETTINGS_HASH, 1))

    def next_report(self) -> Report:
        select.select([self.link], [], [], SOON_NS / NS_PER_S)
        received = self.link.receive()
        assert received is not None, "the guard closed the connection or is silent"
        assert isinstance(received.frame, Report)
        self.report = received.frame
        if self.report.trip_reason == Reason.GUARD_LATE and not self.report.real_time:
            pytest.skip(
                "no real-time rights, and the machine held the guard up: it tripped, rightly"
            )
        return self.report

    def until(self, state: GuardState) -> Report:
        deadline_ns = time.monotonic_ns() + SOON_NS
        while self.report.state != state:
            self.child.read_pulses()
            assert time.monotonic_ns() < deadline_ns, self.report
            self.next_report()
        return self.report

    def arm(self) -> None:
        frame = Arm(self.report.nonce, 7, self.report.limits_hash, SETTINGS_HASH)
        self.session = session_token(frame)
        self.link.send(frame)
        assert self.until(GuardState.ARMED).session == self.session

    def lease(self, output: Output = GIVING, *, ahead_ns: int = 80 * NS_PER_MS) -> None:
        """Far ahead: this test shares its processor with others, and has no rights of its own."""
        now_ns = time.monotonic_ns()
        on = not is_zero(output)
        self.expiry_ns = now_ns + ahead_ns
        self.link.send(Lease(self.session, self.expiry_ns, now_ns, now_ns, now_ns, 1, on, output))

    def give(self, seconds: float) -> None:
        end_ns = time.monotonic_ns() + round(seconds * NS_PER_S)
        while time.monotonic_ns() < end_ns:
            self.lease()
            time.sleep(0.005)
            self.child.read_pulses()  # the kernel queues ten datagrams (net.unix.max_dgram_qlen)
            while (received := self.link.receive()) is not None:
                assert isinstance(received.frame, Report)
                self.report = received.frame

    def drain(self) -> Report:
        """Every report there is, then a fresh one."""
        while (received := self.link.receive()) is not None:
            assert isinstance(received.frame, Report)
        return self.next_report()


def tripped(report: Report) -> Reason:
    assert report.state == GuardState.TRIPPED
    assert not report.output_on
    return Reason(report.trip_reason)


@pytest.fixture
def child() -> Iterator[Child]:
    folder = Path(tempfile.mkdtemp(prefix="ng", dir="/tmp"))  # a socket's path is short
    child = Child(folder)
    yield child
    child.close()
    shutil.rmtree(folder)


@pytest.fixture
def giving(child: Child) -> Client:
    """Armed, and pulses come."""
    client = Client(child)
    client.arm()
    deadline_ns = time.monotonic_ns() + SOON_NS
    while len(child.given()) < 3:
        client.give(0.02)
        assert time.monotonic_ns() < deadline_ns, child.log()
    return client


def silent_from_now(child: Child) -> None:
    """Nothing but zero comes from here on."""
    child.read_pulses()
    before = len(child.given())
    last = child.pulses[-1]
    assert last.amplitude_ua == 0
    time.sleep(3 * PERIOD_NS / NS_PER_S)
    assert len(child.given()) == before


def test_born_disarmed_and_silent(child: Child) -> None:
    report = Client(child).report
    assert (report.state, report.output_on, report.pulses) == (GuardState.DISARMED, 0, 0)
    assert report.simulated == 1
    assert child.given() == []
    assert child.pulses  # it commanded zero
    (ready,) = [line for line in child.log() if line["event"] == "guard ready"]
    assert ready["limits"] == {
        "amplitude_ua": 20_000,
        "pulse_width_us": 400,
        "rate_hz": 50,
        "channels": [1],
    }


def test_pulses_come_at_their_rate_while_leases_come(giving: Client) -> None:
    child = giving.child
    start = len(child.given())
    start_ns = time.monotonic_ns()
    giving.give(1.0)
    lasted_ns = time.monotonic_ns() - start_ns
    pulses = child.given()
    assert {(p.channel, p.amplitude_ua, p.pulse_width_us) for p in pulses} == {(0, 10_000, 250)}
    assert abs(len(pulses) - start - lasted_ns / PERIOD_NS) <= 2
    # On the raster within half a millisecond (drivers/pulses.py), and the write's own time.
    assert all(b.given_ns - a.given_ns > PERIOD_NS - 2 * NS_PER_MS for a, b in pairwise(pulses))
    giving.lease(ZERO)
    report = giving.drain()
    while report.output_on:
        report = giving.next_report()
    counted = len(child.given())
    assert (report.pulses, report.charge_pc) == (counted, counted * 10_000 * 250)
    assert report.first_sample_ns <= report.first_received_ns <= report.first_written_ns


def test_the_last_pulse_is_before_the_last_lease_s_end(giving: Client) -> None:
    giving.give(0.2)
    giving.lease()
    last_ns = giving.expiry_ns
    report = giving.until(GuardState.TRIPPED)
    assert tripped(report) is Reason.LEASE_EXPIRED
    silent_from_now(giving.child)
    slack_ns = 5 * NS_PER_MS if report.real_time else NS_PER_S
    given_ns = [pulse.given_ns for pulse in giving.child.given()]
    assert max(given_ns) < last_ns + slack_ns
    zero_ns = [
        p.given_ns for p in giving.child.pulses if not p.amplitude_ua and p.given_ns > max(given_ns)
    ]
    assert min(zero_ns) < last_ns + slack_ns
    assert 0 <= report.trip_value < slack_ns


def test_an_arming_that_no_lease_follows_ends(child: Child) -> None:
    client = Client(child)
    client.arm()
    armed_ns = time.monotonic_ns()
    assert tripped(client.until(GuardState.TRIPPED)) is Reason.LEASE_EXPIRED
    assert time.monotonic_ns() - armed_ns > MAX_LEASE_NS // 2
    assert child.given() == []


def test_an_engine_that_ends_is_found_and_latched_for_the_next(giving: Client) -> None:
    child = giving.child
    giving.link.close()
    child.until(lambda: any(line.get("reason") == "ENGINE_GONE" for line in child.log()))
    silent_from_now(child)
    client = Client(child)
    assert tripped(client.report) is Reason.ENGINE_GONE
    client.link.send(Arm(client.report.nonce, 7, client.report.limits_hash, SETTINGS_HASH))
    assert tripped(client.drain()) is Reason.ENGINE_GONE
    client.link.send(Reset(7))
    client.until(GuardState.DISARMED)
    client.arm()


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Beat(), Reason.FRAME_UNEXPECTED),
        (Stop(Reason.EMG_GAP, 5, 4), Reason.EMG_GAP),
        (Lease(1, 2**62, 0, 0, 0, 1, 1, GIVING), Reason.SESSION_MISMATCH),
        (Hello(SETTINGS_HASH, 1), Reason.FRAME_UNEXPECTED),
    ],
)
def test_a_wrong_frame_while_giving_stops(giving: Client, frame: Frame, reason: Reason) -> None:
    giving.link.send(frame)
    assert tripped(giving.until(GuardState.TRIPPED)) is reason
    silent_from_now(giving.child)


def test_an_expiry_before_all_time_stops_and_is_reported(giving: Client) -> None:
    giving.link.send(Lease(giving.session, -(2**63), 0, 0, 0, 1, 1, GIVING))
    assert tripped(giving.until(GuardState.TRIPPED)) is Reason.FRAME_OLD
    assert tripped(giving.drain()) is Reason.FRAME_OLD
    silent_from_now(giving.child)


def test_over_a_limit_stops_and_says_by_how_much(giving: Client) -> None:
    giving.lease((GIVING[0]._replace(amplitude_ua=20_001), *ZERO[1:]))
    report = giving.until(GuardState.TRIPPED)
    assert tripped(report) is Reason.LIMIT_AMPLITUDE
    assert (report.trip_value, report.trip_limit, report.trip_channel) == (20_001, 20_000, 0)
    silent_from_now(giving.child)
    assert max(pulse.amplitude_ua for pulse in giving.child.given()) == 10_000


def test_bytes_that_are_no_frame_stop(giving: Client) -> None:
    giving.link._socket.send(b"rubbish")
    assert tripped(giving.until(GuardState.TRIPPED)) is Reason.FRAME_BAD
    silent_from_now(giving.child)
    events = [line["event"] for line in giving.child.log()]
    assert events.index("bad frame") > len(events) - 3
    assert events[-2:] == ["guard state", "bad frame"]  # zero first, then words


def test_a_lost_frame_stops(giving: Client) -> None:
    giving.link._sent += 1
    giving.lease()
    report = giving.until(GuardState.TRIPPED)
    assert tripped(report) is Reason.FRAME_SEQUENCE
    assert report.trip_value == report.trip_limit + 1


def test_a_second_client_is_sent_away_and_the_first_does_not_notice(giving: Client) -> None:
    other = giving.child.connect()
    deadline_ns = time.monotonic_ns() + SOON_NS
    while not other.closed:
        giving.give(0.02)
        assert other.receive() is None
        assert time.monotonic_ns() < deadline_ns
    before = len(giving.child.given())
    giving.give(0.3)
    assert len(giving.child.given()) > before + 5
    assert giving.report.state == GuardState.ARMED


def test_anybody_at_the_door_can_stop(giving: Client) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", str(giving.child.folder / "g.stop"))
    assert tripped(giving.until(GuardState.TRIPPED)) is Reason.OPERATOR_STOP
    silent_from_now(giving.child)


def test_a_disarm_ends_in_order(giving: Client) -> None:
    giving.link.send(Disarm(7))
    report = giving.until(GuardState.DISARMED)
    assert (report.output_on, report.session) == (0, 0)
    silent_from_now(giving.child)


def test_sigterm_while_giving_sends_zero_and_ends_well(giving: Client) -> None:
    child = giving.child
    assert child.end() == 0
    silent_from_now(child)
    report = giving.report
    while (received := giving.link.receive()) is not None:
        assert isinstance(received.frame, Report)
        report = received.frame
    assert tripped(report) is Reason.GUARD_SHUTDOWN
    assert giving.link.closed
    assert not (child.folder / "g").exists()
    assert not (child.folder / "g.stop").exists()


def test_a_guard_started_anew_is_disarmed_and_knows_no_old_session(giving: Client) -> None:
    child = giving.child
    child.process.kill()  # not even time for a zero
    child.process.wait()
    child._log.close()
    nonce, given = giving.report.nonce, len(child.given())
    child.start()
    client = Client(child)
    assert client.report.state == GuardState.DISARMED
    assert client.report.nonce != nonce
    client.link.send(Arm(nonce, 7, client.report.limits_hash, SETTINGS_HASH))
    assert tripped(client.until(GuardState.TRIPPED)) is Reason.SESSION_MISMATCH
    assert len(child.given()) == given


def test_a_bad_config_ends_with_words_and_no_socket(tmp_path: Path) -> None:
    config = tmp_path / "guard.toml"
    config.write_text("[guard]\n")
    command = [sys.executable, "-m", "nmesd.guard", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["event"] == "guard cannot start"
    assert str(config) in json.loads(line)["error"]


def test_a_socket_that_cannot_be_made_ends_with_words(tmp_path: Path) -> None:
    config = tmp_path / "guard.toml"
    config.write_text(GUARD_TOML.format(folder="/nowhere"))
    command = [sys.executable, "-m", "nmesd.guard", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "/nowhere/g: cannot be made" in done.stderr


def test_a_second_guard_at_the_same_socket_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "g"
    config = tmp_path / "guard.toml"
    config.write_text(GUARD_TOML.format(folder=tmp_path))
    command = [sys.executable, "-m", "nmesd.guard", str(config)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first:
        first.bind(str(taken))
        first.listen(1)
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2
        assert "another guard is running" in done.stderr
        assert taken.exists()
