"""The campaign's results: a table in Markdown, a file in JSON, bars while it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from bench.campaign.bench import LEASE_MS, PERIOD_MS, RATE_HZ
from bench.campaign.cycle import Result
from bench.campaign.fault import Fault

HEADS = (
    "device",
    "fault",
    "n",
    "survivors",
    "last pulse, ms: p50 / p99 / max",
    "budget p99, ms",
    "met",
    "guard's reasons",
    "missed",
    "machine stood still",
)


Row = dict[str, Any]  # Result.as_json


def markdown(rows: Sequence[Row]) -> str:
    """The table, what each fault is, and everything that was out of the ordinary."""
    lines = [
        f"Lease {LEASE_MS} ms; {RATE_HZ} Hz, so that the last pulse tells the stop to {PERIOD_MS:g} ms.",
        "Times count from the fault to the last pulse by the stimulator's own stamps; p99 by nearest rank.",
        "",
        f"| {' | '.join(HEADS)} |",
        "|---|---|--:|--:|--:|--:|---|---|--:|--:|",
    ]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    about = {row["fault"]: row["about"] for row in rows}
    lines += ["", *(f"* `{name}`: {what}" for name, what in about.items())]
    notes = [f"* {row['fault']}: {note}" for row in rows for note in row["notes"]]
    notes += [
        f"* {row['fault']}, missed: {miss.splitlines()[0]}"
        for row in rows
        for miss in row["missed"]
    ]
    return "\n".join([*lines, "", *notes])


def _cells(row: Row) -> tuple[str, ...]:
    if row["skipped"]:
        return (row["device"], row["fault"], "0", "", row["skipped"], *[""] * (len(HEADS) - 5))
    times = (row["p50_ms"], row["p99_ms"], row["max_ms"])
    return (
        row["device"],
        row["fault"] + (" (from planned end or zero)" if row["counts_from"] != "fault" else ""),
        str(row["n"]),
        str(row["survivors"]),
        " / ".join("-" if value is None else f"{value:.1f}" for value in times),
        f"{row['budget_p99_ms']:g}",
        "yes" if row["met"] else "no",
        ", ".join(f"{reason} {count}" for reason, count in row["reasons"].items()),
        str(len(row["missed"])),
        str(row["stalled"]),
    )


def as_json(rows: Sequence[Row]) -> str:
    """The JSON file."""
    return json.dumps(rows, indent=1) + "\n"


@contextmanager
def progress(
    faults: Sequence[Fault], times: int, keep: Path | None, before: Sequence[Row] = ()
) -> Iterator[Callable[[Result], None]]:
    """Bars on a terminal, nothing elsewhere. Writes `before` and what there is to `keep` as faults are done."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("survivors {task.fields[survivors]}, missed {task.fields[missed]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        everything = bars.add_task("all", total=times * len(faults), survivors=0, missed=0)
        tasks: dict[str, TaskID] = {}
        latest: dict[str, Result] = {}

        def show(result: Result) -> None:
            name = f"{result.fault.setup.device} {result.fault.name}"
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=times, survivors=0, missed=0)
            latest[name] = result
            done = result.n >= times or bool(result.skipped)
            for task, of in ((tasks[name], [result]), (everything, list(latest.values()))):
                bars.update(
                    task,
                    completed=sum(r.n for r in of),
                    survivors=sum(r.survivors for r in of),
                    missed=sum(len(r.missed) for r in of),
                )
            if done:
                bars.update(tasks[name], visible=False)
                if keep is not None:  # so that an interrupted campaign is not lost
                    new = [one.as_json() for one in latest.values()]
                    keep.write_text(as_json([*before, *new]))

        yield show
