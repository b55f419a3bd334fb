"""What the campaign runs against: the simulated stimulator, or an emulated device behind a driver and a pty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Device(NamedTuple):
    """A driver, and what can be asked of what it drives."""

    driver: str
    options: Mapping[str, Any] = {}
    # What a stop may take from the guard's write to the device's obeying: a pty passes a kernel worker without
    # real-time rights, and what is on its way is given.
    obeys_ms: float = 0.0
    # How long it goes on without a guard: 0 if the guard sends each pulse, else its dead-man.
    goes_on_ms: float = 0.0
    unanswered_ms: float = 0.0  # until the driver knows that an answer does not come
    amplitude_step_ua: int = 1
    period_step_us: int = 1

    def over(self, channel: int, amplitude_ua: int, width_us: int, period_us: int) -> list[int]:
        """An output that is over a limit, in the next steps that the device has."""
        up, down = self.amplitude_step_ua, self.period_step_us
        return [channel, -(-amplitude_ua // up) * up, width_us, period_us // down * down]


PTY_MS = 5.0
DEVICES = {
    "sim": Device("sim"),
    # ACK_NS of the driver; each pulse is answered, so nothing is waited for before
    "p24": Device("sciencemode4", {}, PTY_MS, 0, 150, 500),
    # a keep-alive every 100 ms, and then ACK_NS
    "p24-mid": Device("sciencemode4", {"mode": "mid"}, PTY_MS, 2000, 250, 500, 500),
    "rehastim2": Device("sciencemode2", {}, PTY_MS, 1200, 200, 2000, 500),
}
