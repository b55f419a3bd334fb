"""nmesd's own way from sample to guard: `python -m bench.peers.loop RATE CHANNELS CHUNK SECONDS`, JSON.

The real engine and guard, armed, waiting for an attempt: every channel up to eight is a muscle, filtered and
decided on. What is measured is the always-on timing, of SECONDS alone; beside it, from a tap in the guard
(`tapped_guard.py`), when each lease was decided on and which chunks came too late for one of their own. A trip is
reset, armed again, and told of.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from bench.peers.judge import Decisions, histogram, meet
from bench.peers.receiving import WARM_UP_S
from bench.peers.sender import sent_ns
from nmesd.certificate import processes, window
from nmesd.sim.rig import Child, Rig, RigError
from nmesd.wire import CHANNELS

STREAM = "bench"
LOOK_S = 0.1
LATE_NS = 200_000_000  # what was sent in the end may still be on its way


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


class TappedRig(Rig):
    """A rig whose guard has a tap."""

    def _start_guard(self) -> Child:
        rows, config = self.folder / "rows", self.folder / "guard.toml"
        return self.start("bench.peers.tapped_guard", str(rows), str(config))

    def tapped(self) -> Decisions:
        """Ends the guard, which saves them then."""
        self.end(self.guard)
        return Decisions.of_guard((self.folder / "rows").read_bytes())


def measure(rate_hz: float, channels: int, chunk: int, seconds: float) -> dict[str, Any]:
    """stages: of histograms; trips: reasons; what the processes took; chunks, see `chunks_met`."""
    muscles = range(1, min(channels, CHANNELS) + 1)
    with TappedRig(sections(rate_hz, channels), channels=muscles) as rig:
        stamps = rig.folder / "stamps"
        rig.run(
            sys.executable, "-m", "bench.peers.sender",
            *(STREAM, str(rate_hz), str(channels), str(chunk), str(stamps)),
        )  # fmt: skip
        rig.arm("bench")
        time.sleep(WARM_UP_S)
        trips: list[str] = []
        before, used, began_s = rig.ask("timing")["stages"], processes.usage(rig), time.monotonic()
        began_ns = time.monotonic_ns()
        while time.monotonic() < began_s + seconds:
            time.sleep(LOOK_S)
            if (now := rig.status())["state"] == "TRIPPED":
                trips.append(now["trip_reason"])
                rig.ask("reset", operator="bench")
                rig.arm("bench")
        ended_ns = time.monotonic_ns()
        met = window.between(before, rig.ask("timing")["stages"])
        took = processes.between(used, processes.usage(rig))
        return {
            "stages": {
                name: {"pairs": one.pairs(), "max_ns": one.max_ns} for name, one in met.items()
            },
            "trips": trips,
            "chunks": chunks_met(sent_ns(stamps), rig.tapped(), began_ns, ended_ns - LATE_NS),
            **took,
        }


def chunks_met(sent: Any, made: Decisions, from_ns: int, to_ns: int) -> dict[str, Any]:
    """Of the chunks sent in that time: those without a lease of their own, and all of them as a histogram.

    decided: from the time stamp of the newest sample of each decision to that decision, as the peers' figures.
    """
    found = meet(sent[(sent >= from_ns) & (sent < to_ns)], made)
    inside = made.within(from_ns, to_ns)
    every, decided = histogram(found.received_ns), histogram(inside.decided_ns - inside.sample_ns)
    return {
        "together": found.together,
        "missing": found.missing,
        "every": {"pairs": every.pairs(), "max_ns": every.max_ns},
        "decided": {"pairs": decided.pairs(), "max_ns": decided.max_ns},
    }


if __name__ == "__main__":
    rate, count, size, duration = sys.argv[1:5]
    try:
        print(json.dumps(measure(float(rate), int(count), int(size), float(duration))))
    except RigError as error:  # what forbade arming stands in its first line, then come logs
        sys.exit(str(error).partition("\n")[0].rpartition("cannot be armed: ")[2])
