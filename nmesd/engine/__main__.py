"""Process entry: `python -m nmesd.engine --daemon FD`, started by the daemon, which sends the settings."""

from __future__ import annotations

import argparse
import signal
import socket
import sys

from nmesd.errors import LinkError
from nmesd.wire import Link
from nmesd.wire.lifeline import Watch


def main() -> int:
    """Run the engine until the daemon ends it. Exit code 2 if it could not start."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the daemon, which ends us
    parser = argparse.ArgumentParser(prog="nmesd.engine")
    parser.add_argument("--daemon", type=int, required=True, help="inherited file descriptor")
    parser.add_argument("--lifeline", type=int, required=True, help="the daemon's, inherited")
    arguments = parser.parse_args()
    daemon = Link(socket.socket(fileno=arguments.daemon))
    try:
        # After the arguments: liblsl may be missing, and says so badly.
        from nmesd.engine.beginning import begun  # noqa: PLC0415
        from nmesd.engine.process import Engine  # noqa: PLC0415

        found = begun(daemon)
    except (LinkError, RuntimeError, KeyError, TypeError, ValueError) as error:
        sys.stderr.write(f"engine cannot start: {error}\n")
        return 2
    if found is None:
        return 0
    settings, stream = found
    lifeline = Watch(arguments.lifeline)
    lifeline.watch()
    engine = Engine(settings, daemon, lifeline, stream)

    def end(*_: object) -> None:
        engine.ending = True

    signal.signal(signal.SIGTERM, end)
    engine.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
