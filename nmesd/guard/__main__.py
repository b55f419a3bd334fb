"""Process entry: `python -m nmesd.guard [--zero] guard.toml`. Says what it does as JSON lines.

--zero: open the configured device, command stop, see that it obeys, exit. For ExecStopPost and for hands.
Exit codes: 0 orderly end, or zero verified; 1 zero not verified; 2 could not start.
"""

import json
import signal
import sys
import time
from typing import Any

from nmesd.errors import ConfigError, DeviceError, LinkError, NmesdError
from nmesd.guard.config import GuardConfig, read_config
from nmesd.guard.door import Door
from nmesd.guard.interlock import State
from nmesd.guard.loop import Guard
from nmesd.guard.tally import RISE_DIVISOR, Channel, Tally
from nmesd.realtime import GUARD_PRIORITY, fill_free_lists, go_real_time
from nmesd.stopping import NO_ZERO, stop
from nmesd.wire import listens


def log(event: str, **facts: Any) -> None:
    """One JSON line on standard error. Called on changes only, after the output was commanded."""
    line = {"event": event, "room": "guard", "mono_ns": time.monotonic_ns(), **facts}
    sys.stderr.write(json.dumps(line, default=str) + "\n")


def main(arguments: list[str]) -> int:
    """Run the guard until SIGTERM, or only make sure of zero."""
    zero, files = "--zero" in arguments, [one for one in arguments if one != "--zero"]
    if len(files) != 1 or files[0].startswith("-"):
        sys.stderr.write("usage: python -m nmesd.guard [--zero] guard.toml\n")
        return 2
    try:
        config = read_config(files[0])
        return verify_zero(config) if zero else run(config)
    except NmesdError as error:
        log(
            "zero NOT verified: pull the electrode plug" if zero else "guard cannot start",
            error=str(error),
        )
        return 1 if zero and isinstance(error, DeviceError | LinkError) else 2


def run(config: GuardConfig) -> int:
    """The guard, from a verified zero to a commanded one."""
    driver = config.driver
    limits = config.limits._replace(device=driver.capabilities)
    if (jump_ua := driver.capabilities.amplitude_least_ua) > limits.rise_ua_s // RISE_DIVISOR:
        raise ConfigError(f"it begins at {jump_ua} µA: give rise_ma_s ten times that in mA/s")
    driver.open()
    door = Door(config.socket, config.client_uid)
    missing = go_real_time(GUARD_PRIORITY)
    fill_free_lists(State(), Tally(), Channel())
    for lack in missing:
        log("warning", text=lack)
    guard = Guard(config._replace(limits=limits), driver, door, log, real_time=not missing)

    def end(*_: object) -> None:
        guard.stopping = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    log("guard ready", stimulator=driver.identify(), socket=config.socket, limits=limits._asdict())
    try:
        guard.run()
    finally:
        driver.close()
        door.close()
    return 0


def verify_zero(config: GuardConfig) -> int:
    """Zero by the guard that runs, or else by opening the device, which ends only when it has stopped."""
    if listens(config.socket):
        if (state := stop(config.socket)) == NO_ZERO:
            raise DeviceError("a guard is running, but its stimulator took no zero")
        log("zero verified", by="the guard that is running", state=state)
        return 0
    config.driver.open()
    config.driver.close()
    log("zero verified", by="the stimulator itself", stimulator=config.driver.identify())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
