"""How each stimulator is spoken to. `DRIVERS` is the whole list; a driver is imported only when it is opened."""

from __future__ import annotations

from importlib import import_module

from nmesd.drivers.base import Driver
from nmesd.errors import ConfigError

# name in guard.toml -> (module, class)
DRIVERS = {
    "sim": ("nmesd.drivers.sim", "SimulatedStimulator"),
    "sim_device": ("nmesd.drivers.sim_device", "SimulatedDevice"),
    "null": ("nmesd.drivers.null", "NullStimulator"),
}


def make_driver(name: str, port: str) -> Driver:
    """The driver called `name` for the device at `port`, not yet opened. Raises ConfigError."""
    if name not in DRIVERS:
        raise ConfigError(f"[stimulator] driver = {name!r}: known are {', '.join(sorted(DRIVERS))}")
    module, cls = DRIVERS[name]
    driver: Driver = getattr(import_module(module), cls)(port)
    return driver
