"""A rig with a patient, and what an operator does with them."""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w

from bench.campaign.devices import DEVICES
from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.errors import NmesdError
from nmesd.sessions.recording import Recording
from nmesd.sim.rig import Child, Rig, RigError
from nmesd.sim.session_files import one_muscle
from nmesd.sim.spec import spec_from_json
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_S

LEASE_MS = 20
STREAM, SOURCE_ID, MUSCLE = "campaign", "nmesd-campaign", "target"
RATE_HZ = 100  # the highest allowed: the last pulse tells the stop to 10 ms, where 35 Hz would tell it to 29
PERIOD_MS = 1000 / RATE_HZ
AMPLITUDE_UA, PULSE_WIDTH_US, PERIOD_US = 20_000, 250, 1_000_000 // RATE_HZ
RAMP_S = 0.1  # 20 mA in it: 200 mA/s, within the 260 of the rig's limits
SHORT_S, LONG_S = 0.6, 4.0  # trains; the long one outlasts the slowest notice, 3 s
# The least that nmesd.toml takes, so that a cycle is short. After arming: 300 ms until the filters have settled,
# then relax_s.
HOLD_OFF_S, RELAX_S = 0.25, 0.1
READY_AFTER_S = 0.4
# Attempts only on order, strong and steep, and over before the next arming is.
PATIENT = {
    "first_attempt_s": 1e6,
    "interval_s": 1e6,
    "interval_jitter_s": 0.0,
    "duration_s": 0.2,
    "duration_jitter_s": 0.0,
    "attempt_db": 30.0,
    "attempt_spread_db": 0.0,
    "rise_min_s": 0.002,
    "rise_max_s": 0.005,
    "defer_after_pulse_s": 0.0,
}
HIGHER = 1.05  # another threshold
CHUNK_MS = 2  # of the source: a fault in a sample leaves it 1 ms later on average
REST_S = 10.0  # for the thresholds
WITHIN_S = 30.0  # an arming: longer than a new daemon, engine and source take together
MOST_ARMINGS = 5  # in one go: after that there is more than the machine's stalls against it
TRAINS_A_MINUTE = 55  # the guard stops at 60, counted since its own start

CHAOS = Path(__file__).parent / "chaos"


class Setup(NamedTuple):
    """What a rig is made of. Faults of equal setups share one."""

    train_s: float = SHORT_S
    proxy: bool = False
    device: str = "sim"  # see devices.py
    record: bool = False  # keep the sessions
    hog: bool = False  # something else fills the memory


class NoTrainError(NmesdError):
    """A cycle in which there was no train to put a fault into."""


