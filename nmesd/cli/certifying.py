"""`nmesd certify`: the latency certificate of this unit."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmesd.cli.app import app
from nmesd.cli.common import NMESD_TOML, AsJson
from nmesd.errors import DeviceError

if TYPE_CHECKING:
    from nmesd.certificate.run import Tell
    from nmesd.certificate.setup import Setup

EXAMPLES = Path(__file__).parents[2] / "config"  # in a checkout


@app.command()
def certify(
    config: Annotated[
        Path | None,
        typer.Argument(help="nmesd.toml; without: the unit's, or where there is none the example's"),
    ] = None,
    guard_config: Annotated[
        Path | None, typer.Option("--guard", help="guard.toml; without: the one beside nmesd.toml")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="of each part, idle and loaded")] = 60.0,
    device: Annotated[
        str, typer.Option(help="sim, p24, rehastim2; real: guard.toml's own, onto a DUMMY LOAD")
    ] = "sim",
    html: Annotated[Path | None, typer.Option(help="write it as a page, too")] = None,
    verify: Annotated[
        Path | None, typer.Option(help="measure nothing: is this certificate (JSON) as it was made?")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """The latency certificate of this unit: from sample to stimulator, idle and under load. LOADS THE MACHINE."""
    if verify is not None:
        from nmesd.certificate.run import held
        from nmesd.certificate.signature import read
        from nmesd.certificate.table import summary

        found = read(verify)
        good = held(found)
        typer.echo(f"as it was made: {'HELD' if good else 'NOT HELD'}: {summary(found)}")
        raise typer.Exit(0)
    from nmesd.certificate.refusing import refuse
    from nmesd.certificate.run import certify as make
    from nmesd.certificate.run import held
    from nmesd.certificate.setup import read_setup

    path = config or (NMESD_TOML if NMESD_TOML.exists() else EXAMPLES / "nmesd.toml")
    setup = read_setup(path, guard_config or path.parent / "guard.toml", device)
    if device == "real":
        refuse(setup)  # before anybody types for nothing
        _confirm(setup)
    # Ended by a signal it ends its processes; to its daemon SIGHUP would mean reload.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    with _progress(seconds) as tell:
        certificate = make(setup, seconds, tell)
    if html is not None:
        from nmesd.certificate.page import certificate_page

        html.write_text(certificate_page(certificate), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(certificate))
    else:
        from rich.console import Console

        from nmesd.certificate.table import shown

        Console().print(shown(certificate))
    raise typer.Exit(0 if held(certificate) else 1)


def _confirm(setup: Setup) -> None:
    """As for the one pulse of commissioning. Raises DeviceError."""
    amount = f"{setup.amplitude_ma:g}"
    typer.echo(
        f"TRAINS of {amount} mA from {setup.guard.stimulator['driver']} at {setup.guard.stimulator['port']}. "
        "Onto a dummy load: no person may be connected.",
        err=True,
    )
    if typer.prompt("Type the amplitude in mA to give them", err=True) != amount:
        raise DeviceError("not confirmed: nothing was given")


@contextmanager
def _progress(seconds: float) -> Iterator[Tell]:
    """A bar on a terminal, for both parts together."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from nmesd.certificate.run import PARTS

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("starting", total=len(PARTS) * seconds)

        def tell(name: str, text: str, done_s: float) -> None:
            done_s += PARTS.index(name) * seconds
            progress.update(bar, description=f"{name}: {text}", completed=done_s)

        yield tell
