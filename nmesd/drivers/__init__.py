"""How each stimulator is spoken to. `DRIVERS` is the whole list; a driver is imported only when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from nmesd.drivers.base import Driver
from nmesd.drivers.options import Option, chosen, wrong
from nmesd.errors import ConfigError
from nmesd.toml import valued

# name in guard.toml -> (module, class)
DRIVERS = {
    "sciencemode4": ("nmesd.drivers.sciencemode4", "ScienceMode4"),
    "sciencemode2": ("nmesd.drivers.sciencemode2", "ScienceMode2"),
    "gpio": ("nmesd.drivers.gpio", "TriggerLines"),
    "sim": ("nmesd.drivers.sim", "SimulatedStimulator"),
    "null": ("nmesd.drivers.null", "NullStimulator"),
}
# Known, and refused: why.
REFUSED = {
    "sciencemode1": "RehaStim 1 has no dead-man and goes on for ever if its computer fails; "
    'if it has a trigger input, use driver = "gpio"',
}
# How far a new installation may go. At the first two the guard opens the device, stops it, and gives no pulse.
LEVELS = ("dry-run", "single-pulse", "full")
_COMMON = {
    "driver": Option(None, str, DRIVERS, ""),
    "port": Option(None, str, "", "a text is needed: what the driver opens"),
    "level": Option("dry-run", str, LEVELS, f"must be one of {', '.join(LEVELS)}"),
}


def make_driver(name: str, port: str, options: Mapping[str, Any] | None = None) -> Driver:
    """The driver called `name` for the device at `port`, not yet opened. Raises ConfigError."""
    driver_class = _class_of(name)
    driver: Driver = driver_class(port, **chosen(driver_class.OPTIONS, options or {}, "stimulator"))
    return driver


def one_by_one(stimulator: Mapping[str, Any]) -> Driver:
    """The driver of [stimulator], whatever its level, in the mode in which nothing repeats: for commissioning."""
    driver_class = _class_of(stimulator.get("driver"))
    own = {key: value for key, value in stimulator.items() if key in driver_class.OPTIONS}
    mode = getattr(driver_class, "ONE_BY_ONE", {})
    return make_driver(stimulator["driver"], stimulator["port"], {**own, **mode})


def driver_from_config(stimulator: Mapping[str, Any], gate: Mapping[str, Any] | None) -> Driver:
    """What [stimulator] and [gate] of guard.toml describe, not yet opened.

    Raises ConfigError with everything that is wrong, a line each that begins with table and key.
    """
    own = {key: value for key, value in stimulator.items() if key != "channels"}
    gated = None if gate is None else import_module("nmesd.drivers.gated")
    said = wrong(gated.OPTIONS, gate or {}, "gate") if gated else []
    try:
        options = _class_of(own.get("driver")).OPTIONS
    except ConfigError as error:  # without a driver only what all have, or none, can be judged
        theirs = {key for name in DRIVERS for key in _class_of(name).OPTIONS}
        own = {key: own[key] for key in own if key not in theirs} | {"driver": next(iter(DRIVERS))}
        options, said = {}, [str(error), *said]
    keys = {**_COMMON, **options}
    if said := [*wrong(keys, own, "stimulator"), *said]:
        raise ConfigError("\n".join(said))
    values = chosen(keys, own, "stimulator")
    driver = make_driver(values["driver"], values["port"], {key: values[key] for key in options})
    if gated:
        driver = gated.Gated(driver, gate)
    if values["level"] != "full":
        from nmesd.drivers.dry_run import DryRun

        driver = DryRun(driver, values["level"])
    return driver


def _class_of(name: object) -> Any:
    if isinstance(name, str) and name in REFUSED:
        raise ConfigError(f"[stimulator] driver = {name!r} is refused: {REFUSED[name]}")
    if not isinstance(name, str) or name not in DRIVERS:
        raise ConfigError(
            f"[stimulator] {valued('driver', name)}: known are {', '.join(sorted(DRIVERS))}"
        )
    module, cls = DRIVERS[name]
    return getattr(import_module(module), cls)
