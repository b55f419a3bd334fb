"""`nmesd log`: what guard, daemon and engine said, from systemd's journal, for people."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Annotated, Any

import typer

from nmesd.cli.app import app
from nmesd.cli.common import AsJson
from nmesd.errors import ConfigError

UNITS = ("nmesd-guard", "nmesd")
FIRST = ("level", "room", "event")  # before the other facts
UNSHOWN = ("timestamp", "mono_ns", "t_ns")


@app.command()
def log(
    lines: Annotated[int, typer.Option(min=1, help="how many, the last ones")] = 40,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="and what comes, until Ctrl-C")] = False,
    as_json: AsJson = False,
) -> None:
    """What was said last by guard, daemon and engine."""
    command = shutil.which("journalctl")
    if command is None:
        raise ConfigError(
            "there is no journal here: nmesd logs to standard error where it was started"
        )
    units = [part for unit in UNITS for part in ("--unit", unit)]
    more = ["--follow"] if follow else []
    journal = subprocess.Popen(
        [command, "--output", "json", "--no-pager", "--lines", str(lines), *units, *more],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for line in journal.stdout or ():
            typer.echo(line.rstrip() if as_json else in_words(line))
    except KeyboardInterrupt:
        journal.terminate()
    raise typer.Exit(journal.wait())


def in_words(line: str) -> str:
    """Time, who, what; then the facts. Lines that are none of ours are shown as they are."""
    entry: dict[str, Any] = json.loads(line)
    message = entry.get("MESSAGE")
    if not isinstance(message, str):  # journald gives bytes it cannot show as a list of numbers
        message = bytes(message or []).decode("utf-8", "replace")
    try:
        said = json.loads(message)
    except ValueError:
        said = None
    when = _clock(entry.get("__REALTIME_TIMESTAMP", "0"))
    if not isinstance(said, dict):
        return f"{when}  {message}"
    what = "  ".join(str(said[key]) for key in FIRST if key in said)
    facts = "  ".join(f"{k}={v}" for k, v in said.items() if k not in (*FIRST, *UNSHOWN))
    return f"{when}  {what}  {facts}".rstrip()


def _clock(microseconds: str) -> str:
    from datetime import UTC, datetime

    return (
        datetime.fromtimestamp(int(microseconds) / 1e6, UTC)
        .astimezone()
        .strftime("%H:%M:%S.%f")[:-3]
    )
