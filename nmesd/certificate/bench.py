"""The bench of one part: rig, virtual patient, and an operator who arms, orders attempts and resets trips."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from nmesd.certificate.setup import STREAM, TRAIN_S, Setup
from nmesd.certificate.verdict import WHOLE
from nmesd.certificate.window import Counted
from nmesd.errors import LinkError
from nmesd.sim.rig import Child, Rig, RigError
from nmesd.sim.stalls import BEFORE_NS, STOOD_MS, stood_ms, trip
from nmesd.sim.witness import Stall, Witness
from nmesd.units import NS_PER_S

LOOK_S: Final = 0.1
BETWEEN_S: Final = TRAIN_S + 1.2  # attempts, at least: train, hold-off, relaxing
CHUNK_MS: Final = 1.0
WAIT_S: Final = 20.0
ANSWER_S: Final = 20.0  # of a daemon on a machine under load


class Bench:
    """The rig of one part and who watches it."""

    def __init__(self, setup: Setup, rig: Rig, witness: Witness, watch: Callable[[], None]) -> None:
        self._setup, self.rig, self._witness, self._watch = setup, rig, witness, watch
        self.trips: list[dict[str, Any]] = []
        self.longest: dict[str, Any] = {"stood_ms": 0.0, "witnessed": False}
        self.began_ns = time.monotonic_ns()
        self._due_s = 0.0
        self._most_ns = 0
        self.patient = self._start_patient()

    def _start_patient(self) -> Child:
        stream = self._setup.sections["stream"]
        return self.rig.start(
            "nmesd.sim.patient",
            *("--json", json.dumps(asdict(self._setup.spec))),
            *("--name", STREAM, "--source-id", STREAM, "--type", stream["type"]),
            *("--labels", json.dumps(self._setup.labels), "--chunk-ms", str(CHUNK_MS)),
            *("--pulses", str(self.rig.patient_socket), "--until-eof"),
        )

    def ready_s(self) -> float:
        """From `nmesd run` to ready to be armed, guard and amplifier being there. Raises RigError."""
        self.rig.wait_for("DISARMED")
        began_s = time.monotonic()
        self.rig.restart_daemon()
        self.rig.wait_for("DISARMED")
        return round(time.monotonic() - began_s, 2)

    def arm(self) -> None:
        """As an operator would. What forbids it is told by the trips, or by what is not measured."""
        with contextlib.suppress(RigError, LinkError):
            self.rig.arm("certificate")

    def reset(self) -> None:
        """As an operator would; a daemon that does not answer in time is asked again in the next turn."""
        with contextlib.suppress(LinkError):
            self.rig.ask("reset", operator="certificate")

    def turn(self) -> dict[str, Any]:
        """Look once: a trip is reset, an attempt is ordered when it is due. Gives the status."""
        time.sleep(LOOK_S)
        self._watch()
        now = self.rig.status()
        if now["state"] == "TRIPPED":
            self.trips.append(self._tripped(now))
            self.reset()
        elif now["state"] == "DISARMED":
            self.arm()
        elif now["state"] == "READY" and time.monotonic() > self._due_s:
            self._due_s = time.monotonic() + BETWEEN_S
            channel = self._setup.labels.index(now["muscle"])
            self.patient.order(order="attempt", channel=channel)
        return now

    def _tripped(self, now: dict[str, Any]) -> dict[str, Any]:
        told = trip(self.rig, now, self._witness, self.began_ns)
        # Without its real-time priority the witness is late for everybody else's work: it explains nothing.
        return {**told, "explained": self._witness.real_time and told["stood_ms"] >= STOOD_MS}

    def begin(self) -> Counted:
        """What was counted before: the longest way is looked for from now on."""
        counted = self.timing()
        self.longest = {"stood_ms": 0.0, "witnessed": False}
        return counted

    def timing(self) -> Counted:
        """As the daemon counts; where the longest way grew, what the witness saw at that time."""
        counted: Counted = self.rig.ask("timing", timeout_s=ANSWER_S)["stages"]
        most_ns = int(counted.get(WHOLE, {"max_ns": 0})["max_ns"])
        if most_ns > self._most_ns:
            self._most_ns = most_ns
            now_ns = time.monotonic_ns()
            # It is told within a second, and looked at as often.
            seen = self._witness.stalls(now_ns - 3 * NS_PER_S, now_ns)
            self.longest = {
                "stood_ms": round(densest_ms(seen), 1),
                "witnessed": self._witness.real_time,
            }
        return counted

    def in_train(self) -> int:
        """A train that has just begun: the engine's pid; 0 if none came in time."""
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            now = self.turn()
            if now["state"] == "STIMULATING":
                return int(now["engine_pid"])
        return 0


def densest_ms(stalls: list[Stall]) -> float:
    """The most that a core stood still within any BEFORE_NS."""
    return max(
        (stood_ms([s for s in stalls if 0 <= s.from_ns - one.from_ns < BEFORE_NS]) for one in stalls),
        default=0.0,
    )  # fmt: skip
