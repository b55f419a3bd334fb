"""`nmesd stimulator`: which ports there are, who answers, what would be sent, and one pulse onto a dummy load.

For the engineer, beside a guard that is not running: the device lets only one program in. No person is connected.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from nmesd.core.values import CoreSettings, Kind
from nmesd.daemon.stimulator import cannot, in_words, plateaus
from nmesd.drivers import LEVELS, one_by_one
from nmesd.drivers.base import Driver
from nmesd.drivers.conversation import Trace
from nmesd.drivers.sciencemode2 import ScienceMode2
from nmesd.drivers.sciencemode4 import ScienceMode4
from nmesd.errors import ConfigError, DeviceError, Reason, explain
from nmesd.guard.config import GuardConfig, read_config
from nmesd.guard.limits import Fault, violation
from nmesd.guard.tally import RISE_DIVISOR
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ZERO, ChannelOutput, Output, coded, misfits

PERIOD_US = 1_000_000  # the slowest rate there is: for limits and device it is one pulse a second
ANSWERED_NS = 300 * NS_PER_MS  # longer than any driver waits for an answer
WITHIN_NS = 2 * NS_PER_S  # from ready to the pulse; a device that has not given it by then does not
# USB vendor and product: what it may be
KNOWN = {
    (0x0483, 0x5740): "P24 or RehaMove 3: driver sciencemode4",
    (0x0403, 0x6001): "FTDI bridge, as in RehaStim 2: driver sciencemode2",
}
# driver -> what `nmesd emulate` calls its device, for --dry-run
PAPER = {"sciencemode4": "p24", "sciencemode2": "rehastim2"}


class Pulse(NamedTuple):
    """One pulse, as asked for."""

    channel: int  # from 1
    amplitude_ma: float
    pulse_width_us: int

    def output(self) -> Output:
        """As a lease would have it."""
        output = list(ZERO)
        amplitude_ua = round(self.amplitude_ma * 1000)
        output[self.channel - 1] = ChannelOutput(amplitude_ua, self.pulse_width_us, PERIOD_US)
        return tuple(output)


def ports() -> list[dict[str, Any]]:
    """Every serial port with what is known of it."""
    return [
        {
            "port": port.device,
            "description": port.description,
            "serial_number": port.serial_number,
            "may_be": KNOWN.get((port.vid, port.pid), ""),
        }
        for port in sorted(list_ports.comports(), key=_by_name)
    ]


class Unit(NamedTuple):
    """guard.toml as commissioning needs it."""

    config: GuardConfig
    stimulator: dict[str, Any]  # [stimulator] as it stands
    level: str


def read_unit(path: Path) -> Unit:
    """Read guard.toml. Raises ConfigError."""
    config = read_config(path)
    stimulator = tomllib.loads(path.read_text())["stimulator"]
    return Unit(config, stimulator, stimulator.get("level", LEVELS[0]))


def identify(unit: Unit) -> str:
    """Open the configured device, stop it, see that it gives nothing, and let it go. Raises DeviceError."""
    driver = unit.config.driver
    driver.open()
    driver.close()
    return driver.identify()


def checked(pulse: Pulse, unit: Unit) -> Output:
    """The output as the device codes it, within its steps and the guard's limits. Raises ConfigError."""
    device, output = one_by_one(unit.stimulator).capabilities, pulse.output()
    wrong = misfits(pulse.channel - 1, output[pulse.channel - 1], device)
    if wrong:
        raise ConfigError("; ".join(map(in_words, wrong)))
    real = coded(output, device)
    over = violation(real, unit.config.limits)
    if over is not None:
        raise ConfigError(explain(over.reason, over.value, over.limit))
    return real


