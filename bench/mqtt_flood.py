"""Does a flood from the MQTT broker reach the loop?

    python -m bench.mqtt_flood [--seconds 60]

A session of real processes, three times: without traffic, under 5000 messages a second, under payloads of 10 MB. A
virtual patient tries, a simulated stimulator answers, the daemon is connected to a mosquitto of this machine. A
lease miss is a trip LEASE_EXPIRED: the engine was late. What trips where the machine itself stood still
(nmesd/sim/witness.py) is told apart. Exit code 1 if anything tripped without that.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections import Counter
from typing import Any, NamedTuple

from bench.soaking.session import STREAM, sections
from nmesd.errors import Reason
from nmesd.sim import loads
from nmesd.sim.mosquitto import mosquitto
from nmesd.sim.rig import Rig, RigError
from nmesd.sim.stalls import LATE_MS, STOOD_MS, trip
from nmesd.sim.witness import Witness

UNIT = "u1"
LOOK_S = 0.1
PHASES = {  # what comes from the broker: bytes, messages a second
    "nothing": (0, 0),
    "5000 messages a second": (0, 5000),
    # As much as a link of 100 Mbit/s carries. Sender and broker run on this machine too: at 50 MB/s the kernel's
    # own copying holds a core up for more than the witness's 3 ms, and the guard ends it.
    "payloads of 10 MB": (10_000_000, 1),
}


class Phase(NamedTuple):
    """What came of one."""

    name: str
    sent: int
    trains: int
    step_max_ms: float
    latency_max_ms: float  # LSL stamp of the deciding sample to the driver's write
    lost: int  # frames of telemetry the daemon did not read in time
    trips: list[dict[str, Any]]

    @property
    def unexplained(self) -> list[dict[str, Any]]:
        """Trips without a stall of the machine."""
        return [one for one in self.trips if one["stood_ms"] < STOOD_MS]


def run(name: str, port: int, witness: Witness, seconds: float) -> Phase:
    """One session under one kind of traffic; whoever trips is reset and armed."""
    mqtt = {"enabled": True, "host": "localhost", "port": port, "unit": UNIT, "tls": False}
    trips: list[dict[str, Any]] = []
    seen: Counter[str] = Counter()
    with Rig({**sections(), "mqtt": mqtt}) as rig:
        rig.start(
            "nmesd.sim.patient", "--name", STREAM, "--source-id", STREAM,
            "--pulses", str(rig.patient_socket), "--until-eof",
        )  # fmt: skip
        rig.arm()
        began_ns, end_s = time.monotonic_ns(), time.monotonic() + seconds
        size, rate = PHASES[name]
        with loads.started("flood", port, UNIT, size, rate, seconds if rate else 0) as sender:
            while time.monotonic() < end_s:
                time.sleep(LOOK_S)
                now = rig.status()
                if now["state"] == "TRIPPED":
                    trips.append(trip(rig, now, witness, began_ns))
                    rig.ask("reset", operator="bench")
                elif now["state"] == "DISARMED":
                    with contextlib.suppress(RigError):  # tripped again meanwhile
                        rig.arm()
                seen["trains"] = max(seen["trains"], now.get("trains", 0))
                seen["lost"] = max(seen["lost"], now.get("telemetry_lost", 0))
                for key in ("step_max_ms", "latency_ms"):
                    seen[key] = max(seen[key], round(1000 * now.get(key, 0)))  # a Counter of µs
            sent = int(sender.communicate(timeout=30)[0])
    return Phase(
        name, sent, seen["trains"], seen["step_max_ms"] / 1000, seen["latency_ms"] / 1000, seen["lost"], trips
    )  # fmt: skip


def main() -> int:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the three")
    options = parser.parse_args()
    with mosquitto() as port, Witness(LATE_MS) as witness:
        phases = [run(name, port, witness, options.seconds) for name in PHASES]
    head = (
        "| from the broker | sent | trains | lease misses | trips | without a stall | longest step, ms | "
        "longest latency, ms | telemetry lost |\n|---|--:|--:|--:|---|--:|--:|--:|--:|\n"
    )
    sys.stdout.write(head)
    for one in phases:
        reasons = Counter(found["reason"] for found in one.trips)
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none"
        sys.stdout.write(
            f"| {one.name} | {one.sent} | {one.trains} | {reasons[Reason.LEASE_EXPIRED.name]} | {told} | "
            f"{len(one.unexplained)} | {one.step_max_ms:.2f} | {one.latency_max_ms:.1f} | {one.lost} |\n"
        )
    for found in (found for one in phases for found in one.unexplained):
        sys.stdout.write(f"* without a stall: {found['text']}\n")
    return 1 if any(one.unexplained for one in phases) else 0


if __name__ == "__main__":
    sys.exit(main())
