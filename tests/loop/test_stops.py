"""Every way a train ends early: the last pulse comes within lease + 5 ms, and the reason is kept.

A few times; the campaign of many repetitions is in bench/.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nmesd.units import NS_PER_MS, NS_PER_S, ms

LEASE_MS = 20
WITHIN_NS = (LEASE_MS + 5) * NS_PER_MS
PERIOD_NS = NS_PER_S // 35
QUIET_S = 0.4

LONG = {"plateau_s": 2.0, "hold_off_s": 0.3, "relax_s": 0.2}
TRYING = {
    "first_attempt_s": 1.0,
    "interval_s": 1.6,
    "interval_jitter_s": 0.1,
    "duration_s": 1.0,
    "duration_jitter_s": 0.1,
    "defer_after_pulse_s": 1.0,
}


def start(make_bench: Callable[..., Any]) -> Any:
    bench = make_bench(train=LONG, guard={"lease_ms": LEASE_MS})
    bench.patient(**TRYING)
    return bench


@pytest.fixture(scope="module")
def shared(make_bench: Callable[..., Any]) -> Any:
    return start(make_bench)


@pytest.fixture
def in_train(shared: Any) -> Iterator[Any]:
    """A bench in the middle of a train."""
    yield to_mid_train(shared)
    if shared.rig.status()["state"] == "TRIPPED":
        assert shared.rig.ask("reset", operator="test")["ok"]
    shared.rig.ask("disarm")


def to_mid_train(bench: Any) -> Any:
    bench.rig.arm("test")
    bench.rig.wait_for("STIMULATING")
    before = len(bench.rig.currents())
    bench.until(lambda: len(bench.rig.currents()) >= before + 10, "pulses")
    return bench


def guard_trip(bench: Any) -> str | None:
    """The reason the guard keeps, from its own log: None while it is not tripped."""
    lines = (bench.rig.folder / "nmesd.guard.log").read_text().splitlines()
    changes = [json.loads(line) for line in lines if '"guard state"' in line]
    last = changes[-1]
    return last["reason"] if last["after"] == "TRIPPED" else None


def ended_in_time(bench: Any, fault_ns: int, within_ns: int = WITHIN_NS) -> None:
    """Pulses until the fault, none later than `within_ns` after it, and none for a while."""
    time.sleep(QUIET_S + within_ns / NS_PER_S)
    given_ns = [pulse.given_ns for pulse in bench.rig.currents()]
    assert max(t for t in given_ns if t <= fault_ns) > fault_ns - 2 * PERIOD_NS, "not in mid-train"
    late_ns = max(given_ns) - fault_ns
    assert late_ns <= within_ns, f"last pulse {ms(late_ns):.1f} ms after"
    assert bench.rig.zeroed_ns(fault_ns) is not None  # and zero was commanded, not only waited for


@pytest.mark.slow
@pytest.mark.parametrize("repetition", [1, 2])
@pytest.mark.parametrize(
    ("number", "reasons"),
    [
        (signal.SIGSTOP, {"LEASE_EXPIRED"}),
        (signal.SIGKILL, {"ENGINE_GONE", "LEASE_EXPIRED"}),
    ],
    ids=["frozen", "killed"],
)
def test_engine(repetition: int, number: int, reasons: set[str], in_train: Any) -> None:
    rig = in_train.rig
    pid = rig.status()["engine_pid"]
    fault_ns = time.monotonic_ns()
    os.kill(pid, number)
    ended_in_time(in_train, fault_ns)
    assert guard_trip(in_train) in reasons
    if number == signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)  # it comes back, and believes to be armed
    state = rig.wait_for("TRIPPED")  # for SIGKILL: the next engine, before the guard's trip
    assert state["trip_reason"] in reasons
    ended_in_time(in_train, fault_ns)


@pytest.mark.slow
def test_stop_straight_at_the_guard(in_train: Any) -> None:
    asked_ns = time.monotonic_ns()
    in_train.rig.stop()
    ended_in_time(in_train, asked_ns)
    assert guard_trip(in_train) == "OPERATOR_STOP"
    assert in_train.rig.wait_for("TRIPPED")["trip_reason"] == "OPERATOR_STOP"


@pytest.mark.slow
def test_stop_through_the_daemon(in_train: Any) -> None:
    asked_ns = time.monotonic_ns()
    assert in_train.rig.ask("stop")["ok"]
    ended_in_time(in_train, asked_ns)
    assert guard_trip(in_train) == "OPERATOR_STOP"
    assert in_train.rig.status()["trip_reason"] == "OPERATOR_STOP"


@pytest.mark.slow
def test_disarm_is_an_orderly_end(in_train: Any) -> None:
    asked_ns = time.monotonic_ns()
    assert in_train.rig.ask("disarm")["ok"]
    ended_in_time(in_train, asked_ns)
    assert guard_trip(in_train) is None
    state = in_train.rig.status()
    assert (state["state"], state["guard"]) == ("DISARMED", "DISARMED")


@pytest.mark.slow
def test_stop_at_the_guard_while_the_daemon_hangs(in_train: Any) -> None:
    in_train.rig.daemon.signal(signal.SIGSTOP)
    try:
        asked_ns = time.monotonic_ns()
        in_train.rig.stop()
        ended_in_time(in_train, asked_ns)
        assert guard_trip(in_train) == "OPERATOR_STOP"
    finally:
        in_train.rig.daemon.signal(signal.SIGCONT)
    assert in_train.rig.wait_for("TRIPPED")["trip_reason"] == "OPERATOR_STOP"


@pytest.mark.slow
def test_a_daemon_that_hangs_is_noticed(in_train: Any) -> None:
    frozen_ns = time.monotonic_ns()
    in_train.rig.daemon.signal(signal.SIGSTOP)
    try:
        # The engine bears one second without a word from it.
        ended_in_time(in_train, frozen_ns, NS_PER_S + WITHIN_NS)
        assert guard_trip(in_train) == "DAEMON_SILENT"
    finally:
        in_train.rig.daemon.signal(signal.SIGCONT)
    assert in_train.rig.wait_for("TRIPPED")["trip_reason"] == "DAEMON_SILENT"


@pytest.mark.slow
def test_daemon_killed(make_bench: Callable[..., Any]) -> None:
    bench = to_mid_train(start(make_bench))
    fault_ns = time.monotonic_ns()
    bench.rig.daemon.signal(signal.SIGKILL)
    ended_in_time(bench, fault_ns)
    assert guard_trip(bench) in {"DAEMON_GONE", "ENGINE_GONE"}


@pytest.mark.slow
def test_guard_killed_and_started_again_gives_nothing(make_bench: Callable[..., Any]) -> None:
    bench = to_mid_train(start(make_bench))
    rig = bench.rig
    fault_ns = time.monotonic_ns()
    rig.guard.signal(signal.SIGKILL)
    rig.guard.process.wait()
    rig.guard = rig.start("nmesd.guard", str(rig.folder / "guard.toml"))
    state = rig.wait_for("TRIPPED")
    assert state["trip_reason"] == "GUARD_GONE"
    bench.until(lambda: rig.status()["guard"] != "NOT CONNECTED", "guard")
    ended_in_time(bench, fault_ns)
    answer = rig.ask("arm", operator="test")
    assert (answer["ok"], answer["reason"]) == (False, "GUARD_GONE")
