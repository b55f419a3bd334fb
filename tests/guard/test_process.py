"""The guard as it runs: a process of its own, real sockets, the simulated stimulator."""

import json
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from nmesd.errors import Reason
from nmesd.guard.interlock import MAX_LEASE_NS
from nmesd.guard.limits import Limits
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    ZERO,
    Arm,
    Beat,
    Disarm,
    Frame,
    GuardState,
    Hello,
    Lease,
    Reset,
    Stop,
)
from tests.guard.processes import (
    GIVING,
    GUARD_TOML,
    PERIOD_NS,
    SETTINGS_HASH,
    SOON_NS,
    Child,
    Client,
    silent_from_now,
    tripped,
)


def test_born_disarmed_and_silent(child: Child) -> None:
    report = Client(child).report
    assert (report.state, report.output_on, report.pulses) == (GuardState.DISARMED, 0, 0)
    assert report.simulated == 1
    assert child.given() == []
    assert child.pulses  # it commanded zero
    (ready,) = [line for line in child.log() if line["event"] == "guard ready"]
    assert ready["limits"]["amplitude_ua"] == 20_000
    assert ready["limits"]["channels"] == [0]
    assert set(ready["limits"]) == set(Limits._fields)


def test_pulses_come_at_their_rate_while_leases_come(giving: Client) -> None:
    child = giving.child
    start = giving.drain().pulses
    start_ns = time.monotonic_ns()
    giving.give(1.0)
    given, lasted_ns = giving.drain().pulses - start, time.monotonic_ns() - start_ns
    pulses = child.given()
    assert {(p.channel, p.amplitude_ua, p.pulse_width_us) for p in pulses} == {(0, 10_000, 250)}
    # By its own count: datagrams are lost when this test is held up (the kernel queues ten).
    assert abs(given - lasted_ns / PERIOD_NS) <= 2
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
    for last in giving.reports():
        report = last
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
    assert "/nowhere/g: " in done.stderr


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
