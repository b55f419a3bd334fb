"""Does a flood from the MQTT broker reach the loop?

    python -m bench.mqtt_flood [--seconds 60]

A session of real processes, three times: without traffic, under 5000 messages a second, under payloads of 10 MB. A
virtual patient tries, a simulated stimulator answers, the daemon is connected to a mosquitto of this machine. A
lease miss is a trip LEASE_EXPIRED: the engine was late. What trips where the machine itself stood still
(bench/witness.py) is told apart. Exit code 1 if anything tripped without that.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.soaking.judge import LATE_MS, STOOD_MS, trip
from bench.soaking.session import STREAM, sections
from bench.witness import Witness
from nmesd.errors import Reason
from nmesd.sim.rig import Rig, RigError

UNIT = "u1"
LOOK_S = 0.1
# port, seconds, bytes of a message (0: the text "arm"), messages a second. MQTT 3.1.1 by hand: a client library
# sends less than a thousand a second beside all that runs here.
FLOOD = f"""
import socket, sys, time

def packet(kind, content):
    length, size = b"", len(content)
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | 128 * (size > 0)])
        if not size:
            return bytes([kind]) + length + content

def text(value):
    return len(value).to_bytes(2, "big") + value

port, seconds, size, rate = (float(one) for one in sys.argv[1:])
message = packet(0x30, text(b"nmesd/{UNIT}/command") + (b"x" * int(size) or b"arm"))
began, sent = time.monotonic(), 0
with socket.create_connection(("localhost", int(port))) as sock:
    sock.sendall(packet(0x10, text(b"MQTT") + bytes((4, 2, 0, 0)) + text(b"flood%d" % size)))
    sock.recv(4)
    while (now := time.monotonic() - began) < seconds:
        due = int(now * rate) - sent
        sock.sendall(message * due)
        sent += due
        time.sleep(0.005)
print(sent)
"""
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


@contextlib.contextmanager
def broker() -> Iterator[int]:
    """A mosquitto on a free port of loopback: without a configuration it lets nobody else in."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    if program is None:
        sys.exit("mosquitto is not installed: sudo apt-get install mosquitto")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    process = subprocess.Popen([program, "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def flood(rig: Rig, port: int, seconds: float, name: str) -> Iterator[subprocess.Popen[str]]:
    """The traffic of a phase, for as long as that."""
    size, rate = PHASES[name]
    arguments = [str(value) for value in (port, seconds, size, rate)]
    command = (
        [sys.executable, "-c", FLOOD, *arguments] if rate else [sys.executable, "-c", "print(0)"]
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=rig.env) as process:
        try:
            yield process
        finally:
            process.kill()


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
        with flood(rig, port, seconds, name) as sender:
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
    with broker() as port, Witness(LATE_MS) as witness:
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
