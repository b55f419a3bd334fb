"""What several commands take, and how the daemon is asked."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from nmesd.errors import ConfigError

ControlSocket = Annotated[str, typer.Option("--control", help="the daemon's control socket")]
AsJson = Annotated[
    bool, typer.Option("--json", help="one JSON object on standard output, for scripts")
]


def login_name() -> str:
    """Of the person, also behind sudo."""
    sudo = os.environ.get("SUDO_USER", "") if os.getuid() == 0 else ""
    try:
        return sudo or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


Operator = Annotated[
    str,
    typer.Option(
        default_factory=login_name, show_default="your login name", help="your name, for the record"
    ),
]
CONTROL = "/run/nmesd/control.sock"
NMESD_TOML = Path("/etc/nmesd/nmesd.toml")
# Options of what is run in our place are its own.
PASSED_ON: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}


def ask_daemon(control: str, command: str, *, as_json: bool, **values: Any) -> NoReturn:
    """Ask, show the answer with the state first, and exit: 1 if it was refused."""
    from nmesd.daemon.client import ask

    answer = ask(control, command, **values)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"{answer['state']}: {answer['text']}" if "state" in answer else answer["text"])
        for key, value in answer.items():
            if key not in ("ok", "state", "text") and value not in (None, [], "", {}):
                for line in lines_of(key, value):
                    typer.echo(line)
    raise typer.Exit(0 if answer["ok"] else 1)


def lines_of(key: str, value: Any) -> list[str]:
    """One line; what has stages or the like, a line for each of them."""
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        return [f"  {key:16} {value}"]
    inner = [
        "  ".join(f"{name} {number:g}" for name, number in numbers.items())
        for numbers in value.values()
    ]
    return [f"  {key}", *(f"    {name:16} {text}" for name, text in zip(value, inner, strict=True))]


def span(text: str) -> tuple[float, float] | None:
    """Seconds from a:b; None for 'auto'. Raises ConfigError."""
    if text == "auto":
        return None
    first, _, last = text.partition(":")
    try:
        return float(first), float(last)
    except ValueError:
        raise ConfigError(f"{text!r}: must be 'auto' or two times in seconds, as 0:20") from None
