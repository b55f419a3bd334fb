"""What can go wrong with the EMG stream, over real LSL: a named trip while armed, an inhibit before.

After each, the source is put right again, and nothing arms by itself.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

QUIET_S = 0.5  # how long it is looked at for arming by itself
# The longest lease, so that a gap may be a gap and not yet silence, also on a busy machine.
LEASE = {"lease_ms": 100}

# A stream that is there and sends nothing: name, source_id, rate, label, unit.
OUTLET = """
import sys, pylsl
name, source_id, rate_hz, label, unit = sys.argv[1:]
info = pylsl.StreamInfo(name, "EMG", 1, float(rate_hz), "float32", source_id)
channel = info.desc().append_child("channels").append_child("channel")
channel.append_child_value("label", label)
channel.append_child_value("unit", unit)
outlet = pylsl.StreamOutlet(info)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def bench(make_bench: Callable[..., Any]) -> Any:
    """One rig for all faults of a running stream."""
    return make_bench(guard=LEASE)


@pytest.fixture
def silent_streams() -> Iterator[Callable[..., None]]:
    """A function that puts streams of OUTLET on a rig's network."""
    outlets: list[subprocess.Popen[str]] = []

    def make(rig: Any, *options: tuple[str, str, str, str, str]) -> None:
        outlets.extend(
            subprocess.Popen(
                [sys.executable, "-c", OUTLET, *option],
                env=rig.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for option in options
        )
        for outlet in outlets:
            if outlet.stdout is not None and not outlet.stdout.closed:
                assert outlet.stdout.readline() == "ready\n"
                outlet.stdout.close()

    yield make
    for outlet in outlets:
        outlet.kill()
        outlet.communicate()


@pytest.fixture
def source(bench: Any) -> Iterator[Any]:
    """A patient that is armed on, and does not try before it is disturbed."""
    child = bench.patient(
        seed=2, first_attempt_s=2.5, interval_s=3.0, interval_jitter_s=0.2, hears=False
    )
    bench.rig.arm("test")
    bench.rig.wait_for("READY")
    yield child
    child.end()
    if bench.rig.status()["state"] == "TRIPPED":
        assert bench.rig.ask("reset", operator="test")["ok"]


def stays(bench: Any, state: str, after_ns: int, seconds: float = QUIET_S) -> None:
    """It stays so, and gives nothing."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        assert bench.rig.status()["state"] == state
        time.sleep(0.02)
    assert [p for p in bench.rig.currents() if p.given_ns > after_ns] == []


def refused(bench: Any, *reasons: str) -> None:
    """Arming is, for one of these reasons, in words."""
    answer = bench.rig.ask("arm", operator="test")
    assert answer["ok"] is False
    assert answer["reason"] in reasons
    assert ": " in answer["text"]  # what it is, and what to do


def freeze(child: Any) -> None:
    child.signal(signal.SIGSTOP)


def kill(child: Any) -> None:
    child.signal(signal.SIGKILL)


def order(**fault: Any) -> Callable[[Any], None]:
    return lambda child: child.order(**fault)


FAULTS = {
    "gap": (order(fault="gap", samples=20), {"EMG_GAP"}),
    "nan": (order(fault="nan"), {"EMG_NOT_FINITE"}),
    "rate": (order(fault="rate", factor=0.95), {"EMG_RATE", "EMG_BACKLOG"}),
    "stall": (order(fault="stall", seconds=0.2), {"EMG_STALE", "EMG_BACKLOG"}),
    "end": (order(fault="end"), {"EMG_STREAM_GONE", "EMG_STALE"}),
    "frozen": (freeze, {"EMG_STALE"}),
    "killed": (kill, {"EMG_STREAM_GONE", "EMG_STALE"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_trips_with_its_name_and_nothing_arms_by_itself(
    name: str, bench: Any, source: Any
) -> None:
    fault, reasons = FAULTS[name]
    rig = bench.rig
    fault(source)
    state = rig.wait_for("TRIPPED")
    tripped_ns = time.monotonic_ns()
    assert state["trip_reason"] in reasons
    assert ": " in state["text"]
    bench.until(lambda: rig.status()["guard"] == "TRIPPED", "trip at the guard")
    refused(bench, state["trip_reason"])  # only a reset leads out

    if name in ("end", "frozen", "killed"):
        assert rig.ask("reset", operator="test")["ok"]
        rig_state = rig.status()
        assert rig_state["state"] == "DISARMED"
        assert set(rig_state["inhibits"]) & {"EMG_STALE", "EMG_STREAM_GONE", "EMG_NO_STREAM"}
        refused(bench, "EMG_STALE", "EMG_STREAM_GONE", "EMG_NO_STREAM")
        if name == "frozen":
            source.signal(signal.SIGCONT)
        else:
            source = bench.patient(
                first_attempt_s=0.5, interval_s=3.0, interval_jitter_s=0.2, hears=False
            )
        rig.wait_for("DISARMED")  # the source is back, and could be armed on
        stays(bench, "DISARMED", tripped_ns)
        source.end()
        return

    stays(bench, "TRIPPED", tripped_ns)  # the source is back already
    assert rig.ask("reset", operator="test")["ok"]
    assert rig.status()["state"] == "DISARMED"
    if name == "rate":  # still wrong: found again and again
        refused(bench, "EMG_RATE", "EMG_BACKLOG")
        bench.inhibited("EMG_RATE")
    stays(bench, "DISARMED", tripped_ns)


@pytest.mark.slow
def test_a_source_that_comes_back_different_is_not_taken(bench: Any, source: Any) -> None:
    rig = bench.rig
    source.signal(signal.SIGKILL)
    rig.wait_for("TRIPPED")
    other = bench.patient(rate_hz=500, hears=False)
    try:
        state = bench.inhibited("EMG_STREAM_CHANGED")
        assert state["state"] == "TRIPPED"
        assert any("rate is 500 Hz, wanted 1000 Hz" in line for line in state["streams_found"])
        assert rig.ask("reset", operator="test")["ok"]
        refused(bench, "EMG_STREAM_CHANGED")
    finally:
        other.end()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (("patient", "bench", "500", "target", "microvolts"), "rate is 500 Hz, wanted 1000 Hz"),
        (("patient", "bench", "1000", "biceps", "microvolts"), "wanted ['target']"),
        (("patient", "bench", "1000", "target", "volts"), "wanted microvolts"),
        (("patient", "other", "1000", "target", "microvolts"), "source_id is 'other'"),
    ],
    ids=["rate", "label", "unit", "source_id"],
)
def test_a_stream_not_as_described_is_refused_and_said_why(
    stream: tuple[str, ...],
    said: str,
    never_seen: Any,
    silent_streams: Callable[..., None],
) -> None:
    silent_streams(never_seen.rig, stream)
    # The stream of the test before is still remembered for two seconds.
    never_seen.until(
        lambda: any(said in line for line in never_seen.rig.status().get("streams_found", ())), said
    )
    state = never_seen.inhibited("EMG_MISMATCH")
    assert state["state"] == "DISARMED"
    refused(never_seen, "EMG_MISMATCH")


@pytest.fixture(scope="module")
def never_seen(make_bench: Callable[..., Any]) -> Any:
    """A rig that has not had its stream yet, and takes any source_id but a wrong one."""
    return make_bench()


@pytest.mark.slow
def test_two_that_fit_are_one_too_many(
    make_bench: Callable[..., Any], silent_streams: Callable[..., None]
) -> None:
    bench = make_bench(stream={"source_id": ""})
    rig = bench.rig
    bench.inhibited("EMG_NO_STREAM")
    silent_streams(
        rig,
        ("patient", "one", "1000", "target", "microvolts"),
        ("patient", "two", "1000", "target", "microvolts"),
    )
    # Whichever came first may have been opened; an engine that starts now meets both.
    before = rig.status()["engine_pid"]
    os.kill(before, signal.SIGKILL)
    bench.until(
        lambda: rig.status()["engine_pid"] != before and "inhibits" in rig.status(), "new engine"
    )
    state = bench.inhibited("EMG_AMBIGUOUS")
    assert len(state["streams_found"]) == 2
    for source_id in ("one", "two"):
        assert any(f"source_id '{source_id}'" in line for line in state["streams_found"])
    refused(bench, "EMG_AMBIGUOUS")
