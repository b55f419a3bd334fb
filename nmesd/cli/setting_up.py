"""Before a session: files, streams, the stimulator, calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nmesd.cli.app import app
from nmesd.cli.common import (
    NMESD_TOML,
    AsJson,
    span,
)
from nmesd.errors import ConfigError, DeviceError

programmes_app = typer.Typer(
    help="The training programmes: list them, or show one.", invoke_without_command=True
)
app.add_typer(programmes_app, name="programmes")
ProgrammesFolder = Annotated[
    Path | None,
    typer.Option("--folder", help="of programmes: /etc/nmesd/programmes, or those that come along"),
]


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="nmesd.toml")],
    guard_config: Annotated[
        Path | None,
        typer.Option("--guard", help="guard.toml: would its limits and its stimulator give this?"),
    ] = None,
    programme: Annotated[str, typer.Option(help="instead of the one the file names")] = "",
) -> None:
    """Check nmesd.toml with the patient and the programme it names, and say what they mean."""
    from nmesd.daemon.engine_config import engine_settings
    from nmesd.daemon.files import read_files
    from nmesd.daemon.words import meaning

    files = read_files(config, programme)
    core = engine_settings(files).core
    if guard_config is not None:
        from nmesd.commissioning import refusals
        from nmesd.guard.config import read_config

        if refused := refusals(core, read_config(guard_config)):
            raise ConfigError("\n".join(f"{config}: {one}" for one in refused))
    typer.echo(f"{config}: good")
    for line in meaning(files, core):
        typer.echo(line)


@app.command()
def doctor(
    config: Annotated[Path, typer.Argument(help="nmesd.toml")] = NMESD_TOML,
    *,
    as_json: AsJson = False,
) -> None:
    """Is everything there that a session needs? A line each: good, or what to do. Starts and stops nothing."""
    from nmesd.doctor import Finding, report

    def show(one: Finding) -> None:
        if not as_json:
            tail = "" if one.good or not one.remedy else f"\n         {one.remedy}"
            typer.echo(f"{'good ' if one.good else 'WRONG'}  {one.name}: {one.says}{tail}")

    found = report(config, show)
    if as_json:
        typer.echo(json.dumps(found))
    raise typer.Exit(0 if all(one["good"] for one in found) else 1)


@app.command()
def schema(
    file: Annotated[str, typer.Argument(help="nmesd, patient, programme, guard or mqtt")],
) -> None:
    """The JSON Schema of a file, for editors that complete and check TOML; mqtt: of every topic."""
    from nmesd.daemon.patient import PatientFile
    from nmesd.daemon.programme import ProgrammeFile
    from nmesd.daemon.settings import DaemonSettings
    from nmesd.daemon.toml import Section

    kinds: dict[str, type[Section]] = {
        "nmesd": DaemonSettings, "patient": PatientFile, "programme": ProgrammeFile,
    }  # fmt: skip
    if file == "guard":
        from nmesd.cli.guard_schema import schema as guard_schema

        found = guard_schema()
    elif file == "mqtt":
        from nmesd.daemon.topics import schema as mqtt_schema

        found = mqtt_schema()
    elif file in kinds:
        found = kinds[file].model_json_schema()
    else:
        raise ConfigError(f"{file!r}: must be one of {', '.join((*kinds, 'guard', 'mqtt'))}")
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def streams(
    seconds: Annotated[float, typer.Option(help="how long to listen")] = 2.0,
    *,
    as_json: AsJson = False,
) -> None:
    """The LSL streams on the network, as [stream] of nmesd.toml wants them."""
    import pylsl

    found = [
        {
            "name": info.name(),
            "type": info.type(),
            "source_id": info.source_id(),
            "host": info.hostname(),
            "channels": info.channel_count(),
            "rate_hz": info.nominal_srate(),
        }
        for info in pylsl.resolve_streams(seconds)
    ]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for stream in found:
        typer.echo("  ".join(f"{key} = {value!r}" for key, value in stream.items()))
    typer.echo(f"{len(found)} stream(s)")


@programmes_app.callback()
def programmes(
    context: typer.Context, folder: ProgrammesFolder = None, *, as_json: AsJson = False
) -> None:
    """A line each: name and purpose."""
    from nmesd.daemon.programme import shipped

    context.obj = folder
    if context.invoked_subcommand is not None:
        return
    found = shipped(folder)
    if as_json:
        typer.echo(json.dumps({name: file.model_dump() for name, file in found.items()}))
        return
    for name, file in found.items():
        typer.echo(f"{name:16} {file.purpose}")


@programmes_app.command("show")
def programmes_show(context: typer.Context, name: str, *, as_json: AsJson = False) -> None:
    """What a programme says, and the time course of one trial."""
    from nmesd.daemon.course import drawn, one_trial
    from nmesd.daemon.programme import shipped

    found = shipped(context.obj)
    if name not in found:
        raise ConfigError(f"no programme {name!r}: there are {', '.join(found)}")
    file = found[name]
    course = one_trial(file.programme())
    if as_json:
        typer.echo(json.dumps({"name": name, **file.model_dump(), "cues": course.cues}))
        return
    typer.echo(f"{name}: {file.purpose}")
    for section, values in file.model_dump(exclude_none=True).items():
        if isinstance(values, dict) and (section != "train" or file.gives_current):
            typer.echo(f"  {section:8} " + "  ".join(f"{k} = {v}" for k, v in values.items()))
    typer.echo()
    for line in drawn(course):
        typer.echo(line)


@app.command()
def stimulator(
    config: Annotated[Path, typer.Option(help="guard.toml")] = Path("/etc/nmesd/guard.toml"),
    channel: Annotated[int, typer.Option(min=1, max=8, help="from 1")] = 1,
    amplitude_ma: Annotated[float, typer.Option(min=0, help="mA")] = 4.0,
    pulse_width_us: Annotated[int, typer.Option(min=1, help="µs per phase")] = 200,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show the bytes of one pulse, to an emulated device")
    ] = False,
    single_pulse: Annotated[
        bool, typer.Option("--single-pulse", help="ONE pulse onto a dummy load: real current")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Commissioning: list ports, identify the stimulator, show bytes, give one pulse. End the guard first."""
    from nmesd import commissioning

    shown: list[dict[str, str]] = []

    def show(direction: str, says: str, data: bytes) -> None:
        shown.append({"direction": direction, "says": says, "bytes": data.hex(" ")})
        if not as_json:
            typer.echo(f"  {direction} {says:24} {data.hex(' ')}")

    if not dry_run and not single_pulse:
        found = commissioning.ports()
        identity = (
            commissioning.identify(commissioning.read_unit(config)) if config.exists() else None
        )
        if as_json:
            typer.echo(json.dumps({"ports": found, "stimulator": identity}))
            return
        for port in found:
            typer.echo(f"{port['port']}  {port['description']}  {port['may_be']}")
        typer.echo(f"{len(found)} serial port(s)")
        typer.echo(identity or f"{config} is not there: no device was asked")
        return
    unit = commissioning.read_unit(config)
    pulse = commissioning.Pulse(channel, amplitude_ma, pulse_width_us)
    output = commissioning.checked(pulse, unit)
    real = output[channel - 1]
    what = f"{real.amplitude_ua / 1000:g} mA, {real.pulse_width_us} µs on channel {channel}"
    if dry_run:
        given = commissioning.dry_run(unit.stimulator, output, show)
    else:
        typer.echo(f"ONE PULSE of {what}. Onto a dummy load: no person may be connected.", err=True)
        if (
            typer.prompt("Type the amplitude in mA to give it", err=True)
            != f"{real.amplitude_ua / 1000:g}"
        ):
            raise DeviceError("not confirmed: nothing was given")
        given = commissioning.single_pulse(unit, output, show)
    if as_json:
        typer.echo(json.dumps({"pulses": given, "pulse": real._asdict(), "bytes": shown}))
    else:
        typer.echo(f"{given} pulse of {what}" + (", to an emulated device" if dry_run else ""))
    raise typer.Exit(0 if given == 1 else 1)


@app.command()
def calibrate(
    config: Annotated[Path, typer.Argument(help="nmesd.toml")] = NMESD_TOML,
    muscle: Annotated[str, typer.Option(help="its label, if the patient has several")] = "",
    folder: Annotated[Path, typer.Option(help="where the files go")] = Path(),
    recording: Annotated[
        Path | None, typer.Option(help="from this file instead of live: XDF, CSV, EDF, BDF, NPZ")
    ] = None,
    rest: Annotated[str, typer.Option(help="of a recording: 'auto' or seconds, as 0:20")] = "auto",
    effort: Annotated[
        list[str] | None, typer.Option(help="of a recording: seconds, as 25:29; again for each")
    ] = None,
    rest_s: Annotated[float, typer.Option(min=20, help="of rest, live")] = 20.0,
    *,
    as_json: AsJson = False,
) -> None:
    """Rest, then three best efforts: thresholds for one muscle of one person, and a picture."""
    from nmesd.calibrating.guide import guide

    report = guide(
        config, muscle, folder, recording, span(rest), [span(e) for e in effort or []], rest_s
    )
    typer.echo(json.dumps(report) if as_json else report["text"])
