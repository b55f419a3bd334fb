"""The commands. Imports lazily: `nmesd guard` must not load numpy, `nmesd stop` must not load anything slow."""

from __future__ import annotations

import sys

# Each brings its commands, in the order in which `nmesd --help` shows them.
from nmesd.cli import services, operator, monitoring, logs, setting_up  # isort: skip # noqa: F401
from nmesd.cli import afterwards, tuning, reporting, rehearsing  # isort: skip # noqa: F401
from nmesd.cli.app import app
from nmesd.errors import NmesdError

__all__ = ["app", "main"]


def main() -> None:
    """Entry point: an error for a person is one line and exit code 2, never a traceback."""
    try:
        app()
    except NmesdError as error:
        sys.stderr.write(f"nmesd: {error}\n")
        sys.exit(2)
