"""The campaign of faults: real guard, daemon and engine, virtual patient over LSL, a stimulator.

    python -m bench.faults [--times 100] [--seed 1] [--only NAME ...] [--devices NAME ...] [--jobs 1] [--json FILE]
                           [--resume] [--markdown FILE]

The stimulator is the simulated one ("sim"), or an emulated device on a pty behind its driver.

At a random instant in a train something goes wrong: a process dies or freezes, a frame, a sample or an answer is
bad, a limit is reached. Measured is how long after that the stimulator gave its last pulse. A *survivor* is one
given later than the fault's bound, up to the operator's next arming: also what a woken engine or a new one would
give. Exit code 1 if there is any, or if a fault could not be injected as often as asked.

Times are the stimulator's own stamps on CLOCK_MONOTONIC; the fault's is taken by whoever does it, just before.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.campaign.devices import DEVICES
from bench.campaign.faults import NAMES, faults_of
from bench.campaign.pty_workers import pty_workers
from bench.campaign.run import campaign
from bench.campaign.table import Row, as_json, markdown, progress
from nmesd.sim.witness import Witness


def main() -> int:
    """Run the campaign; exit code 0 only if everything was injected as often as asked, without survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--times", type=int, default=100, help="injections of each fault")
    parser.add_argument("--seed", type=int, default=1, help="of instants and patients")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--devices", nargs="+", choices=list(DEVICES), default=["sim"])
    parser.add_argument("--jobs", type=int, default=1, help="rigs side by side")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument(
        "--resume", action="store_true", help="faults done in the file of --json stay as they are"
    )
    parser.add_argument("--markdown", type=Path, help="file for the table")
    options = parser.parse_args()
    if options.resume and options.json is None:
        parser.error("--resume goes on with the file of --json: name it")
    faults = [
        fault
        for name in options.devices
        for fault in faults_of(name).values()
        if fault.name in options.only
    ]
    before = done_in(options.json, options.times) if options.resume else []
    done = {(row["device"], row["fault"]) for row in before}
    left = [fault for fault in faults if (fault.setup.device, fault.name) not in done]
    with (
        pty_workers() as lifted,
        Witness() as witness,
        progress(left, options.times, options.json, before) as show,
    ):
        if not witness.real_time:
            sys.stderr.write("witness without real-time rights: its stalls may be mere load\n")
        if options.devices != ["sim"] and not lifted:
            sys.stderr.write(
                "no rights over the pty's kernel workers: a late pulse may be theirs\n"
            )
        results = campaign(left, options.times, options.seed, witness, jobs=options.jobs, show=show)
    order = {(fault.setup.device, fault.name): n for n, fault in enumerate(faults)}
    rows = sorted(
        [*before, *(result.as_json() for result in results)],
        key=lambda row: order.get((row["device"], row["fault"]), len(order)),
    )
    table = markdown(rows)
    print(table)
    if options.markdown:
        options.markdown.write_text(table + "\n")
    if options.json:
        options.json.write_text(as_json(rows))
    whole = all(row["n"] >= options.times or row["skipped"] for row in rows)
    return 0 if whole and not any(row["survivors"] for row in rows) else 1


def done_in(path: Path, times: int) -> list[Row]:
    """The rows of an earlier campaign that need not be done again."""
    if not path.exists():
        return []
    rows: list[Row] = json.loads(path.read_text())
    return [row for row in rows if row["n"] >= times]


if __name__ == "__main__":
    sys.exit(main())
