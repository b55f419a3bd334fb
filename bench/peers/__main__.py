"""nmesd beside other software for the same work, all in one run on one machine: `make peers`.

    python -m bench.peers [--seconds 10] [--rounds 3] [--hops 3000] [--quick] [--latency]
                          [--json FILE] [--markdown FILE] [--picture FILE]

(a) sample to decision over LSL and (d) with and without real-time rights, idle and with every core busy
(`latency.py`); (b) what a hop costs each tool's chain (`hops.py`); (c) nmesd over channels, rates and chunks
(`scale.py`). Half an hour; --latency (a) and (d) alone; --quick two minutes, of which nothing should be concluded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.peers import hops, latency, picture, scale
from nmesd.realtime import real_time_granted


def main() -> int:
    """Measure, then say."""
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=10.0, help="of each receiver, each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hops", type=int, default=3000, help="of each chain, each round")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--latency", action="store_true", help="(a) and (d) alone")
    for name in ("json", "markdown", "picture"):
        parser.add_argument(f"--{name}", type=Path, help="write it there")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds, options.hops = 2.0, 1, 500
    cases = latency.CASES
    if not real_time_granted():
        cases = tuple(case for case in cases if not case.rights)
        sys.stderr.write("no real-time rights here: measured without them alone\n")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)

        def tick(text: str) -> None:
            progress.update(task, description=text)

        found, hidden, wrong = latency.measure(options.seconds, options.rounds, cases, tick)
        sections = [
            f"{os.cpu_count()} cores; 8 channels at 2 kHz, chunks of 1 ms\n",
            "### Sample to decision\n", latency.markdown(found, hidden, wrong),
        ]  # fmt: skip
        everything: dict[str, Any] = {"latency": latency.plain(found, hidden)}
        if not options.latency:
            costs, not_measured = hops.measure(options.hops, options.rounds, tick)
            live = scale.measure(options.seconds, tick, quick=options.quick)
            tick("the chain over channels and rates")
            notched, rates = hops.notched(), hops.over_rates(options.hops)
            sections += [
                "### The chain, a hop of 1 ms\n", hops.markdown(costs, not_measured) + notched,
                "### nmesd's chain over channels and rates\n", rates,
                "### nmesd, sample to guard, over channels, rates and chunks\n", scale.markdown(live),
            ]  # fmt: skip
            everything |= {"chains": hops.plain(costs), "scale": scale.plain(live)}
    text = "\n".join(sections)
    sys.stdout.write(text)
    outputs: tuple[tuple[Path | None, Callable[[Path], object]], ...] = (
        (options.json, lambda path: path.write_text(json.dumps(everything, indent=1))),
        (options.markdown, lambda path: path.write_text(text)),
        (options.picture, lambda path: picture.draw(found, path)),
    )
    for path, write in outputs:
        if path is not None:
            write(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
