"""nmesd's own way from sample to guard: `python -m bench.peers.loop RATE CHANNELS CHUNK SECONDS`, JSON.

The real engine and guard, armed, waiting for an attempt: every channel up to eight is a muscle, filtered and
decided on. What is measured is the always-on timing, of SECONDS alone. A trip is reset, armed again, and told of.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from bench.peers.receiving import WARM_UP_S
from nmesd.certificate import processes, window
from nmesd.sim.rig import Rig
from nmesd.wire import CHANNELS

STREAM = "bench"
LOOK_S = 0.1


def sections(rate_hz: float, channels: int) -> dict[str, dict[str, Any]]:
    """Files for a stream of so many channels. Nobody tries: the threshold is far over the noise."""
    labels = [f"emg{n + 1}" for n in range(channels)]
    muscles = [
        {"label": label, "on_uv": 500.0, "off_uv": 400.0, "output": [{"channel": n + 1, "amplitude_ma": 10}]}
        for n, label in enumerate(labels[:CHANNELS])
    ]  # fmt: skip
    return {
        "stream": {"name": STREAM, "source_id": STREAM, "rate_hz": rate_hz, "labels": labels},
        "patient": {"code": "nobody", "muscle": muscles},
        "programme": {"purpose": "waits", "kind": "triggered", "session": {"minutes": 120}},
    }


def measure(rate_hz: float, channels: int, chunk: int, seconds: float) -> dict[str, Any]:
    """stages: of histograms; trips: reasons; what the processes took (`certificate/processes.py`)."""
    muscles = range(1, min(channels, CHANNELS) + 1)
    with Rig(sections(rate_hz, channels), channels=muscles) as rig:
        rig.run(
            sys.executable, "-m", "bench.peers.sender",
            *(STREAM, str(rate_hz), str(channels), str(chunk)),
        )  # fmt: skip
        rig.arm("bench")
        time.sleep(WARM_UP_S)
        trips: list[str] = []
        before, used, began_s = rig.ask("timing")["stages"], processes.usage(rig), time.monotonic()
        while time.monotonic() < began_s + seconds:
            time.sleep(LOOK_S)
            if (now := rig.status())["state"] == "TRIPPED":
                trips.append(now["trip_reason"])
                rig.ask("reset", operator="bench")
                rig.arm("bench")
        met = window.between(before, rig.ask("timing")["stages"])
        return {
            "stages": {
                name: {"pairs": one.pairs(), "max_ns": one.max_ns} for name, one in met.items()
            },
            "trips": trips,
            **processes.between(used, processes.usage(rig)),
        }


if __name__ == "__main__":
    rate, count, size, duration = sys.argv[1:5]
    print(json.dumps(measure(float(rate), int(count), int(size), float(duration))))
