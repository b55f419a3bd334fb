"""After a session: report and export."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from nmesd.cli.app import app
from nmesd.cli.common import AsJson
from nmesd.errors import ConfigError


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(help="session folders, or folders of sessions")],
    patient: Annotated[
        str, typer.Option(help="code: the course of this person over all the sessions")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="the HTML file; without: report.html in the session, or CODE.html")
    ] = None,
    *,
    pdf: Annotated[bool, typer.Option(help="also as PDF, where there is a Chromium")] = True,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """A page for a therapist: one session with every trial, or one person over weeks; the numbers in a CSV."""
    from nmesd.sessions import chromium
    from nmesd.sessions.several import of_patient, sessions_in

    sessions = sessions_in(folders)
    if patient:
        sessions = of_patient(sessions, patient)
        path = out or Path(f"{patient}.html")
        html, rows, columns = _of_patient(patient, sessions)
    elif len(sessions) == 1:
        path = out or sessions[0].path / "report.html"
        html, rows, columns = _of_session(sessions[0])
    else:
        raise ConfigError(f"{len(sessions)} sessions: name one, or a person with --patient CODE")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    written = {"html": str(path), "csv": str(_table(path.with_suffix(".csv"), columns, rows))}
    if pdf and chromium.found():
        chromium.pdf(path, path.with_suffix(".pdf"))
        written["pdf"] = str(path.with_suffix(".pdf"))
    if as_json:
        typer.echo(json.dumps({**written, "rows": rows}))
        return
    for one in written.values():
        typer.echo(one)
    if pdf and "pdf" not in written:
        typer.echo("no PDF: no Chromium here; print the HTML from a browser")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="a session folder")],
    out: Annotated[Path, typer.Argument(help="the dataset: a new folder, or one to add to")],
    fact: Annotated[
        list[str] | None, typer.Option(help="what the record does not know: EMGReference='right patella'; again")
    ] = None,
    *,
    bids: Annotated[bool, typer.Option("--bids", help="BIDS-EMG 1.11: BDF, events, sidecars")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """A session in a form that other programs read."""
    from nmesd.sessions.bids import export as export_bids
    from nmesd.sessions.folder import Folder

    if not bids:
        raise ConfigError("say in which form: --bids")
    facts = {}
    for one in fact or []:
        name, equals, value = one.partition("=")
        if not equals or not value:
            raise ConfigError(
                f"--fact {one!r}: must be NAME=VALUE, as EMGReference='right patella'"
            )
        facts[name] = value
    done = export_bids(Folder(folder), out, facts)
    if as_json:
        typer.echo(
            json.dumps({"files": [str(path) for path in done.files], "unknown": done.unknown})
        )
        return
    typer.echo(f"{len(done.files)} files in {out}")
    for name in done.unknown:
        typer.echo(f"  {name} is n/a: say --fact {name}=..., or fill it in in *_emg.json")


def _of_session(session: Any) -> tuple[str, list[dict[str, Any]], Sequence[str]]:
    from nmesd.sessions.session_report import COLUMNS, session_page, session_rows

    (story,) = _stories([session])
    return session_page(story), session_rows(story), COLUMNS


def _of_patient(code: str, sessions: list[Any]) -> tuple[str, list[dict[str, Any]], Sequence[str]]:
    from nmesd.sessions.patient_report import COLUMNS, patient_page, patient_rows, summary

    found = [summary(story) for story in _stories(sessions)]
    return patient_page(code, found), patient_rows(found), COLUMNS


def _stories(sessions: list[Any]) -> Any:
    """One after the other, with a progress bar: the EMG of each is run again through the chain."""
    from rich.console import Console
    from rich.progress import Progress

    from nmesd.sessions.story import story

    with Progress(console=Console(stderr=True), transient=True) as progress:
        for number, session in enumerate(sessions, 1):
            bar = progress.add_task(f"{session.path.name}, {number} of {len(sessions)}", total=1.0)
            yield story(session, partial(_tell, progress, bar))
            progress.remove_task(bar)


def _tell(progress: Any, bar: Any, share: float) -> None:
    progress.update(bar, completed=share)


def _table(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path