def refusals(core: CoreSettings, config: GuardConfig) -> list[str]:
    """Why this guard, or its stimulator, would not give these settings' trains; [] if it would."""
    device, limits, programme = config.driver.capabilities, config.limits, core.programme
    found = cannot(device, core)
    train_ns = programme.ramp_up_ns + programme.plateau_ns + programme.ramp_down_ns
    rest_ns = programme.hold_off_ns + programme.rest_ns
    if programme.kind is not Kind.CYCLIC:
        rest_ns = programme.hold_off_ns + max(programme.rest_ns, programme.relax_ns)
    rise_ua = limits.rise_ua_s * (programme.ramp_up_ns + NS_PER_S // RISE_DIVISOR) // NS_PER_S
    faults: list[Fault | None] = []
    for output in plateaus(core):
        real = coded(output, device)
        faults.append(violation(real, limits))
        faults += [
            Fault(Reason.LIMIT_RISE, one.amplitude_ua, rise_ua)
            for one in real
            if one.amplitude_ua > rise_ua
        ]
    if train_ns > limits.train_ns:
        faults.append(Fault(Reason.LIMIT_TRAIN, train_ns, limits.train_ns))
    if rest_ns < limits.rest_ns:
        faults.append(Fault(Reason.LIMIT_REST, rest_ns, limits.rest_ns))
    words = [explain(one.reason, one.value, one.limit) for one in faults if one is not None]
    return found + list(dict.fromkeys(words))


def single_pulse(unit: Unit, output: Output, trace: Trace) -> int:
    """Give it. Raises ConfigError at level dry-run, DeviceError."""
    if unit.level == LEVELS[0]:
        raise ConfigError(
            f'level = "{unit.level}" in [stimulator]: a pulse needs "{LEVELS[1]}" or "{LEVELS[2]}"'
        )
    driver = one_by_one(unit.stimulator)
    _show(driver, trace)
    return give_one(driver, output)


def give_one(driver: Driver, output: Output) -> int:
    """Open, ready, one pulse, stop, close. Gives the pulses that were sent. Raises DeviceError."""
    driver.open()
    try:
        given, end_ns = 0, time.monotonic_ns() + WITHIN_NS
        driver.apply(ZERO, time.monotonic_ns())
        _listen(driver, ANSWERED_NS)
        driver.apply(output, time.monotonic_ns())
        while not given and time.monotonic_ns() < end_ns:
            given += driver.tick(time.monotonic_ns()).pulses
            _listen(driver, NS_PER_MS)
        _listen(driver, ANSWERED_NS)
        driver.zero(time.monotonic_ns())
        _listen(driver, ANSWERED_NS)
        return given
    finally:
        driver.close()


def dry_run(stimulator: dict[str, Any], output: Output, trace: Trace) -> int:
    """The same with an emulated device of its kind on a pty, telling every byte to `trace`."""
    name = stimulator["driver"]
    if name not in PAPER:
        raise ConfigError(f"driver {name!r} sends no bytes: nothing to show")
    with _emulated(stimulator.get("model", PAPER[name])) as port:
        own = {"parity": "none"} if name == "sciencemode2" else {}
        driver = one_by_one({**stimulator, **own, "port": port})
        _show(driver, trace)
        return give_one(driver, output)


@contextmanager
def _emulated(model: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="nmesd-") as folder:
        link = Path(folder) / "tty"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nmesd.sim.emulate", model),
                *("--link", str(link), "--pulses", f"{folder}/p", "--until-eof"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        try:
            end_ns = time.monotonic_ns() + 10 * NS_PER_S
            while not link.exists():
                if process.poll() is not None or time.monotonic_ns() > end_ns:
                    raise DeviceError("the emulated stimulator did not start")
                time.sleep(0.01)
            yield str(link)
        finally:
            process.communicate()


def _show(driver: Driver, trace: Trace) -> None:
    """Packets to `trace`, from a driver that has any."""
    if isinstance(driver, ScienceMode2 | ScienceMode4):
        driver.trace(trace)


def _by_name(port: ListPortInfo) -> str:
    return str(port.device)


def _listen(driver: Driver, span_ns: int) -> None:
    end_ns = time.monotonic_ns() + span_ns
    while time.monotonic_ns() < end_ns:
        driver.listen(time.monotonic_ns())
        time.sleep(0.001)
