"""The soak: does it stop without a reason, grow or slow down? The virtual patient for two hours, everything on.

    python bench/soak.py [--minutes 120] [--load 0.5] [--json FILE] [--markdown FILE] [--picture FILE]

Nothing is broken on purpose, so every trip is a false one, unless the whole machine stood still: a witness
(nmesd/sim/witness.py) tells. The session is recorded, told over LSL and MQTT, and shown on open pages. Beside the
trips, the report has every stall of the machine, what the loop cost, how the memory of each process grew from the
tenth minute on, and latency and processor time of every ten minutes. After a trip an operator resets and arms, as
in a clinic. Exit code 1 if there was a trip without a stall, a process ended, or one grew by a megabyte.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.soaking.report import as_json, failures, markdown
from bench.soaking.run import Soak, run
from bench.soaking.session import sections
from bench.soaking.telemetry import mqtt, watched
from nmesd.sim import loads
from nmesd.sim.rig import Rig
from nmesd.sim.stalls import LATE_MS
from nmesd.sim.witness import Witness


def main() -> int:
    """Run it, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--load", type=float, default=0.5, help="share of each core that is busy")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--markdown", type=Path, help="write the result there")
    parser.add_argument("--picture", type=Path, help="memory and latency over time, a PNG or SVG")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cores = sorted(os.sched_getaffinity(0))
    burners = [loads.started("burn", core, options.load) for core in cores]
    try:
        soak = everything(options.minutes, Console(stderr=True))
    finally:
        for burner in burners:
            loads.ended(burner)
    text = markdown(soak, options.load)
    sys.stdout.write(text)
    for path, content in ((options.json, as_json(soak)), (options.markdown, text)):
        if path:
            path.write_text(content)
    if options.picture:
        from bench.soaking.picture import draw  # noqa: PLC0415 - matplotlib is an extra

        draw(soak, options.picture)
    return 1 if failures(soak) else 0


def everything(minutes: float, console: Console) -> Soak:
    """The session, with whatever listens to one."""
    with tempfile.TemporaryDirectory(prefix="nmesd-soak-") as folder, mqtt() as broker:
        told = {"record": {"folder": folder}, "mqtt": broker}
        with Witness(LATE_MS) as witness, Rig({**sections(), **told}) as rig, watched(rig):
            soak = run(rig, witness, minutes, console)
    soak.mqtt = bool(broker["enabled"])
    return soak


if __name__ == "__main__":
    sys.exit(main())
