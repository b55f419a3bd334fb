"""The commands. Imports lazily: `nmesd guard` must not load numpy, `nmesd stop` must not load anything slow."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from nmesd.errors import ConfigError, DeviceError, NmesdError

app = typer.Typer(
    help="Closed-loop, EMG-triggered electrical stimulation. Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ControlSocket = Annotated[str, typer.Option("--control", help="the daemon's control socket")]
AsJson = Annotated[
    bool, typer.Option("--json", help="one JSON object on standard output, for scripts")
]
Operator = Annotated[str, typer.Option(help="your name, for the record")]
CONTROL = "/run/nmesd/control.sock"
GUARD = "/run/nmesd/guard.sock"


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="nmesd.toml")] = Path("/etc/nmesd/nmesd.toml"),
    record: Annotated[
        Path | None, typer.Option(help="keep this session in this new folder")
    ] = None,
) -> None:
    """The daemon: hears EMG, decides, records. Starts disarmed."""
    import signal

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it must not end a daemon that is not up yet

    from nmesd.daemon.logs import configure
    from nmesd.daemon.process import run as run_daemon

    configure(as_json=not sys.stderr.isatty())
    run_daemon(config, record)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def guard(context: typer.Context) -> None:
    """The guard: the only process that can stimulate."""
    import os

    os.execv(sys.executable, [sys.executable, "-m", "nmesd.guard", *context.args])  # noqa: S606 - itself, without us


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
def status(control: ControlSocket = CONTROL, *, as_json: AsJson = False) -> None:
    """State first, then why."""
    _ask(control, "status", as_json=as_json)


@app.command()
def arm(operator: Operator, control: ControlSocket = CONTROL, *, as_json: AsJson = False) -> None:
    """Allow stimulation, for one session. Only here, only by an operator."""
    _ask(control, "arm", as_json=as_json, operator=operator)


@app.command()
def disarm(
    operator: Operator = "", control: ControlSocket = CONTROL, *, as_json: AsJson = False
) -> None:
    """End stimulation in good order."""
    _ask(control, "disarm", as_json=as_json, operator=operator)


@app.command()
def stop(
    control: ControlSocket = CONTROL,
    guard_socket: Annotated[str, typer.Option("--guard", help="the guard's socket")] = GUARD,
) -> None:
    """STOP: straight to the guard, also when the daemon hangs. Latched until `nmesd reset`."""
    from nmesd.daemon.client import ask
    from nmesd.wire.stopping import NO_ZERO
    from nmesd.wire.stopping import stop as stop_guard

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
    _ask(control, "reset", as_json=as_json, operator=operator)


@app.command()
def reload(
    programme: Annotated[str, typer.Option(help="instead of the one nmesd.toml names")] = "",
    control: ControlSocket = CONTROL,
    *,
    as_json: AsJson = False,
) -> None:
    """Read nmesd.toml, patient and programme again. Ends an armed session; if one is wrong, nothing changes."""
    _ask(control, "reload", as_json=as_json, programme=programme)


@app.command()
def pause(
    operator: Operator = "", control: ControlSocket = CONTROL, *, as_json: AsJson = False
) -> None:
    """Zero at once, and wait. The trial is given up, the session is not."""
    _ask(control, "pause", as_json=as_json, operator=operator)


@app.command()
def resume(
    operator: Operator = "", control: ControlSocket = CONTROL, *, as_json: AsJson = False
) -> None:
    """Go on after a pause, with a rest."""
    _ask(control, "resume", as_json=as_json, operator=operator)


@app.command()
def release(
    operator: Operator = "", control: ControlSocket = CONTROL, *, as_json: AsJson = False
) -> None:
    """Let the train of a triggered-hold programme ramp down now."""
    _ask(control, "release", as_json=as_json, operator=operator)


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


programmes_app = typer.Typer(
    help="The training programmes: list them, or show one.", invoke_without_command=True
)
app.add_typer(programmes_app, name="programmes")
Folder_ = Annotated[
    Path | None,
    typer.Option("--folder", help="of programmes: /etc/nmesd/programmes, or those that come along"),
]


@programmes_app.callback()
def programmes(context: typer.Context, folder: Folder_ = None, *, as_json: AsJson = False) -> None:
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


@app.command()
def amplitude(
    operator: Operator,
    channel: Annotated[int, typer.Option(min=1, max=8, help="of the stimulator, from 1")] = 1,
    config: Annotated[Path, typer.Option(help="nmesd.toml")] = Path("/etc/nmesd/nmesd.toml"),
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


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def play(context: typer.Context) -> None:
    """Stream a recording (XDF, CSV, NPZ) over LSL in real time."""
    from nmesd.sim.player import main as play_main

    raise typer.Exit(play_main(context.args))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def emulate(context: typer.Context) -> None:
    """An emulated stimulator on a pty: p24, rehamove3 or rehastim2."""
    from nmesd.sim.emulate import main as emulate_main

    raise typer.Exit(emulate_main(context.args))


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
    config: Annotated[Path, typer.Argument(help="nmesd.toml")] = Path("/etc/nmesd/nmesd.toml"),
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
        config, muscle, folder, recording, _span(rest), [_span(e) for e in effort or []], rest_s
    )
    typer.echo(json.dumps(report) if as_json else report["text"])


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
            recording, _span(rest), false_per_min, config,
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


def _span(text: str) -> tuple[float, float] | None:
    """Seconds from a:b; None for 'auto'. Raises ConfigError."""
    if text == "auto":
        return None
    first, _, last = text.partition(":")
    try:
        return float(first), float(last)
    except ValueError:
        raise ConfigError(f"{text!r}: must be 'auto' or two times in seconds, as 0:20") from None


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


def _ask(control: str, command: str, *, as_json: bool, **values: Any) -> NoReturn:
    from nmesd.daemon.client import ask

    answer = ask(control, command, **values)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"{answer['state']}: {answer['text']}" if "state" in answer else answer["text"])
        for key, value in answer.items():
            if key not in ("ok", "state", "text") and value not in (None, [], ""):
                typer.echo(f"  {key:16} {value}")
    raise typer.Exit(0 if answer["ok"] else 1)


def main() -> None:
    """Entry point: an error for a person is one line and exit code 2, never a traceback."""
    try:
        app()
    except NmesdError as error:
        sys.stderr.write(f"nmesd: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
