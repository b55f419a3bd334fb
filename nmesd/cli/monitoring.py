"""`nmesd monitor`: the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nmesd.cli.app import app
from nmesd.cli.common import CONTROL, AsJson, ControlSocket
from nmesd.errors import ConfigError
from nmesd.stopping import GUARD


@app.command()
def monitor(
    host: Annotated[
        str, typer.Option(help="address to listen at; any but loopback needs a token")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8780,
    token_file: Annotated[
        Path | None,
        typer.Option(help="the token, for an address that stays; else a new one each time"),
    ] = None,
    control: ControlSocket = CONTROL,
    guard_socket: Annotated[str, typer.Option("--guard", help="the guard's socket")] = GUARD,
    *,
    as_json: AsJson = False,
) -> None:
    """A page of the running session for a browser: state, cue, envelope, output, last trip, and STOP."""
    try:
        from nmesd.monitor.server import serve, token_for
    except ImportError as error:
        raise ConfigError(f"{error}: pip install 'nmesd[monitor]'") from None

    def tell(address: str) -> None:
        typer.echo(json.dumps({"event": "ready", "url": address}) if as_json else f"open {address}")

    serve(control, guard_socket, host, port, token_for(host, token_file), tell)
