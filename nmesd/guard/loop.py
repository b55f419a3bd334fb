"""The guard's loop: frames and time go into the interlock, what it lets through goes to the stimulator."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Any

from nmesd.drivers.base import NEVER_NS, Driver, Given
from nmesd.errors import DeviceError, LinkError, Reason, explain
from nmesd.guard.config import GuardConfig
from nmesd.guard.door import Door
from nmesd.guard.interlock import Fault, State, connected, step
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import GuardState, Received, Report

TICK_NS = 5 * NS_PER_MS  # how often it looks at its own clock at least
LATE_NS = 10 * NS_PER_MS  # half a default lease: later than this it no longer trusts its own watch
MOST_FRAMES = 64  # read in one turn, so that no flood keeps it from its clock and the stop
REPORT_NS = 20 * NS_PER_MS

Log = Callable[..., None]


class Guard:
    """State and I/O of the guard process."""

    def __init__(
        self, config: GuardConfig, driver: Driver, door: Door, log: Log, *, real_time: bool
    ) -> None:
        self.stopping = False
        self._config, self._driver, self._door, self._log = config, driver, door, log
        self._real_time = real_time
        self._state = State(
            now_ns=time.monotonic_ns(), nonce=int.from_bytes(os.urandom(8), "little")
        )
        self._next_pulse_ns = NEVER_NS
        self._report_ns = 0
        self._pulses = self._charge_pc = self._late_max_ns = 0
        self._first = (0, 0, 0, 0)  # stages of the last change from zero to output, see wire.Report
        self._waiting_for_first = False
        self._zero_owed = False  # the device failed and has not taken a zero since

    def run(self) -> None:
        """Loop until `stopping`, then end at zero."""
        self._driver.zero(time.monotonic_ns())
        try:
            while not self.stopping:
                self._turn()
        finally:
            self._step(Fault(Reason.GUARD_SHUTDOWN))
            self._driver.zero(time.monotonic_ns())
            self._report()

    # ---- one turn of the loop -----------------------------------------------------------------------------

    def _turn(self) -> None:
        planned_ns = self._wake_ns(time.monotonic_ns())
        ready = self._wait(planned_ns)
        late_ns = time.monotonic_ns() - planned_ns
        if self._state.state is GuardState.ARMED:
            self._late_max_ns = max(self._late_max_ns, late_ns)
            if late_ns > LATE_NS:
                self._step(Fault(Reason.GUARD_LATE, late_ns, LATE_NS))
        if self._door.stopper in ready and self._door.knocked():
            self._step(Fault(Reason.OPERATOR_STOP))
        if self._door.client in ready:
            self._read_client()
        if self._door.listener in ready and self._door.accept():
            self._state = connected(self._state, time.monotonic_ns())
            self._report()
        self._step(None)
        if self._zero_owed:
            self._zero_again()
        self._give()
        if time.monotonic_ns() >= self._report_ns:
            self._report()

    def _wake_ns(self, now_ns: int) -> int:
        wake_ns = min(now_ns + TICK_NS, self._next_pulse_ns)
        if self._state.state is GuardState.ARMED:
            wake_ns = min(wake_ns, self._state.expiry_ns)
        return max(wake_ns, now_ns)

    def _wait(self, until_ns: int) -> list[Any]:
        sockets = [self._door.listener, self._door.stopper, self._door.client]
        timeout_s = max(0, until_ns - time.monotonic_ns()) / NS_PER_S
        ready: list[Any]
        ready, _, _ = select.select([s for s in sockets if s is not None], [], [], timeout_s)
        return ready

    def _read_client(self) -> None:
        client = self._door.client
        if client is None:
            return
        try:
            for _ in range(MOST_FRAMES):
                if (received := client.receive()) is None:
                    break
                self._step(received)
        except LinkError as error:
            self._step(Fault(Reason.FRAME_BAD))
            self._log("bad frame", error=str(error))
        if client.closed:
            self._door.drop_client()
            if self._state.state is GuardState.ARMED:
                self._step(Fault(Reason.ENGINE_GONE))

    # ---- interlock and device -----------------------------------------------------------------------------

    def _step(self, cause: Received | Fault | None) -> None:
        before, now_ns = self._state, time.monotonic_ns()
        self._state = after = step(
            before, now_ns, cause, self._config.limits, self._config.limits_hash
        )
        if after.output != before.output:
            self._command(before, after, now_ns)
        if after.state is not before.state:
            self._tell_change(before)

    def _command(self, before: State, after: State, now_ns: int) -> None:
        try:
            if after.state is not GuardState.ARMED or not any(c.amplitude_ua for c in after.output):
                self._next_pulse_ns = NEVER_NS
                self._driver.zero(now_ns)
                self._zero_owed = False
                return
            self._driver.apply(after.output, now_ns)
            self._next_pulse_ns = now_ns
            if not any(c.amplitude_ua for c in before.output):
                self._waiting_for_first = True
        except DeviceError as error:
            self._device_failed(error)

    def _give(self) -> None:
        now_ns = time.monotonic_ns()
        armed = self._state.state is GuardState.ARMED and now_ns < self._state.expiry_ns
        if not armed or now_ns < self._next_pulse_ns:
            return
        try:
            given = self._driver.tick(now_ns)
        except DeviceError as error:
            self._device_failed(error)
            return
        self._count(given, now_ns)

    def _count(self, given: Given, now_ns: int) -> None:
        self._next_pulse_ns = given.next_ns
        self._pulses += given.pulses
        self._charge_pc += given.charge_pc
        if self._waiting_for_first and given.pulses and self._state.lease is not None:
            self._waiting_for_first = False
            self._first = (
                self._state.sequence,
                self._state.lease.sample_ns,
                now_ns,
                time.monotonic_ns(),
            )
            self._report()

    def _zero_again(self) -> None:
        try:
            self._driver.zero(time.monotonic_ns())
            self._zero_owed = False
        except DeviceError as error:
            if self._state.state is not GuardState.TRIPPED:  # else it was said, and is tried again
                self._device_failed(error)

    def _device_failed(self, error: DeviceError) -> None:
        self._zero_owed = True
        self._next_pulse_ns = NEVER_NS
        if self._state.state is not GuardState.TRIPPED:
            self._step(Fault(Reason.DEVICE_FAILED))
        self._log("device failed", error=str(error))

    # ---- telling ------------------------------------------------------------------------------------------

    def _tell_change(self, before: State) -> None:
        trip = self._state.trip
        self._waiting_for_first = False
        self._report()
        facts: dict[str, Any] = {"before": before.state.name, "after": self._state.state.name}
        if trip is not None:
            facts |= {"reason": trip.reason.name, "value": trip.value, "limit": trip.limit}
            facts["text"] = explain(trip.reason, trip.value, trip.limit)
        if self._state.state is GuardState.ARMED:
            self._late_max_ns = 0
        self._log("guard state", **facts)

    def _report(self) -> None:
        self._report_ns = time.monotonic_ns() + REPORT_NS
        if self._door.client is None:
            return
        state = self._state
        trip = state.trip or Fault(Reason.NONE)
        self._door.client.send(
            Report(
                state.state,
                state.nonce,
                self._config.limits_hash,
                state.session,
                *trip,
                state.sequence,
                any(c.amplitude_ua for c in state.output),
                self._pulses,
                self._charge_pc,
                *self._first,
                self._late_max_ns,
                self._real_time,
                self._driver.capabilities.simulated,
            )
        )
