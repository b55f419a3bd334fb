"""Process entry: `python -m nmesd.engine --daemon FD`, started by the daemon, which sends the settings first."""

from __future__ import annotations

import argparse
import select
import signal
import socket
import sys

from nmesd.engine.settings import EngineSettings
from nmesd.errors import LinkError
from nmesd.realtime import ENGINE_PRIORITY, go_real_time, lock_code
from nmesd.wire import Link, Settings
from nmesd.wire.lifeline import Watch


def main() -> int:
    """Run the engine until the daemon ends it. Exit code 2 if it could not start."""
    parser = argparse.ArgumentParser(prog="nmesd.engine")
    parser.add_argument("--daemon", type=int, required=True, help="inherited file descriptor")
    parser.add_argument("--lifeline", type=int, required=True, help="the daemon's, inherited")
    arguments = parser.parse_args()
    daemon = Link(socket.socket(fileno=arguments.daemon))
    try:
        settings = _settings(daemon)
        import pylsl  # noqa: PLC0415 - after the arguments: it may be missing, and says so badly
    except (LinkError, RuntimeError, KeyError, TypeError, ValueError) as error:
        sys.stderr.write(f"engine cannot start: {error}\n")
        return 2
    pylsl.util.set_config_content(settings.lsl_config)
    # Before the inlet, whose threads inherit it.
    missing = go_real_time(ENGINE_PRIORITY, whole=False)
    for lack in missing:
        sys.stderr.write(f"engine: {lack}\n")

    from nmesd.engine.process import Engine  # noqa: PLC0415 - needs pylsl configured

    lock_code(
        but="/numpy.libs/"
    )  # LAPACK, and OpenBLAS for every processor there is: 25 MB that nobody runs
    lifeline = Watch(arguments.lifeline)
    lifeline.watch()
    engine = Engine(settings, daemon, lifeline)

    def end(*_: object) -> None:
        engine.ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the daemon, which ends us
    engine.run()
    return 0


def _settings(daemon: Link) -> EngineSettings:
    select.select([daemon.fileno()], [], [], 5.0)
    received = daemon.receive()
    if received is None or not isinstance(received.frame, Settings):
        raise LinkError("the daemon did not send settings")
    return EngineSettings.from_json(received.frame.payload)


if __name__ == "__main__":
    sys.exit(main())
