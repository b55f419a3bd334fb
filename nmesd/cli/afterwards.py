"""After a session, and for recordings: detect, replay, trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nmesd.cli.app import app
from nmesd.cli.common import (
    AsJson,
    span,
)


@app.command()
def detect(
    recording: Annotated[Path, typer.Argument(help="XDF, CSV, EDF, BDF or NPZ")],
    rest: Annotated[str, typer.Option(help="'auto' or seconds, as 0:20")] = "auto",
    false_per_min: Annotated[
        float, typer.Option(min=0.01, max=10, help="what rest alone may give: sets the threshold")
    ] = 1.0,
    config: Annotated[
        Path | None, typer.Option(help="nmesd.toml whose [filter] and detector to use")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """When the live pipeline would have decided on a recording; every channel on its own."""
    from rich.console import Console
    from rich.progress import Progress

    from nmesd.daemon.thresholds import detect_in

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(recording.name, total=1.0)
        found = detect_in(
            recording, span(rest), false_per_min, config,
            lambda share: progress.update(bar, completed=share),
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"channels": [channel.to_dict() for channel in found]}))
        return
    for channel in found:
        typer.echo(
            f"{channel.label}: {len(channel.onsets)} attempts over {channel.threshold_uv:.4g} µV, "
            f"{channel.predicted_false_per_min:.2g} false a minute expected"
        )
        for onset in channel.onsets:
            typer.echo(
                f"  decided {onset.decided_s:9.3f} s   onset {onset.onset_s:9.3f} s   "
                f"peak {onset.peak_uv:.4g} µV"
            )
        for inhibit in channel.inhibits:
            typer.echo(f"  {inhibit.reason} {inhibit.from_s:.3f} to {inhibit.to_s:.3f} s")


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(help="a session folder")], *, as_json: AsJson = False
) -> None:
    """Run a recorded session again: every decision must come out the same."""
    from nmesd.sessions.folder import Folder
    from nmesd.sessions.replay import replay as run_replay

    result = run_replay(Folder(folder))
    same = result.diverged is None
    if as_json:
        typer.echo(json.dumps({"identical": same, "hops": result.hops, "entries": result.entries}))
    elif result.diverged is None:
        typer.echo(f"identical: {result.entries} acts and commands over {result.hops} hops")
    else:
        index, recorded, again = result.diverged
        typer.echo(f"DIVERGED at entry {index}\n  recorded {recorded}\n  replayed {again}")
    raise typer.Exit(0 if same else 1)


@app.command()
def trials(
    folder: Annotated[Path, typer.Argument(help="a session folder")], *, as_json: AsJson = False
) -> None:
    """What the trials of a session came to: success and false-positive rate with their intervals, dose."""
    from nmesd.sessions.folder import Folder
    from nmesd.sessions.trials import in_words, report, trials_of

    found = report(trials_of(Folder(folder)))
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in in_words(found):
        typer.echo(line)
