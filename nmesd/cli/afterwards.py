"""After a session, and for recordings: detect, replay, verify, trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

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
    folder: Annotated[Path, typer.Argument(help="a session folder")],
    settings: Annotated[
        Path | None,
        typer.Option(help="another nmesd.toml or patient.toml: what would it have done?"),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Run a recorded session again: every decision must come out the same. Or under other settings: what would?"""
    from nmesd.daemon.other_settings import other_settings
    from nmesd.sessions import what_if
    from nmesd.sessions.folder import Folder
    from nmesd.sessions.replay import in_words
    from nmesd.sessions.replay import replay as run_replay

    record = Folder(folder)
    if settings is not None:
        other = other_settings(record.session, settings)
        with _progress(folder.name) as told:
            found = what_if.what_if(record, other, told)
        _show(what_if.to_dict(found), what_if.in_words(found), as_json=as_json)
        return
    with _progress(folder.name) as told:
        result = run_replay(record, told)
    _show(result.to_dict(), in_words(result), as_json=as_json)
    raise typer.Exit(0 if result.diverged is None else 1)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="a session folder")], *, as_json: AsJson = False
) -> None:
    """Is a session folder as it was written? Says the first place that was changed."""
    from nmesd.sessions.verify import verify as run_verify

    found = run_verify(folder)
    end = f"chain {found.chain}, {found.lines} lines"
    words = found.text if found.good else f"CHANGED: {found.text}"
    _show(found._asdict(), [words, end], as_json=as_json)
    raise typer.Exit(0 if found.good else 1)


@app.command()
def trials(
    folder: Annotated[Path, typer.Argument(help="a session folder")], *, as_json: AsJson = False
) -> None:
    """What the trials of a session came to: success and false-positive rate with their intervals, dose."""
    from nmesd.sessions.folder import Folder
    from nmesd.sessions.trials import in_words, report, trials_of

    found = report(trials_of(Folder(folder)))
    _show(found, in_words(found), as_json=as_json)


def _show(facts: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    for line in [json.dumps(facts)] if as_json else lines:
        typer.echo(line)


@contextmanager
def _progress(name: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error, where somebody looks."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(name, total=1.0)
        yield lambda share: progress.update(bar, completed=share)
