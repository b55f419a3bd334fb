"""The operator's commands: asked of the daemon, and stop of the guard itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nmesd.cli.app import app
from nmesd.cli.common import (
    CONTROL,
    NMESD_TOML,
    AsJson,
    ControlSocket,
    Operator,
    ask_daemon,
)
from nmesd.errors import DeviceError, NmesdError
from nmesd.stopping import GUARD


@app.command()
def status(control: ControlSocket = CONTROL, *, as_json: AsJson = False) -> None:
    """State first, then why."""
    ask_daemon(control, "status", as_json=as_json)


@app.command()
def arm(
    operator: Operator,
    patient: Annotated[str, typer.Option(help="whose file it must be; else it is asked for")] = "",
    control: ControlSocket = CONTROL,
    *,
    checked: Annotated[
        bool, typer.Option("--checked", help="contraindications were checked; else it is asked")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Allow stimulation, for one session. Only here, only by an operator, for one patient."""
    from nmesd.daemon.client import ask

    now = ask(control, "status")
    for line in what_arming_gives(now):
        typer.echo(line, err=True)
    if not checked:
        says = "Contraindications checked (docs/operating.md)? Type the patient's code to arm"
        patient = typer.prompt(says, err=True)
    code = patient or str(now.get("patient", ""))
    ask_daemon(control, "arm", as_json=as_json, operator=operator, patient=code, checked=True)


def what_arming_gives(status: dict[str, Any]) -> list[str]:
    """For whoever is about to allow it."""
    if "programme" not in status:
        return [f"{status['state']}: {status['text']}"]
    lines = [
        f"{status['state']}: {status['text']}",
        f"programme {status['programme']} for patient {status['patient']}",
    ]
    lines += [
        f"  {one['amplitude_ma']:g} mA on channel {one['channel']}, {one['muscle']}"
        for one in status["outputs"]
    ] or ["  no current"]
    return [*lines, f"  on {status['stimulator'] or 'no stimulator'}"]


@app.command()
def disarm(
    operator: Operator, control: ControlSocket = CONTROL, *, as_json: AsJson = False
) -> None:
    """End stimulation in good order."""
    ask_daemon(control, "disarm", as_json=as_json, operator=operator)


@app.command()
def pause(operator: Operator, control: ControlSocket = CONTROL, *, as_json: AsJson = False) -> None:
    """Zero at once, and wait. The trial is given up, the session is not."""
    ask_daemon(control, "pause", as_json=as_json, operator=operator)


@app.command()
def resume(
    operator: Operator, control: ControlSocket = CONTROL, *, as_json: AsJson = False
) -> None:
    """Go on after a pause, with a rest."""
    ask_daemon(control, "resume", as_json=as_json, operator=operator)


@app.command()
def release(
    operator: Operator, control: ControlSocket = CONTROL, *, as_json: AsJson = False
) -> None:
    """Let the train of a triggered-hold programme ramp down now."""
    ask_daemon(control, "release", as_json=as_json, operator=operator)


@app.command()
def stop(
    control: ControlSocket = CONTROL,
    guard_socket: Annotated[str, typer.Option("--guard", help="the guard's socket")] = GUARD,
) -> None:
    """STOP: straight to the guard, also when the daemon hangs. Latched until `nmesd reset`."""
    from nmesd.daemon.client import ask
    from nmesd.stopping import NO_ZERO
    from nmesd.stopping import stop as stop_guard

    if stop_guard(guard_socket) == NO_ZERO:
        raise DeviceError("NOT STOPPED: the stimulator does not take it. Pull the electrode plug")
    typer.echo("STOPPED at the guard")
    try:
        ask(control, "stop", timeout_s=1.0)
    except NmesdError as error:
        typer.echo(f"(the daemon: {error})")


@app.command()
def reset(operator: Operator, control: ControlSocket = CONTROL, *, as_json: AsJson = False) -> None:
    """Clear a trip. Leads to DISARMED, never to output."""
    ask_daemon(control, "reset", as_json=as_json, operator=operator)


@app.command()
def reload(
    operator: Operator,
    programme: Annotated[str, typer.Option(help="instead of the one nmesd.toml names")] = "",
    control: ControlSocket = CONTROL,
    *,
    as_json: AsJson = False,
) -> None:
    """Read nmesd.toml, patient and programme again; if one is wrong, nothing changes.

    An armed session goes on: thresholds and rests may change, all else waits for `nmesd disarm`.
    """
    ask_daemon(control, "reload", as_json=as_json, programme=programme, operator=operator)


@app.command()
def watch(control: ControlSocket = CONTROL, *, as_json: AsJson = False) -> None:
    """Cues, trials and changes as they come, until Ctrl-C: for a page, a sound, another program."""
    from nmesd.daemon.client import watch as watch_events

    for event in watch_events(control):
        name = event.pop("event")
        if as_json:
            typer.echo(json.dumps({"event": name, **event}))
        else:
            facts = "  ".join(f"{k}={v}" for k, v in event.items() if k != "t_ns" and v is not None)
            typer.echo(f"{event['t_ns'] / 1e9:10.3f} s  {name:10} {facts}")


@app.command()
def amplitude(
    operator: Operator,
    channel: Annotated[int, typer.Option(min=1, max=8, help="of the stimulator, from 1")] = 1,
    config: Annotated[Path, typer.Option(help="nmesd.toml")] = NMESD_TOML,
    folder: Annotated[Path, typer.Option(help="where the file goes")] = Path(),
    *,
    as_json: AsJson = False,
) -> None:
    """Find sensory, motor and comfort level of a channel, one train at a time. GIVES CURRENT when you say so."""
    from nmesd.amplitude import Finder, write

    def say(text: str) -> None:
        typer.echo(text, err=True)

    def prompt(text: str) -> str:
        typer.echo(f"{text}\n> ", nl=False, err=True)
        line = sys.stdin.readline()
        return line or "q"  # the keyboard is gone

    found = Finder(config, channel, operator, prompt, say).run()
    path = write(found, folder)
    if as_json:
        typer.echo(json.dumps({**found.model_dump(), "file": str(path)}))
        return
    typer.echo(f"DISARMED. Levels in {path}")
    typer.echo(
        f'in patient.toml, at this output: levels = "{path.resolve()}", and amplitude_ma as you decide'
    )
