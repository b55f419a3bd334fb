"""A flood of the monitor beside a running session: `python -m bench.monitor`. Does the loop notice?

Trains by the clock run for the whole time, first alone, then beside `nmesd monitor` with fifty open pages, and
as many requests and connections as its processor gives. Trips are counted, and those that a stall of the machine
explains are told apart by a witness (nmesd/sim/witness.py). At the end STOP is pressed in the flood, which must
zero the output. The flood stands for other computers: it runs below everything else here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from nmesd.sim import loads
from nmesd.sim.rig import Rig
from nmesd.sim.witness import Witness
from nmesd.units import NS_PER_MS, NS_PER_S, ms

PAGES = 50
STALL_MS = 3.0
READY_S = 20.0
NEAR_NS = 200 * NS_PER_MS  # before a trip is noticed here: a stall in that time explains it
SECTIONS: dict[str, dict[str, Any]] = {
    "patient": {"code": "x", "muscle": [{"label": "x", "output": [{"channel": 1, "amplitude_ma": 9}]}]},
    "programme": {
        "purpose": "x", "kind": "cyclic", "session": {"minutes": 120}, "trial": {"rest_s": 0.8},
        "train": {"ramp_up_s": 0.2, "plateau_s": 2.0, "ramp_down_s": 0.2, "hold_off_s": 0.3},
    },
}  # fmt: skip
# Requests on kept and on new connections, presses of another site, and connections that say nothing.
FLOOD = """
import asyncio, os, sys
host, port = sys.argv[1], int(sys.argv[2])
asked = 0

async def connected():
    return await asyncio.open_connection(host, port)

async def asking(request, again):
    global asked
    while True:
        try:
            reader, writer = await connected()
            for _ in range(again):
                writer.write(request)
                if not await reader.read(65536):
                    break
                asked += 1
            writer.close()
        except OSError:
            await asyncio.sleep(0.01)

async def silent():
    held = []
    while True:
        try:
            held.append(await connected())
        except OSError:
            pass
        if len(held) > 300:
            held.pop(0)[1].close()
        await asyncio.sleep(0.005)

async def main():
    head = f"Host: {host}:{port}\\r\\n\\r\\n"
    async with asyncio.TaskGroup() as tasks:
        for n in range(4):
            tasks.create_task(asking(f"GET /monitor.js HTTP/1.1\\r\\n{head}".encode(), 100))
            origin = "Origin: http://evil.example\\r\\n"
            tasks.create_task(asking(f"POST /stop HTTP/1.1\\r\\n{origin}{head}".encode(), 1))
        tasks.create_task(silent())
        await asyncio.to_thread(sys.stdin.read)
        print(asked, flush=True)
        os._exit(0)

asyncio.run(main())
"""


def main() -> int:
    """Process entry; 1 if the loop noticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60, help="of each part")
    seconds = parser.parse_args().seconds
    with Witness(STALL_MS) as witness, Rig(SECTIONS) as rig:
        print(f"alone: {session(rig, witness, seconds)}")
        with busy():
            print(f"beside two busy processes: {session(rig, witness, seconds)}")
        url = rig.monitor()
        with flood(url) as asked:
            beside = session(rig, witness, seconds)
            answer_ms, last_ms = stop(rig, url)
        print(f"beside {PAGES} pages and {asked[0] / seconds:.0f} requests a second: {beside}")
        print(
            f"STOP in the flood: answered after {answer_ms:.0f} ms, last pulse after {last_ms:.1f} ms"
        )
    return 1 if beside["unexplained"] else 0


def session(rig: Rig, witness: Witness, seconds: float) -> dict[str, float]:
    """Trains for so long; a trip is reset and counted."""
    counts = dict.fromkeys(("trips", "unexplained", "trains", "telemetry_lost", "step_max_ms"), 0.0)
    until_s = time.monotonic() + seconds
    rig.arm()
    while time.monotonic() < until_s:
        time.sleep(0.02)
        now = rig.status()
        for name in ("telemetry_lost", "step_max_ms"):
            counts[name] = max(counts[name], now.get(name, 0))
        if now["state"] in ("TRIPPED", "DISARMED"):
            counts["trips"] += 1
            explained = witness.stalls(time.monotonic_ns() - NEAR_NS, time.monotonic_ns())
            counts["unexplained"] += not explained
            print(f"  {now['text']}" + ("" if explained else ": NOT explained by a stall"))
            counts["trains"] += now.get("trains", 0)
            rig.ask("reset", operator="bench")
            rig.arm()
    counts["trains"] += rig.status().get("trains", 0)
    rig.ask("disarm")
    return counts


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """As much load as the flood, without monitor and network: what the machine itself does to the loop then."""
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.callback(beneath("while True: pass").kill)
        yield


def beneath(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process below everything else."""
    return subprocess.Popen(
        [sys.executable, "-c", "import os; os.nice(19)\n" + code, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


@contextlib.contextmanager
def flood(url: str) -> Iterator[list[int]]:
    """Fifty pages that read, and the flood; gives how many requests were answered, when it is over."""
    at, asked = urlsplit(url), [0]
    host, port = str(at.hostname), int(at.port or 0)
    reading, asking = loads.started("pages", host, port, PAGES), beneath(FLOOD, host, str(port))
    yield asked
    asked[0] = int(asking.communicate()[0])
    loads.ended(reading)


def stop(rig: Rig, url: str) -> tuple[float, float]:
    """Press STOP in mid-train: ms until the page would know, ms to the last pulse."""
    armed(rig)
    asked_ns = time.monotonic_ns()
    origin = url.rstrip("/")
    request = urllib.request.Request(url + "stop", method="POST", headers={"Origin": origin})  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        said = json.loads(answer.read())
    answered_ns = time.monotonic_ns()
    if not said["zero"]:
        raise RuntimeError(said["text"])
    time.sleep(1.0)
    last_ns = max((pulse.given_ns for pulse in rig.currents()), default=0)
    return ms(answered_ns - asked_ns), max(0.0, (last_ns - asked_ns) / NS_PER_S * 1000)


def armed(rig: Rig) -> None:
    """In mid-train. Where the machine stands still the guard rightly ends it: then once more."""
    while True:
        rig.ask("reset", operator="bench")
        rig.arm()
        until_s = time.monotonic() + READY_S
        while (now := rig.status())["state"] != "TRIPPED" and time.monotonic() < until_s:
            if now["state"] == "STIMULATING" and now["amplitude_ma"] == 9:
                return
            time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
