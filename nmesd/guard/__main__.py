"""Process entry: `python -m nmesd.guard guard.toml`. Standard library only; says what it does as JSON lines."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from nmesd.drivers import make_driver
from nmesd.errors import NmesdError
from nmesd.guard.config import read_config
from nmesd.guard.door import Door
from nmesd.guard.loop import Guard
from nmesd.realtime import GUARD_PRIORITY, go_real_time


def log(event: str, **facts: Any) -> None:
    """One JSON line on standard error. Called on changes only, after the output was commanded."""
    line = {"event": event, "room": "guard", "mono_ns": time.monotonic_ns(), **facts}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def main() -> int:
    """Run the guard until SIGTERM. Exit code 0 after an orderly end, 2 if it could not start."""
    parser = argparse.ArgumentParser(
        prog="nmesd guard", description="the process that alone may stimulate"
    )
    parser.add_argument("config", type=Path, help="guard.toml")
    config_path = parser.parse_args().config
    try:
        config = read_config(config_path)
        driver = make_driver(config.driver, config.port)
        driver.open()
        door = Door(config.socket)
    except NmesdError as error:
        log("guard cannot start", error=str(error))
        return 2
    missing = go_real_time(GUARD_PRIORITY)
    for lack in missing:
        log("warning", text=lack)
    guard = Guard(config, driver, door, log, real_time=not missing)

    def end(*_: object) -> None:
        guard.stopping = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    log(
        "guard ready",
        stimulator=driver.identify(),
        socket=config.socket,
        limits=_limits(config.limits._asdict()),
    )
    try:
        guard.run()
    finally:
        driver.close()
        door.close()
    return 0


def _limits(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: sorted(c + 1 for c in v) if isinstance(v, frozenset) else v
        for key, v in values.items()
    }


if __name__ == "__main__":
    sys.exit(main())
