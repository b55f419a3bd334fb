"""What the three processes take: memory, processor, and the time from `nmesd run` to ready to be armed.

    python bench/lean.py [--channels 8] [--seconds 30] [--starts 5]

The virtual patient at 2 kHz in chunks of 1 ms, every channel decided on, recorded, armed. Ready is DISARMED
without inhibits, by a sender that was there before: a second of it is how long a stream must be the only one that
fits (`engine/stream.py`), 0.3 s the settling of the filters. The load average is printed, for figures of a busy
machine say little.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from statistics import median
from typing import Any

from bench.soaking.memory import resident_kb
from bench.soaking.pieces import used_s
from nmesd.sim.rig import Rig
from nmesd.sim.session_files import one_muscle

STREAM, RATE_HZ = "lean", 2000.0
TRAIN = {"pulse_width_us": 250, "ramp_up_s": 0.5, "plateau_s": 1.5, "ramp_down_s": 0.5}
SETTLE_S = 30.0
KB_PER_MB = 1000
ALLOWED_MB = {"guard": 20, "engine": 60, "daemon": 120}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0, help="of counting processor time")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nmesd-lean-") as folder:
        sections = {**sections_of(options.channels), "record": {"folder": folder}}
        with Rig(sections, channels=range(1, 9)) as rig:
            start_patient(rig, options.channels)
            print(f"{options.channels} channels at {RATE_HZ:g} Hz, chunks of 1 ms\n")
            sizes(rig, options.seconds)
            starts(rig, options.starts)
    print(f"\nload average {os.getloadavg()[0]:.1f}")


def labels_of(channels: int) -> list[str]:
    """As the virtual patient names them."""
    return ["target", *(f"rest {n}" for n in range(1, channels))]


def sections_of(channels: int) -> dict[str, dict[str, Any]]:
    """The files: every channel is a muscle with an output."""
    labels = labels_of(channels)
    sections = one_muscle("target", {}, TRAIN)
    sections["patient"]["muscle"] = [
        {
            "label": label, "on_uv": 20.0, "off_uv": 12.0,
            "output": [{"channel": n % 8 + 1, "amplitude_ma": 10}],
        }
        for n, label in enumerate(labels)
    ]  # fmt: skip
    stream = {"name": STREAM, "source_id": STREAM, "rate_hz": RATE_HZ, "labels": labels}
    return {"stream": stream, **sections}


def start_patient(rig: Rig, channels: int) -> None:
    """Who tries on the first channel."""
    spec = {"rate_hz": RATE_HZ, "channels": channels}
    rig.start(
        "nmesd.sim.patient", "--name", STREAM, "--source-id", STREAM, "--json", json.dumps(spec),
        "--chunk-ms", "1", "--pulses", str(rig.patient_socket), "--until-eof",
    )  # fmt: skip


def sizes(rig: Rig, seconds: float) -> None:
    """Memory and processor time, armed. A trip, of a busy machine, is told: the figures are then of less."""
    rig.arm()
    time.sleep(SETTLE_S)
    pids = {
        "guard": rig.guard.process.pid,
        "engine": int(rig.status()["engine_pid"]),
        "daemon": rig.daemon.process.pid,
    }
    began_s, before_s = time.monotonic(), {name: used_s(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    passed_s = time.monotonic() - began_s
    print(
        "| process | resident, MB | allowed, MB | proportional share, MB | processor, % of a core |"
    )
    print("|---|--:|--:|--:|--:|")
    for name, pid in pids.items():
        rss_mb, pss_mb = (kb * 1.024 / KB_PER_MB for kb in resident_kb(pid))
        used = 100 * (used_s(pid) - before_s[name]) / passed_s
        print(f"| {name} | {rss_mb:.1f} | {ALLOWED_MB[name]} | {pss_mb:.1f} | {used:.1f} |")
    if (state := rig.status())["state"] in ("TRIPPED", "DISARMED"):
        print(f"\nNOT ARMED any more: {state['text']}")


def starts(rig: Rig, count: int) -> None:
    """From `nmesd run` to ready, several times."""
    took_s, engine_s = [], []
    for _ in range(count):
        # The end of an armed daemon is a trip, and the guard keeps it.
        rig.ask("reset", operator=STREAM)
        rig.ask("disarm", operator=STREAM)
        rig.daemon.end()  # its end is no part of another's start
        began_s = time.monotonic()
        rig.restart_daemon()
        while not rig.status().get("engine_pid"):
            time.sleep(0.01)
        engine_s.append(time.monotonic() - began_s)
        rig.wait_for("DISARMED")
        took_s.append(time.monotonic() - began_s)
    print(
        f"\nfrom `nmesd run` to ready: median {median(took_s):.2f} s, longest {max(took_s):.2f} s of {count}; "
        f"to the engine's start {median(engine_s):.2f} s"
    )


if __name__ == "__main__":
    main()
