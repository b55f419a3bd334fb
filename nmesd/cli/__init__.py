"""The commands. Imports lazily: `nmesd guard` must not load numpy, `nmesd stop` loads nothing before it stops."""

from __future__ import annotations

import sys

from nmesd.errors import NmesdError
from nmesd.stopping import knock


def main() -> None:
    """Entry point: an error for a person is one line and exit code 2, never a traceback."""
    knock(sys.argv[1:])
    from nmesd.cli.commands import app

    try:
        app()
    except NmesdError as error:
        sys.stderr.write(f"nmesd: {error}\n")
        sys.exit(2)
