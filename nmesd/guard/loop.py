"""The guard's loop: frames and time go into the interlock, what it lets through goes to the stimulator."""

import os
import select
import time
from collections.abc import Callable
from typing import Any

from nmesd.drivers.base import NEVER_NS, Driver
from nmesd.errors import DeviceError, LinkError, Reason, explain
from nmesd.guard.config import GuardConfig
from nmesd.guard.door import Door
from nmesd.guard.interlock import Cause, State, connected, step
from nmesd.guard.limits import Fault
from nmesd.stopping import NO_ZERO
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import GuardState, Hello, Lease, Link, Received, Report, Stage, Stages, is_zero
from nmesd.wire.notify import Beacon

TICK_NS = 5 * NS_PER_MS  # how often it looks at its own clock at least, and reports
LATE_NS = 10 * NS_PER_MS  # half a default lease: later than this it no longer trusts its own watch
STALL_NS = 2 * NS_PER_MS  # late by this at a lease's end: then the engine may not be to blame
MOST_FRAMES = 64  # read in one turn, so that no flood keeps it from its clock and the stop
Log = Callable[..., None]


class Guard:
    """State and I/O of the guard process."""

    def __init__(
        self, config: GuardConfig, driver: Driver, door: Door, log: Log, *, real_time: bool
    ) -> None:
        self.stopping = False
        self._config, self._driver, self._door, self._log = config, driver, door, log
        self._real_time, self._beacon = real_time, Beacon()
        self._device = driver.capabilities._replace(payload=driver.identify().encode())
        self._state = State(
            now_ns=time.monotonic_ns(), nonce=int.from_bytes(os.urandom(8), "little")
        )
        self._woke_ns = self._state.now_ns
        self._next_pulse_ns = NEVER_NS
        self._report_ns = self._pulses = self._charge_pc = self._late_max_ns = 0
        self._stages = Stages(
            Stage.GUARD, Stage.DEVICE_WRITE, Stage.DEVICE_ACK, Stage.SAMPLE_TO_GUARD
        )
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
            self._command(self._state, time.monotonic_ns())
            self._report()

    # ---- one turn of the loop -----------------------------------------------------------------------------

    def _turn(self) -> None:
        door = self._door
        planned_ns = self._wake_ns(self._woke_ns)  # counted from there, a slow turn is late too
        ready = self._wait(planned_ns)
        self._woke_ns = time.monotonic_ns()
        self._judge_own_lateness(self._woke_ns - planned_ns, spoke=door.client in ready)
        for address in door.knocks() if door.stopper in ready else ():
            self._step(Fault(Reason.OPERATOR_STOP))
            door.answer(address, NO_ZERO if self._zero_owed else self._state.state.name)
        if door.lifeline in ready:
            door.lifeline.clear()
            self._engine_gone()
        if door.client and door.client in ready:
            self._read(door.client)
        if door.listener in ready and (client := door.accept()):
            client.send(self._device)
            self._state = connected(self._state, time.monotonic_ns())
            self._report()
        self._step(None)
        self._attend_device()
        self._stages.count()
        if time.monotonic_ns() >= self._report_ns:
            self._report()

    def _wake_ns(self, now_ns: int) -> int:
        wake_ns = min(now_ns + TICK_NS, self._next_pulse_ns)
        if self._state.state is GuardState.ARMED:
            wake_ns = min(wake_ns, self._state.expiry_ns)
        return max(wake_ns, now_ns)

    def _wait(self, until_ns: int) -> list[Any]:
        door = self._door
        wanted: list[Any] = [door.stopper, door.lifeline, door.listener]
        wanted += [one for one in (door.client, self._driver) if one and one.fileno() >= 0]
        timeout_s = max(0, until_ns - time.monotonic_ns()) / NS_PER_S
        return select.select(wanted, [], [], timeout_s)[0]

    def _judge_own_lateness(self, late_ns: int, *, spoke: bool) -> None:
        """Late too, or alone? An engine that spoke meanwhile shows that the machine did not stand still."""
        if self._state.state is not GuardState.ARMED:
            return
        self._late_max_ns = max(self._late_max_ns, late_ns)
        expired = time.monotonic_ns() >= self._state.expiry_ns
        if late_ns > LATE_NS or (expired and late_ns > STALL_NS):
            reason = Reason.GUARD_LATE if spoke else Reason.MACHINE_STALLED
            self._step(Fault(reason, late_ns, STALL_NS if expired else LATE_NS))

    def _read(self, client: Link) -> None:
        try:
            for _ in range(MOST_FRAMES):
                if (received := client.receive()) is None:
                    break
                self._step(received)
                if isinstance(received.frame, Hello):
                    self._door.lifeline.watch()
        except LinkError as error:
            self._step(Fault(Reason.FRAME_BAD))
            self._log("bad frame", error=str(error))
        if client.closed:
            self._door.drop_client()
            self._engine_gone()

    def _engine_gone(self) -> None:
        if self._state.state is GuardState.ARMED:
            self._step(Fault(Reason.ENGINE_GONE))

    # ---- interlock and device -----------------------------------------------------------------------------

    def _step(self, cause: Cause) -> None:
        before, now_ns = self._state, time.monotonic_ns()
        self._state = after = step(
            before, now_ns, cause, self._config.limits, self._config.limits_hash
        )
        if isinstance(cause, Received) and after.lease is cause.frame:
            self._time_lease(cause.t_ns, after.lease)
        if after.output != before.output or after.state is not before.state:
            self._command(before, now_ns)
        if after.state is not before.state:
            self._tell_change(before)

    def _time_lease(self, sent_ns: int, lease: Lease) -> None:
        now_ns = time.monotonic_ns()
        self._stages.met(Stage.GUARD, now_ns - sent_ns)
        if lease.sample_ns != lease.arrival_ns:  # or its stamp is on another clock
            self._stages.met(Stage.SAMPLE_TO_GUARD, now_ns - lease.sample_ns)

    def _command(self, before: State, now_ns: int) -> None:
        output = self._state.output
        try:
            if self._state.state is not GuardState.ARMED:
                self._next_pulse_ns = NEVER_NS
                self._driver.zero(now_ns)
                self._zero_owed = False
            else:
                self._next_pulse_ns = now_ns
                self._waiting_for_first |= is_zero(before.output) and not is_zero(output)
                self._driver.apply(output, now_ns)
        except DeviceError as error:
            self._device_failed(error)

    def _attend_device(self) -> None:
        """Hear it, zero it while it owes that, and let it give what is due under a lease that holds right now."""
        try:
            for took_ns in self._driver.listen(time.monotonic_ns()):
                self._stages.met(Stage.DEVICE_ACK, took_ns)
            if self._zero_owed:
                self._driver.zero(time.monotonic_ns())
                self._zero_owed = False
            now_ns = time.monotonic_ns()
            fresh = self._state.state is GuardState.ARMED and now_ns < self._state.expiry_ns
            if not fresh or now_ns < self._next_pulse_ns:
                return
            given = self._driver.tick(now_ns)
            written_ns = time.monotonic_ns()
        except DeviceError as error:
            self._device_failed(error)
            return
        self._next_pulse_ns = given.next_ns
        self._pulses += given.pulses
        self._charge_pc += given.charge_pc
        lease = self._state.lease
        if given.pulses:
            self._stages.met(Stage.DEVICE_WRITE, written_ns - now_ns)
        if self._waiting_for_first and given.pulses and lease is not None:
            self._waiting_for_first = False
            self._first = (self._state.sequence, lease.sample_ns, now_ns, written_ns)
            self._report()
        self._step(given)

    def _device_failed(self, error: DeviceError) -> None:
        said = self._zero_owed and self._state.state is GuardState.TRIPPED  # and is tried again
        self._zero_owed = True
        self._next_pulse_ns = NEVER_NS
        self._step(Fault(error.reason, error.value, error.limit))
        if not said:
            self._log("device failed", error=str(error))

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
        now_ns = time.monotonic_ns()
        self._report_ns = now_ns + TICK_NS
        self._beacon.beat(now_ns)  # a tick was done
        if self._door.client is None:
            return
        state = self._state
        report = Report(
            state.state, state.nonce, self._config.limits_hash, state.session,
            *(state.trip or Fault(Reason.NONE)), state.sequence, not is_zero(state.output),
            self._pulses, self._charge_pc, *self._first, self._late_max_ns,
            self._real_time, self._driver.capabilities.simulated,
        )  # fmt: skip
        self._door.client.send(report)
        for timing in self._stages.due(now_ns):
            self._door.client.send(timing)
