"""Time to zero: the engine is stopped in mid-train, frozen or killed, and the stimulator's zero is waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from nmesd.certificate.verdict import as_ms
from nmesd.errors import LinkError
from nmesd.sim.rig import Rig
from nmesd.units import NS_PER_S

MOST: Final = {"frozen": 5, "killed": 3}
EACH_S: Final = 10.0  # of measuring, a try; at least one
SIGNALS: Final = {"frozen": signal.SIGSTOP, "killed": signal.SIGKILL}
INTO_TRAIN_S: Final = 0.35  # beyond the ramp
MOST_TRAINS: Final = 5
LOOK_S: Final = 0.5  # for the zero, and for pulses after it


class Stopping:
    """Stops engines, as often as fits so many seconds of measuring.

    in_train: brings a train about, gives the engine's pid, 0 if there was none in time.
    listens: whether the stimulator says when it gave what.
    """

    def __init__(
        self, rig: Rig, in_train: Callable[[], int], seconds: float, *, listens: bool
    ) -> None:
        self._rig, self._in_train, self._listens = rig, in_train, listens
        self._times_ms: dict[str, list[float]] = {how: [] for how in SIGNALS}
        self._tries = {how: min(most, max(1, int(seconds / EACH_S))) for how, most in MOST.items()}
        self._after = 0

    def run(self, tell: Callable[[str], None]) -> dict[str, Any]:
        """All of them; `frozen_ms` and `killed_ms` in the order they were measured."""
        for how, times in self._tries.items():
            for number in range(times):
                tell(f"engine {how} in mid-train, {number + 1} of {times}")
                self._once(how)
        frozen = self._times_ms["frozen"]
        return {
            **{f"{how}_ms": times for how, times in self._times_ms.items()},
            "tries": self._tries,
            "median_ms": median(frozen) if frozen else None,
            "worst_ms": max(frozen, default=None),
            "pulses_after": self._after if self._listens else None,
            "zero_seen_by": "the stimulator" if self._listens else "the guard, after its command",
        }

    def _once(self, how: str) -> None:
        pid = self._standing_train()
        if not pid:
            return
        at_ns = time.monotonic_ns()
        os.kill(pid, SIGNALS[how])
        time.sleep(LOOK_S)
        zeroed_ns = self._zeroed_ns(at_ns)
        if zeroed_ns is not None:
            self._times_ms[how].append(as_ms(zeroed_ns - at_ns))
            self._after += sum(pulse.given_ns > zeroed_ns for pulse in self._rig.currents())
        if how == "frozen":
            os.kill(pid, signal.SIGKILL)  # the daemon starts another; the guard's trip stays
        self._recover(pid)

    def _standing_train(self) -> int:
        """In the middle of a train; one that ended by itself before it was there is no place to stop an engine."""
        for _ in range(MOST_TRAINS):
            pid = self._in_train()
            if not pid:
                break
            time.sleep(INTO_TRAIN_S)
            if self._rig.status()["state"] == "STIMULATING":
                return pid
        return 0

    def _zeroed_ns(self, at_ns: int) -> int | None:
        if self._listens:
            return self._rig.zeroed_ns(at_ns)
        tripped_ns = self._rig.tripped_ns()
        return tripped_ns if tripped_ns >= at_ns else None

    def _recover(self, pid: int) -> None:
        """Another engine, and the trip reset, as an operator would."""
        until_ns = time.monotonic_ns() + 20 * NS_PER_S
        while time.monotonic_ns() < until_ns:
            now = self._rig.status()
            if now.get("engine_pid") not in (None, 0, pid) and now["state"] == "TRIPPED":
                with contextlib.suppress(LinkError):
                    self._rig.ask("reset", operator="certificate")
                    return
            time.sleep(0.05)
