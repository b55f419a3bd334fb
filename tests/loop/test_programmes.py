"""Programmes with the real processes: without EMG, on several channels, with pauses, told to whoever watches."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from nmesd.sim.rig import Rig

SHORT = {"ramp_up_s": 0.2, "plateau_s": 0.4, "ramp_down_s": 0.2, "hold_off_s": 0.3}


def cyclic(**session: Any) -> dict[str, dict[str, Any]]:
    """Two channels on the calf, by the clock; there is no stream."""
    outputs = [{"channel": 1, "amplitude_ma": 20}, {"channel": 2, "amplitude_ma": 12}]
    return {
        "patient": {"code": "nobody", "muscle": [{"label": "calf", "output": outputs}]},
        "programme": {
            "purpose": "x", "kind": "cyclic", "train": SHORT, "trial": {"rest_s": 0.8},
            "session": {"minutes": 5, **session},
        },
    }  # fmt: skip


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig(cyclic(trials=3), limits={"channels_at_once": 2}, channels=(1, 2)) as rig:
        yield rig


def trains(rig: Rig) -> list[int]:
    """The first pulse of each train, ns."""
    given = [pulse.given_ns for pulse in rig.currents() if pulse.channel == 0]
    return [t for i, t in enumerate(given) if i == 0 or t - given[i - 1] > 400_000_000]


@pytest.fixture
def watcher(rig: Rig) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """`nmesd watch`; gives what it was told, and ends it."""
    rig.wait_for("DISARMED")
    process = subprocess.Popen(
        [sys.executable, "-m", "nmesd.cli", "watch", "--control", rig.control_socket, "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def told() -> list[dict[str, Any]]:
        process.terminate()
        return [json.loads(line) for line in process.communicate()[0].splitlines()]

    time.sleep(1.5)  # it is there before the arming
    yield told
    if process.poll() is None:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_cyclic_session_runs_to_its_end_and_is_told(
    rig: Rig, watcher: Callable[[], list[dict[str, Any]]]
) -> None:
    rig.arm()
    until_s = time.monotonic() + 30
    while rig.status()["trials_done"] < 3 and time.monotonic() < until_s:
        if (status := rig.status())["state"] == "DISARMED":
            break
        time.sleep(0.05)
    status = rig.wait_for("DISARMED")
    assert status["outcomes"] == {"GIVEN": 3}
    starts = trains(rig)
    assert len(starts) == 3
    channels = {pulse.channel: pulse.amplitude_ua for pulse in rig.currents()}
    assert set(channels) == {0, 1}
    assert max(p.amplitude_ua for p in rig.currents() if p.channel == 1) == 12_000
    # A train of 0.8 s and a rest of 0.8; the guard gives a pulse some milliseconds after it was decided.
    assert all(b - a >= 1_550_000_000 for a, b in pairwise(starts))
    events = watcher()
    assert [e["outcome"] for e in events if e["event"] == "trial"] == ["GIVEN"] * 3
    assert [e["cue"] for e in events if e["event"] == "cue"] == ["REST"] * 3 + ["END"]
    assert [e["after"] for e in events if e["event"] == "mode"][-1] == "DISARMED"
    rig.arm()  # another session


@pytest.mark.slow
def test_a_pause_waits_at_zero_and_a_resume_goes_on_with_a_rest(rig: Rig) -> None:
    rig.arm()
    rig.wait_for("STIMULATING")
    assert rig.ask("pause", operator="A")["ok"]
    rig.wait_for("PAUSED")
    paused_ns = time.monotonic_ns()
    time.sleep(1.5)
    assert not [pulse for pulse in rig.currents() if pulse.given_ns > paused_ns]
    assert rig.status()["state"] == "PAUSED"
    assert rig.status()["guard"] == "ARMED"
    resumed_ns = time.monotonic_ns()
    assert rig.ask("resume", operator="A")["ok"]
    rig.wait_for("STIMULATING")
    first = next(pulse.given_ns for pulse in rig.currents() if pulse.given_ns > paused_ns)
    assert first - resumed_ns >= 450_000_000  # rest_s less hold_off_s
    rig.stop()
    rig.wait_for("TRIPPED")
    assert rig.ask("pause", operator="A") == {"ok": False, "text": "nothing to pause: TRIPPED"}


@pytest.mark.slow
def test_a_frozen_engine_without_emg_stops_like_any_other(rig: Rig) -> None:
    rig.arm()
    state = rig.wait_for("STIMULATING")
    frozen_ns = time.monotonic_ns()
    os.kill(state["engine_pid"], signal.SIGSTOP)
    time.sleep(0.5)
    zeroed_ns = rig.zeroed_ns(frozen_ns)
    os.kill(state["engine_pid"], signal.SIGKILL)
    assert zeroed_ns is not None
    assert zeroed_ns - frozen_ns < (rig.lease_ms + 10) * 1_000_000
    assert not [pulse for pulse in rig.currents() if pulse.given_ns > zeroed_ns]
    assert rig.wait_for("TRIPPED")["trip_reason"] in ("LEASE_EXPIRED", "MACHINE_STALLED")
