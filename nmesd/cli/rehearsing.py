"""Without a person: play, emulate, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmesd.cli.app import app
from nmesd.cli.common import (
    PASSED_ON,
    AsJson,
)


@app.command(**PASSED_ON)
def play(context: typer.Context) -> None:
    """Stream a recording (XDF, CSV, NPZ) over LSL in real time."""
    from nmesd.sim.player import main as play_main

    raise typer.Exit(play_main(context.args))


@app.command(**PASSED_ON)
def emulate(context: typer.Context) -> None:
    """An emulated stimulator on a pty: p24, rehamove3 or rehastim2."""
    from nmesd.sim.emulate import main as emulate_main

    raise typer.Exit(emulate_main(context.args))


@app.command()
def demo(
    record: Annotated[Path | None, typer.Option(help="keep the session in this new folder")] = None,
    attempts: Annotated[int, typer.Option(help="attempts to wait for")] = 20,
    seed: Annotated[int, typer.Option(help="of the virtual patient")] = 1,
    *,
    as_json: AsJson = False,
) -> None:
    """The whole loop with a virtual patient and a simulated stimulator, and a stop at the end."""
    from nmesd.sim.demo import main as run_demo

    raise typer.Exit(run_demo(record=record, attempts=attempts, seed=seed, as_json=as_json))
