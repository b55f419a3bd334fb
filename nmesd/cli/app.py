"""The application the commands belong to."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Closed-loop, EMG-triggered electrical stimulation. Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
