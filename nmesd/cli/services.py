"""The two services: `nmesd run` and `nmesd guard`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nmesd.cli.app import app
from nmesd.cli.common import (
    NMESD_TOML,
    PASSED_ON,
)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="nmesd.toml")] = NMESD_TOML,
    record: Annotated[
        Path | None, typer.Option(help="keep this session in this new folder")
    ] = None,
) -> None:
    """The daemon: hears EMG, decides, records. Starts disarmed."""
    import signal

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it must not end a daemon that is not up yet

    from nmesd.daemon.designing import DESIGNER

    DESIGNER.go_elsewhere()  # first: scipy loads there while all this loads here

    from nmesd.daemon.engine_process import EngineProcess

    with EngineProcess() as engine:
        from nmesd.daemon.logs import configure
        from nmesd.daemon.process import run as run_daemon

        configure(as_json=not sys.stderr.isatty())
        run_daemon(config, record, engine)


@app.command(**PASSED_ON)
def guard(context: typer.Context) -> None:
    """The guard: the only process that can stimulate."""
    import os

    os.execv(sys.executable, [sys.executable, "-m", "nmesd.guard", *context.args])  # noqa: S606 - itself, without us
