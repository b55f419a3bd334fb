"""The installed unit in its container: an operator's commands, and what the emulated stimulator really gives."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmesd.core.values import ARMED_MODES
from nmesd.daemon.client import ask
from nmesd.errors import LinkError
from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_MS
from nmesd.wire import Pulse
from tests.systemd.booted.files import PERSON, REST_S
from tests.systemd.container import Container

OPERATOR = "ann"  # a user in group nmesd, not root
VISITOR = "vic"  # one in no group
ARMED = {mode.name for mode in ARMED_MODES}
SOON_S = 40.0  # far beyond what anything here takes, also on a busy machine
WATCHED_S = REST_S + 3  # nothing may come in it: a session that went on would give its next train
# No budget (docs/safety.md has them): this tells a train that was stopped from one that goes on for seconds.
STOPPED_NS = 500 * NS_PER_MS
LATE_NS = 45 * NS_PER_MS  # pulses come every 29 ms in a train
IN_TRAIN = 12  # pulses: the ramp is nearly over, and most of the train is to come
TRIES = 5
STALLS = {"ENGINE_OVERRUN", "GUARD_LATE", "LEASE_EXPIRED"}  # so trips a machine that stands still


class Bench:
    """One unit. `given` is every pulse with current, in order."""

    def __init__(self, container: Container, folder: Path) -> None:
        self.container = container
        self.given: list[Pulse] = []
        self._pulses = PulseListener(folder / "pulses.sock", forward=folder / "patient.sock")
        (folder / "pulses.sock").chmod(0o777)  # the stimulator is another user's
        self._ended = threading.Event()
        self._pump = threading.Thread(target=self._hear, daemon=True)
        self._pump.start()

    def close(self) -> None:
        """Listen no more."""
        self._ended.set()
        self._pump.join(5)
        self._pulses.close()

    def _hear(self) -> None:
        while not self._ended.wait(0.005):
            self.given += [pulse for pulse in self._pulses.read_all() if pulse.amplitude_ua]

    # ---- the operator -------------------------------------------------------------------------------------

    def nmesd(self, *arguments: str) -> str:
        """A command of the operator; it must succeed."""
        return self.container.say("runuser", "-u", OPERATOR, "--", "nmesd", *arguments)

    def status(self) -> dict[str, Any]:
        """What the daemon says; STARTING while it does not."""
        try:
            return ask(str(self.container.path("/run/nmesd/control.sock")), "status", timeout_s=2.0)
        except LinkError:
            return {"state": "STARTING", "text": "no daemon"}

    def until(self, true: Callable[[], bool], what: str, seconds: float = SOON_S) -> None:
        """Wait until it is so."""
        until_s = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until_s:
                said = self.container.run(
                    "journalctl", "-n", "40", "-o", "cat", "--no-pager"
                ).stdout
                pytest.fail(f"no {what} within {seconds:g} s: {self.status()}\n{said}")
            time.sleep(0.02)

    def can_be_armed(self) -> bool:
        """Disarmed, and nothing in the way."""
        now = self.status()
        return now["state"] == "DISARMED" and not now["inhibits"]

    def answers(self) -> bool:
        """The daemon, of an engine that has a guard."""
        return str(self.status().get("guard", "NOT CONNECTED")) != "NOT CONNECTED"

    def ready(self) -> None:
        """Wait until it can be armed, after a disarm if it is, and a reset if it tripped."""
        if self.status()["state"] in ARMED:
            self.nmesd("disarm", "--operator", OPERATOR)
        self.until(lambda: self.status()["state"] in {"TRIPPED", "DISARMED"}, "end of the session")
        if self.status()["state"] == "TRIPPED":
            self.nmesd("reset", "--operator", OPERATOR)
        self.until(self.can_be_armed, "readiness")

    def arm(self) -> None:
        """By the operator, for the person."""
        self.ready()
        self.nmesd("arm", "--operator", OPERATOR, "--patient", PERSON, "--checked")

    def train(self) -> None:
        """In the middle of a train, a fresh one: most of it is still to come."""
        for _ in range(TRIES):
            self.arm()
            before = len(self.given)
            self.until(
                lambda start=before: (  # type: ignore[misc]
                    len(self.given) >= start + IN_TRAIN or self.status()["state"] == "TRIPPED"
                ),
                "train",
            )
            if self._giving():
                return
        pytest.fail(f"no train in {TRIES} tries: {self.status()}")

    # ---- systemd ------------------------------------------------------------------------------------------

    def unit(self, name: str, value: str) -> str:
        """A property of a unit."""
        return self.container.say("systemctl", "show", "--property", value, "--value", name)

    def pid(self, who: str) -> str:
        """Of engine, daemon or guard."""
        if who == "engine":
            return str(self.status().get("engine_pid", 0))
        return self.unit({"daemon": "nmesd", "guard": "nmesd-guard"}[who], "MainPID")

    def strike(self, number: int, *who: str) -> int:
        """Send this signal to these in mid-train: pulses come until then. Gives the instant, ns."""
        for _ in range(TRIES):
            self.train()
            pids = [self.container.pid_here(self.pid(one)) for one in who]
            if self._giving():
                for pid in pids:
                    os.kill(pid, number)
                return time.monotonic_ns()  # a pulse after this came in spite of it
        pytest.fail(f"no train to strike in {TRIES} tries: {self.status()}")

    def ask_for(self, act: Callable[[], str]) -> tuple[str, int, int]:
        """Do it in mid-train. Gives what it said, and the instants before and after it, ns.

        Again where the machine stood still meanwhile, which trips first, rightly.
        """
        for _ in range(TRIES):
            self.train()
            typed_ns = time.monotonic_ns()
            said, done_ns = act(), time.monotonic_ns()
            if self.status().get("trip_reason") not in STALLS:
                return said, typed_ns, done_ns
        pytest.fail(f"the machine stood still in {TRIES} tries: {self.status()}")

    def zeros_verified(self, since_ns: int) -> list[str]:
        """By whom, each time, as the guard's journal has it."""
        lines = self.container.say("journalctl", "-u", "nmesd-guard", "-o", "cat", "--no-pager")
        said = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
        return [
            one["by"] for one in said
            if one["event"] == "zero verified" and one["mono_ns"] >= since_ns
        ]  # fmt: skip

    # ---- what must hold -----------------------------------------------------------------------------------

    def silence(self, since_ns: int, by_ns: int = 0, seconds: float = WATCHED_S) -> str:
        """Nothing is given from an instant on, until `seconds` from now. Gives when the last pulse was.

        by_ns: when a command that was begun at `since_ns` had returned.
        """
        stopped_ns = max(since_ns, by_ns) + STOPPED_NS
        time.sleep(seconds)
        late = [pulse for pulse in self.given if pulse.given_ns > stopped_ns]
        assert late == [], f"{len(late)} pulses after it should have stopped: {self.status()}"
        last_ms = (self.given[-1].given_ns - since_ns) / NS_PER_MS
        when = f"{abs(last_ms):.1f} ms {'before' if last_ms < 0 else 'after'} it"
        return f"last pulse {when}, none for {seconds:g} s"

    def zero(self) -> None:
        """Whoever has the stimulator now makes sure of it. A guard that runs takes it as a stop."""
        said = self.container.say("nmesd", "guard", "--zero", "/etc/nmesd/guard.toml")
        assert '"zero verified"' in said
        self.until(lambda: self.status()["state"] == "TRIPPED", "trip by the stop")

    def _giving(self) -> bool:
        return bool(self.given) and time.monotonic_ns() - self.given[-1].given_ns < LATE_NS