class Bench:
    """One rig. `close()` it."""

    def __init__(self, setup: Setup, seed: int) -> None:
        self.setup = setup
        self._seed = seed
        self._log_read = 0  # bytes of the guard's log
        self._limits: tuple[Mapping[str, float], float] = ({}, 25.0)
        self._trains_ns: list[int] = []  # since the guard started
        self._folder = tempfile.TemporaryDirectory(prefix="nmesd-bench-")
        self._chaos = Path(self._folder.name) / "chaos"
        python_path = f"{CHAOS}:{os.environ.get('PYTHONPATH', '')}"
        self.device = DEVICES[setup.device]
        self.engine_pid = 0
        self.armed_ns = 0  # just before the last arming
        self.rng = random.Random(seed)  # for whatever a fault leaves to chance
        self.train_ns = 0  # the first pulse of the last train
        self.on_uv = 0.0  # the last threshold written by `write_other_threshold`
        self.low = 0.0  # the limit that the train will run into
        self.kept: list[Child] = []  # what a fault started, for its mending
        self.hogs: list[Child] = []
        self.record = Path(self._folder.name) / "record"
        self.rig = Rig(
            self._sections(),
            driver=self.device.driver,
            options=self.device.options,
            channels=(1, 2),
            seen_socket="proxy.sock" if setup.proxy else "guard.sock",
            env={"PYTHONPATH": python_path, "NMESD_CHAOS": str(self._chaos)},
        )
        try:
            self.proxy = self._new_proxy() if setup.proxy else None
            self.source = self.new_source()
        except BaseException:
            self.rig.close()
            raise

    # ---- processes ----------------------------------------------------------------------------------------

    def new_source(self, *, hears: bool = True, waits: bool = False, **spec: Any) -> Child:
        """A patient; only one may hear the stimulator. One that waits is not there before its first order."""
        self._seed += 1
        return self.rig.start(
            "nmesd.sim.patient",
            *("--json", json.dumps({"seed": self._seed, **PATIENT, **spec})),
            *("--name", STREAM, "--source-id", SOURCE_ID, "--chunk-ms", str(CHUNK_MS)),
            *(("--pulses", str(self.rig.patient_socket)) if hears else ()),
            *(("--wait",) if waits else ()),
            "--until-eof",
        )

    def _sections(self) -> dict[str, dict[str, Any]]:
        record = {"record": {"folder": str(self.record)}} if self.setup.record else {}
        return {**_sections(self.setup.train_s), **record}

    def restart_source(self) -> None:
        """Another patient in the place of one that is gone."""
        self.rig.end(self.source)
        self.source = self.new_source()

    def end_kept(self) -> None:
        """End what a fault started."""
        while self.kept:
            self.rig.end(self.kept.pop())

    def _new_proxy(self) -> Child:
        folder = self.rig.folder
        listen = str(folder / "proxy.sock")
        return self.rig.start("bench.campaign.proxy", listen, self.rig.guard_socket)

    def signal_engine(self, number: int) -> None:
        """Signal the engine that ran when the train began."""
        os.kill(self.engine_pid, number)

    def restart_guard(self) -> None:
        """Another guard; it has counted nothing yet."""
        self.rig.restart_guard()
        self._trains_ns.clear()

    def use_limits(
        self, limits: Mapping[str, float], area_cm2: float = 25, *, anew: bool = False
    ) -> None:
        """Have a guard with these limits, or a new one that has counted nothing yet."""
        if anew or (limits, area_cm2) != self._limits:
            self._limits = (limits, area_cm2)
            self.rig.set_limits(limits, area_cm2)
            self.restart_guard()

    def write_other_threshold(self) -> None:
        """Into the patient's file: a little higher, or back again. `on_uv` is what it is then."""
        path = self.rig.folder / "patient.toml"
        patient = tomllib.loads(path.read_text())
        (muscle,) = patient["muscle"]
        written = _sections(self.setup.train_s)["patient"]["muscle"][0]["on_uv"]
        first = round(written, 3)  # whole nanovolts, as it will be told
        self.on_uv = first if muscle["on_uv"] > first else round(first * HIGHER, 3)
        muscle["on_uv"] = self.on_uv
        path.write_text(tomli_w.dumps(patient))

    # ---- an operator --------------------------------------------------------------------------------------

    def make_ready(self) -> dict[str, Any]:
        """Reset and arm if need be, and wait until an attempt would count. Gives the status then.

        Raises NoTrainError if it trips again and again, RigError if it cannot be armed at all.
        """
        self._spare_the_guard()
        if self.proxy is not None:
            self.proxy.order(
                order="none"
            )  # one that came too late for its train is not for this one
        until_s = time.monotonic() + WITHIN_S
        settled_s, armings, state = 0.0, 0, self.rig.status()
        while time.monotonic() < until_s:
            if state["state"] == "TRIPPED":
                self.rig.ask("reset", operator="campaign")
            if state["state"] == "TRIPPED" and armings > MOST_ARMINGS:
                raise NoTrainError(f"armed {armings} times, {state['state']}: {state['text']}")
            if state["state"] in ("TRIPPED", "DISARMED"):
                self.armed_ns = time.monotonic_ns()
                if self.rig.ask("arm", operator="campaign")["ok"]:
                    settled_s = time.monotonic() + READY_AFTER_S
                    armings += 1
            if state["state"] == "READY":
                self.engine_pid = state["engine_pid"]
                return state
            time.sleep(max(0.02, settled_s - time.monotonic()))
            state = self.rig.status()
        raise RigError(f"could not be armed within {WITHIN_S:g} s: {state}\n{self.rig.logs()}")

    def train(self, within_s: float = 1.0) -> None:
        """Have the patient attempt, and wait for the first pulse. Raises NoTrainError."""
        seen = len(self.rig.given)
        self.source.order(order="attempt")
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            for pulse in self.rig.given[seen:]:
                if pulse.amplitude_ua:
                    self.train_ns = pulse.given_ns
                    self._trains_ns.append(pulse.given_ns)
                    return
            time.sleep(0.001)
        state = self.rig.status()
        raise NoTrainError(f"no train within {within_s:g} s; {state['state']}: {state['text']}")

    def require(self, true: object, otherwise: str) -> None:
        """Raises RigError unless it is so."""
        if not true:
            raise RigError(f"{otherwise}\n{self.rig.logs()}")

    def hear_until(self, at_ns: int) -> None:
        """Wait until every pulse given by then was read."""
        self.wait_until(lambda: self.rig.heard_ns > at_ns, "reading of pulses")

    def wait_until(self, true: Callable[[], bool], what: str, seconds: float = WITHIN_S) -> None:
        """Look until it is so. Raises RigError."""
        until_s = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until_s:
                raise RigError(f"no {what} within {seconds:g} s\n{self.rig.logs()}")
            time.sleep(0.002)

    def wait_for_new_engine(self) -> None:
        """Wait until the daemon has started another engine."""
        self.wait_until(
            lambda: self.rig.status().get("engine_pid") not in (None, 0, self.engine_pid),
            "new engine",
        )

    def event(self, child: Child, name: str, after: int, seconds: float = 1.0) -> dict[str, Any]:
        """The first event of that name after the first `after` events of a child."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [e for e in list(child.events)[after:] if e["event"] == name]
            return bool(found)

        self.wait_until(there, f"event {name}", seconds)
        return found[0]

    def chaos(self, number: int) -> int:
        """Signal the engine's chaos handler. Gives the instant at which it was obeyed."""
        seen = len(self._chaos.read_bytes().splitlines())
        self.signal_engine(number)
        self.wait_until(lambda: len(self._chaos.read_bytes().splitlines()) > seen, "chaos", 1.0)
        return int(self._chaos.read_bytes().splitlines()[seen])

    def trips(self) -> list[str]:
        """The reasons the guard has latched since it was last asked, from its own log."""
        with (self.rig.folder / "nmesd.guard.log").open("rb") as log:
            log.seek(self._log_read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._log_read += len(whole)
        said = [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        return [str(line["reason"]) for line in said if line.get("after") == "TRIPPED"]

    def _spare_the_guard(self) -> None:
        """Start another guard before the old one has seen too many trains in a minute."""
        minute_ago_ns = time.monotonic_ns() - 60 * NS_PER_S
        self._trains_ns = [at_ns for at_ns in self._trains_ns if at_ns > minute_ago_ns]
        if len(self._trains_ns) >= TRAINS_A_MINUTE:
            self.restart_guard()

    def close(self) -> None:
        """End everything."""
        self.rig.close()
        self._folder.cleanup()


@cache
def _sections(train_s: float) -> dict[str, dict[str, Any]]:
    """The files, thresholds from the patient's own rest."""
    spec = spec_from_json(json.dumps(PATIENT))
    emg_uv = VirtualPatient(spec).generate(int(REST_S * spec.rate_hz)).astype(np.float32)
    rest = Recording(emg_uv, spec.rate_hz, (MUSCLE,), (), STREAM)
    found = from_rest(rest, REST_S, FilterSection())
    return {
        "stream": {
            "name": STREAM,
            "source_id": SOURCE_ID,
            "rate_hz": spec.rate_hz,
            "labels": [MUSCLE],
            "rail_uv": spec.rail_uv,
        },
        **one_muscle(
            MUSCLE,
            found.section,
            {
                "channel": 1,
                "amplitude_ma": AMPLITUDE_UA / 1000,
                "pulse_width_us": PULSE_WIDTH_US,
                "rate_hz": RATE_HZ,
                "ramp_up_s": RAMP_S,
                "plateau_s": round(train_s - 2 * RAMP_S, 3),
                "ramp_down_s": RAMP_S,
                "hold_off_s": HOLD_OFF_S,
                "relax_s": RELAX_S,
            },
        ),
        "guard": {"lease_ms": LEASE_MS},
    }
