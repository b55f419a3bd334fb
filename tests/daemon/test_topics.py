"""Every message over MQTT is what its schema says, and the schemas say all there is."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nmesd.core.journal import Entry
from nmesd.core.values import (
    Cue,
    CueKind,
    Mode,
    ModeChanged,
    Outcome,
    Refused,
    ThresholdChanged,
    Trial,
    TrialDone,
    Vetoed,
    Why,
)
from nmesd.daemon.events import NAMES, event_of
from nmesd.daemon.mqtt import ALLOWED
from nmesd.daemon.telemetry import inhibits_changed, refused, telemetry, trip_of
from nmesd.daemon.topics import TOPICS
from nmesd.daemon.view import Tally, view
from nmesd.errors import EXPLAIN, Reason
from nmesd.sim.rig import Rig, RigError
from nmesd.sim.session_files import files_of, one_muscle
from nmesd.wire import Snapshot
from tests.daemon.broker import running

ENTRIES: list[Entry] = [
    *(Cue(5, kind, 2, 0) for kind in CueKind),
    Cue(5, CueKind.REST, 0, -1),
    *(TrialDone(5, 1, trial, outcome, 0, -1, 7000, 3, 5, 6) for trial in Trial for outcome in Outcome),
    *(ModeChanged(5, Mode.REST, mode, why, Reason.NONE, 0, 0) for mode in Mode for why in Why),
    *(ModeChanged(5, Mode.REST, Mode.TRIPPED, Why.TRIP, reason, 3, 2) for reason in Reason),
    ThresholdChanged(5, 0, 7000, 7500, Why.OPERATOR),
    Vetoed(5, 0, 8000, 7000),
    *(Refused(5, reason, 3, 2) for reason in Reason),
]  # fmt: skip
STREAM = {"name": "x", "rate_hz": 1000, "labels": ["calf"]}
KEPT = {"record": "none is kept", "disk": ""}  # as the record says it
HEARS = files_of({"stream": STREAM, **one_muscle("calf", {"on_uv": 12, "off_uv": 8}, {})})
CYCLIC: dict[str, dict[str, Any]] = {
    "patient": {"code": "P7", "muscle": [{"label": "calf", "output": [{"channel": 1, "amplitude_ma": 9}]}]},
    "programme": {
        "purpose": "x", "kind": "cyclic", "session": {"minutes": 5}, "trial": {"rest_s": 0.8},
        "train": {"ramp_up_s": 0.2, "plateau_s": 0.4, "ramp_down_s": 0.2, "hold_off_s": 0.3},
    },
}  # fmt: skip


def sound(topic: str, message: Any) -> None:
    """As it goes over the wire."""
    TOPICS[topic].validate_json(json.dumps(message))


def test_every_event_there_is_fits_its_schema() -> None:
    assert {type(entry) for entry in ENTRIES} == set(NAMES)
    for entry in ENTRIES:
        sound("event", event_of(entry, ["calf"]))


FIGURES = {"count": 3, "p50_us": 1.5, "p99_us": 2.5, "p999_us": 2.5, "max_us": 2.5}


@pytest.mark.parametrize("files", [HEARS, files_of(CYCLIC)], ids=["EMG", "none"])
@pytest.mark.parametrize("mode", Mode)
def test_state_and_telemetry_fit_theirs(files: Any, mode: Mode) -> None:
    shot = Snapshot(*[0] * len(Snapshot._fields))._replace(mode=mode, inhibits=2**7 - 2)
    for connected in (0, 1):
        now = shot._replace(guard_connected=connected, envelope_nv=1234)
        device = {"stimulator": "p24", "cannot": ["rate"]}
        sound("state", {**view(now, files, Tally(), ["a stream"], 4711, device), **KEPT})
        told = telemetry(now, files, 5, {"guard": FIGURES})
        sound("telemetry", told.model_dump())
        assert told.envelope_uv == (1.234 if files is HEARS else None)
    sound("state", {**view(None, files, Tally(), [], 4711, {}), **KEPT})


def test_faults_fit_theirs_and_say_what_to_do() -> None:
    trips = [trip for entry in ENTRIES if (trip := trip_of(entry)) is not None]
    assert {trip.reason for trip in trips} == set(Reason.__members__)
    request = {"command": "arm" * 1000, "operator": "Ada"}
    refusals = [refused(request, "bob", "no"), refused(request, "bob", "no", Reason.EMG_GAP, 3, 2)]
    begun = inhibits_changed(0, 1 << Reason.EMG_STALE | 1 << Reason.GUARD_GONE)
    over = inhibits_changed(1 << Reason.EMG_STALE | 1 << Reason.GUARD_GONE, 1 << Reason.GUARD_GONE)
    assert [(one.reason, one.active) for one in (*begun, *over)] == [
        ("EMG_STALE", True), ("GUARD_GONE", True), ("EMG_STALE", False),
    ]  # fmt: skip
    assert inhibits_changed(6, 6) == []
    assert EXPLAIN[Reason.EMG_STALE].remedy in begun[0].text
    for fault in (*trips, *refusals, *begun, *over):
        sound("fault", fault.model_dump())
    assert (refusals[1].unit, refusals[1].limit) == ("ns", 2)
    assert len(refusals[0].act) <= 40


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("event", {"event": "cue", "t_ns": 5, "cue": "JUMP", "trial": 1, "muscle": None}),
        ("event", {"event": "other", "t_ns": 5}),
        ("fault", {"fault": "trip", "t_ns": 5, "reason": "EMG_GAP", "text": "x"}),
        ("state", {"state": "STARTING", "text": "x", "engine_pid": 1, "more": 1}),
        ("telemetry", {"t_ns": 5}),
        ("online", "2"),
        ("command", "arm"),
    ],
)
def test_anything_else_does_not_fit(topic: str, message: Any) -> None:
    with pytest.raises(ValidationError):
        sound(topic, message)


def test_the_schemas_are_told_and_the_commands_are_those_that_are_taken() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "schema", "mqtt"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert set(told) == {f"nmesd/<unit>/{topic}" for topic in TOPICS}
    assert set(told["nmesd/<unit>/command"]["enum"]) == set(ALLOWED)
    assert told["nmesd/<unit>/telemetry"]["additionalProperties"] is False


def test_the_page_names_every_topic(repo_root: Path) -> None:
    page = (repo_root / "docs" / "operating.md").read_text()
    for topic in TOPICS:
        assert f"| `{topic}` |" in page


@pytest.mark.slow
async def test_every_message_of_a_session_fits(tmp_path: Path) -> None:
    with running(tmp_path, tls=False) as broker:
        heard: dict[str, list[bytes]] = defaultdict(list)

        async def listen() -> None:
            async with broker.client() as client:
                await client.subscribe("nmesd/u1/#")
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    heard[str(message.topic).rpartition("/")[2]].append(message.payload)

        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listen(), name="listener")
            for left in (2, 1, 0):  # where the machine stood still the guard rightly ends it
                try:
                    await asyncio.to_thread(_session, {**CYCLIC, "mqtt": broker.section()})
                    break
                except RigError:
                    if not left:
                        raise
            listening.cancel()
    assert set(heard) == set(TOPICS) - {"command"}
    for topic, payloads in heard.items():
        for payload in payloads:
            if topic == "online":
                TOPICS[topic].validate_python(payload.decode())
            else:
                TOPICS[topic].validate_json(payload)
    faults = [json.loads(payload) for payload in heard["fault"]]
    assert {one["fault"] for one in faults} == {"trip", "inhibit", "refused"}
    told = [(one["reason"], one["active"]) for one in faults if one["fault"] == "inhibit"]
    assert {("GUARD_GONE", True), ("GUARD_GONE", False)} <= set(told)
    stops = [
        one for one in faults if one.get("reason") == "OPERATOR_STOP" and one["fault"] == "trip"
    ]
    assert stops
    assert "reset" in stops[0]["text"]
    assert {one["act"] for one in faults if one["fault"] == "refused"} == {"resume", "arm"}
    kinds = {json.loads(payload)["event"] for payload in heard["event"]}
    assert {"mode", "trial", "cue"} <= kinds
    assert any(json.loads(payload)["amplitude_ma"] for payload in heard["telemetry"])


def _session(sections: dict[str, dict[str, Any]]) -> None:
    """A train, a pause, a stop, a reset, a guard that is gone for a while, and what is refused."""
    with Rig(sections) as rig:
        rig.wait_for("DISARMED")
        assert not rig.ask("resume")["ok"]
        rig.arm()
        rig.wait_for("STIMULATING")
        rig.wait_for("REST")
        assert rig.ask("pause")["ok"]
        assert rig.ask("resume")["ok"]
        rig.stop()
        rig.wait_for("TRIPPED")
        assert not rig.ask("arm", operator="rig")["ok"]
        assert rig.ask("reset", operator="rig")["ok"]
        rig.wait_for("DISARMED")
        rig.guard.signal(signal.SIGKILL)
        until_s = time.monotonic() + 20
        while "GUARD_GONE" not in rig.status()["inhibits"]:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        rig.restart_guard()
        rig.wait_for("DISARMED")
        time.sleep(1)  # for what is on its way
