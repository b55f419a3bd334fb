"""A stimulator that is set by hand and has a trigger or a gate input, each on a line of a GPIO chip.

With a trigger line it gives one pulse for each rising edge. With a gate line alone it gives pulses at its own rate
while the gate is open, and for as long as the monostable holds it open after that. Nothing can be read from it:
what the guard counts is what guard.toml says it is set to, and that its two phases balance is its own affair.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from nmesd.drivers.base import NEVER_NS, Given
from nmesd.drivers.gpio_line import MOST_LINES, TOGGLE_MS, Gate, Line, do_all, open_line
from nmesd.drivers.gpio_trains import SelfPaced, Train, Triggered
from nmesd.drivers.options import Option
from nmesd.errors import ConfigError, DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_US, charge_pc
from nmesd.wire import ZERO, Capabilities, Output, is_zero
from nmesd.wire.coding import coded

# C: chosen here. Shorter than 0.1 ms a tick cannot make it; 5 ms is half a period at 100 Hz, the ceiling.
TRIGGER_US = range(100, 5001)
_NO_OR_LINE = range(-1, MOST_LINES)
_LINE = f"must be the line's number on the chip, 0 to {MOST_LINES - 1}, or -1 for none"


class TriggerLines:
    """The stimulator on lines of the chip labelled `port`."""

    OPTIONS: ClassVar[dict[str, Option]] = {
        "trigger_line": Option(-1, int, _NO_OR_LINE, _LINE),
        "gate_line": Option(-1, int, _NO_OR_LINE, _LINE),
        "trigger_us": Option(1000, int, TRIGGER_US, "must be 100 to 5000 µs: a trigger pulse"),
        "gate_toggle_ms": Option(
            5, int, TOGGLE_MS, "must be 1 to 10 ms, a sixth of the time of the gate's monostable"
        ),
        # Ceilings as those of [limits]: a device set higher could never give.
        "set_amplitude_ua": Option(
            None, int, range(1, 130_001), "say what the stimulator is set to, 1 to 130000 µA"
        ),
        "set_pulse_width_us": Option(
            None, int, range(1, 501), "say what the stimulator is set to, 1 to 500 µs per phase"
        ),
        "set_rate_mhz": Option(
            0,
            int,
            (0, *range(1000, 100_001)),
            "must be 1000 to 100000 mHz, or 0 with a trigger line",
        ),
    }

    def __init__(
        self,
        port: str,
        *,
        trigger_line: int,
        gate_line: int,
        trigger_us: int,
        gate_toggle_ms: int,
        set_amplitude_ua: int,
        set_pulse_width_us: int,
        set_rate_mhz: int,
    ) -> None:
        _refuse_contradictions(port, trigger_line, gate_line, set_rate_mhz)
        self._chip, self._trigger_line, self._gate_line = port, trigger_line, gate_line
        self._trigger_ns, self._toggle_ns = trigger_us * NS_PER_US, gate_toggle_ms * NS_PER_MS
        self._rate_mhz = set_rate_mhz
        self._charge_pc = charge_pc(set_amplitude_ua, set_pulse_width_us)
        if trigger_line >= 0:
            least, most = 2 * trigger_us, 2**32 - 1  # high, and low for as long
        else:
            least = most = -(-(10**9) // set_rate_mhz)  # rounded as the daemon rounds a rate
        self.capabilities = Capabilities(
            channels=1,
            simulated=False,
            one_period=False,
            amplitude_least_ua=set_amplitude_ua,
            amplitude_most_ua=set_amplitude_ua,
            width_least_us=set_pulse_width_us,
            width_most_us=set_pulse_width_us,
            period_least_us=least,
            period_most_us=most,
        )
        self._lines: list[Line] = []
        self._train: Train | None = None

    def open(self) -> None:
        """Claim the lines, each low and read back, the gate first."""
        try:
            for number in (self._gate_line, self._trigger_line):
                if number >= 0:
                    self._lines.append(open_line(self._chip, number))
        except DeviceError:
            with contextlib.suppress(DeviceError):
                self.close()
            raise
        gate = Gate(self._lines[0], self._toggle_ns) if self._gate_line >= 0 else None
        if self._trigger_line >= 0:
            self._train = Triggered(self._lines[-1], self._trigger_ns, gate)
        elif gate is not None:
            self._train = SelfPaced(gate, 10**12 // self._rate_mhz)

    def identify(self) -> str:
        """What it is set to, and which lines it hangs on."""
        can = self.capabilities
        said = f"{can.amplitude_most_ua / 1000:g} mA, {can.width_most_us} µs"
        if self._rate_mhz:
            said += f", {self._rate_mhz / 1000:g} Hz"
        lines = []
        if self._trigger_line >= 0:
            lines.append(f"trigger on line {self._trigger_line}")
        if self._gate_line >= 0:
            toggle_ms = self._toggle_ns // NS_PER_MS
            lines.append(f"gate on line {self._gate_line}, toggled every {toggle_ms} ms")
        return f"stimulator set by hand to {said}; {', '.join(lines)} of {self._chip}"

    def fileno(self) -> int:
        """It never says anything."""
        return -1

    def listen(self, now_ns: int) -> Sequence[int]:
        """It never says anything."""
        return ()

    def zero(self, now_ns: int) -> None:
        """Both lines low. A gate without a trigger shuts when its monostable has run out."""
        if self._train is not None:
            self._train.silence(now_ns)

    def apply(self, output: Output, now_ns: int) -> None:
        """Give this from now on; whatever it is not set to is refused."""
        if is_zero(output):
            self.zero(now_ns)
            return
        if self._train is None:
            raise DeviceError("the trigger lines are not open: restart the guard")
        self._refuse_what_it_is_not_set_to(output)
        self._train.give(output)

    def tick(self, now_ns: int) -> Given:
        """Toggle the gate, then raise the trigger, or lower it; what is due."""
        if self._train is None:
            return Given(0, 0, 0, NEVER_NS)
        pulses, next_ns = self._train.tick(now_ns)
        return Given(pulses, pulses * self._charge_pc, 0, next_ns)

    def close(self) -> None:
        """Both lines low, and let go."""
        lines, self._lines, self._train = self._lines, [], None
        do_all(*(line.close for line in lines))

    def _refuse_what_it_is_not_set_to(self, output: Output) -> None:
        one, can = output[0], self.capabilities
        for channel, other in enumerate(output[1:], 2):
            if other.amplitude_ua:
                text = f"the stimulator on {self._chip} has channel 1 only, not {channel}"
                raise DeviceError(text, Reason.LIMIT_CHANNEL, channel)
        for reason, value, most, unit in (
            (Reason.LIMIT_AMPLITUDE, one.amplitude_ua, can.amplitude_most_ua, "µA"),
            (Reason.LIMIT_PULSE_WIDTH, one.pulse_width_us, can.width_most_us, "µs"),
        ):
            if value > most:
                text = (
                    f"{value} {unit} was asked of a stimulator set to {most} {unit}: set both alike"
                )
                raise DeviceError(text, reason, value, most)
        if coded((one, *ZERO[1:]), can)[0] != one:
            raise DeviceError(
                f"{one} was asked: less than the stimulator is set to, or faster than it can: set both alike"
            )


def _refuse_contradictions(port: str, trigger_line: int, gate_line: int, set_rate_mhz: int) -> None:
    where = "[stimulator] "
    if not port:
        raise ConfigError(where + 'port = "": name the GPIO chip by its label, see `gpiodetect`')
    if trigger_line == gate_line:
        wanted = "give at least one of the two, and not the same line for both"
        raise ConfigError(where + f"trigger_line = gate_line = {gate_line}: {wanted}")
    if trigger_line < 0 and not set_rate_mhz:
        wanted = "say at which rate the stimulator is set to pulse, or give its trigger_line"
        raise ConfigError(where + f"set_rate_mhz = 0: {wanted}")
    if trigger_line >= 0 and set_rate_mhz:
        wanted = "must be 0 with a trigger_line: the pulses follow the triggers"
        raise ConfigError(where + f"set_rate_mhz = {set_rate_mhz}: {wanted}")
