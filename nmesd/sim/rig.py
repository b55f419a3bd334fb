"""The real processes on a rehearsal bench: guard, daemon and engine as children, a simulated stimulator between.

Demo, tests and fault campaigns use it. Everything lives in one folder that is removed at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tomli_w

from nmesd.daemon.client import ask
from nmesd.daemon.engine_config import lsl_config
from nmesd.daemon.settings import LslSection
from nmesd.errors import LinkError, NmesdError
from nmesd.realtime import real_time_granted
from nmesd.sim.pulses import PulseListener
from nmesd.sim.session_files import write_files
from nmesd.sim.tied import tied
from nmesd.stopping import stop
from nmesd.units import NS_PER_S
from nmesd.wire import Pulse

READY_S = 10.0  # how long a process may take to come up, on a busy machine
# The guard's limits at their widest but for amplitude and charge: a bench is no patient, and runs one short train
# after another.
PERMISSIVE: Mapping[str, float] = {
    "rate_hz": 100,
    "rise_ma_s": 260,
    "rest_s": 0.25,
    "duty_percent": 100,
    "trains_per_min": 60,
    "dose_mc": 11_700,
    "session_min": 120,
}


# driver -> what `nmesd emulate` calls its device
EMULATED = {"sciencemode4": "p24", "sciencemode2": "rehastim2"}


class RigError(NmesdError):
    """A process of the rig did not come up or did not reach a state in time."""


class Child:
    """A child process whose JSON lines are read as they come."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            arguments,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
        )
        self.events: deque[dict[str, Any]] = deque()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.events.append(json.loads(line))

    def order(self, **values: Any) -> None:
        """One JSON line to its standard input."""
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(values).encode() + b"\n")

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def end(self) -> None:
        """Terminate, kill if need be, and wait."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        for pipe in (self.process.stdin, self.process.stdout, self._log):
            if pipe is not None:
                pipe.close()


class Rig:
    """Guard, daemon and engine, started and ended together.

    sections: those of nmesd.toml, but for sockets and LSL, which are the rig's own; and whole "patient" and
        "programme" (see session_files.py).
    limits: [limits] of guard.toml, over PERMISSIVE.
    record: folder for the session record; None keeps none.
    driver: "sim", or one of EMULATED for an emulated stimulator, a process of its own on a pty; `options` are the
        driver's own, as in [stimulator] of guard.toml. With a `port` it is the real device there.
    area_cm2, gate: of [electrodes] and [gate] of guard.toml.
    daemon_nice: how much nicer than this process the daemon is, below 0 as far as the system lets it.
    seen_socket: where the engine looks for the guard, if not at the guard's own socket.
    env: environment of every process, over that of this one.
    """

    def __init__(
        self,
        sections: dict[str, dict[str, Any]],
        *,
        limits: dict[str, float] | None = None,
        record: Path | None = None,
        driver: str = "sim",
        options: Mapping[str, Any] | None = None,
        channels: Sequence[int] = (1,),
        port: str = "",
        area_cm2: float = 25,
        gate: Mapping[str, Any] | None = None,
        daemon_nice: int = 0,
        seen_socket: str = "guard.sock",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nmesd-"))
        session = self.folder.name
        self.guard_socket = str(self.folder / "guard.sock")
        self.control_socket = str(self.folder / "control.sock")
        self._record = ["--record", str(record)] if record else []
        self._channels = list(channels)
        self._daemon_nice = daemon_nice
        self._emulated = None if port else EMULATED.get(driver)
        own = self.folder / ("device" if self._emulated else "pulses.sock")
        self._stimulator = {
            "driver": driver,
            "level": "full",
            **(options or {}),
            "port": port or str(own),
        }
        self._area_cm2, self._gate = area_cm2, dict(gate or {})
        if self._emulated == "rehastim2":
            self._stimulator["parity"] = "none"  # a pty has none
        self._children: list[Child] = []
        (self.folder / "lsl_api.cfg").write_text(lsl_config(LslSection(session_id=session)))
        self.env = {
            **os.environ,
            **(env or {}),
            "LSLAPICFG": str(self.folder / "lsl_api.cfg"),
            "PYTHONUNBUFFERED": "1",
        }
        self.lease_ms = int(sections.get("guard", {}).get("lease_ms", default_lease_ms()))
        guard = {"socket": str(self.folder / seen_socket), "lease_ms": self.lease_ms}
        write_files(
            self.folder,
            {
                **sections,
                "lsl": {"session_id": session},
                "guard": guard,
                "control": {"socket": self.control_socket},
            },
        )
        self.patient_socket = self.folder / "patient.sock"
        self.pulses = PulseListener(self.folder / "pulses.sock", forward=self.patient_socket)
        self.given: list[Pulse] = []  # everything the stimulator gave, zero commands included
        self.heard_ns = 0  # `given` holds every pulse until then
        self.monitor_pid = 0  # of the page, once there is one
        self._pump = threading.Thread(target=self._pump_pulses, daemon=True)
        self._pumping = True
        self._pump.start()
        self.device = self._start_device() if self._emulated else None
        self.set_limits(limits or {})
        self.guard = self._start_guard()
        self.daemon = self._start_daemon()

    def set_limits(self, limits: Mapping[str, float], area_cm2: float | None = None) -> None:
        """Write guard.toml; a guard that runs keeps what it has read."""
        text = tomli_w.dumps(
            {
                "stimulator": {**self._stimulator, "channels": self._channels},
                **({"gate": self._gate} if self._gate else {}),
                "electrodes": {"area_cm2": area_cm2 or self._area_cm2},
                "guard": {"socket": self.guard_socket},
                "limits": {**PERMISSIVE, **limits},
            }
        )
        (self.folder / "guard.toml").write_text(text)

    def restart_guard(self) -> None:
        """End the guard, or what is left of it, and start another one."""
        self.end(self.guard)
        self.guard = self._start_guard()

    def restart_daemon(self) -> None:
        """End the daemon, or what is left of it, and start another one. An engine ends with its daemon."""
        self.end(self.daemon)
        self.daemon = self._start_daemon()

    def restart_device(self) -> None:
        """Another emulated stimulator in the place of one that is gone."""
        if self.device is not None:
            self.end(self.device)
            self.device = self._start_device()

    def _start_guard(self) -> Child:
        return self.start("nmesd.guard", str(self.folder / "guard.toml"))

    def _start_daemon(self) -> Child:
        run = ("-m", "nmesd.cli", "run", str(self.folder / "nmesd.toml"), *self._record)
        nice = ("nice", "-n", str(self._daemon_nice)) if self._daemon_nice else ()
        return self.run(*nice, sys.executable, *run, log="nmesd.cli.log")

    def _start_device(self) -> Child:
        link = self.folder / "device"
        link.unlink(missing_ok=True)  # left by one that was killed
        device = self.start(
            *("nmesd.sim.emulate", str(self._emulated)),
            *("--link", str(link), "--pulses", str(self.folder / "pulses.sock")),
        )
        until_s = time.monotonic() + READY_S
        while not link.exists():
            if device.process.poll() is not None or time.monotonic() > until_s:
                raise RigError(f"the emulated stimulator did not start\n{self.logs()}")
            time.sleep(0.01)
        return device

    def end(self, child: Child) -> None:
        """End a process of the rig, whatever is left of it."""
        child.end()
        self._children.remove(child)

    def start(self, module: str, *arguments: str) -> Child:
        """Another process of the rig: a module that says JSON lines."""
        return self.run(sys.executable, "-m", module, *arguments, log=f"{module}.log")

    def run(self, *arguments: str, log: str = "other.log") -> Child:
        """Another process of the rig."""
        child = Child(list(arguments), self.env, self.folder / log)
        self._children.append(child)
        return child

    def _pump_pulses(self) -> None:
        while self._pumping:
            now_ns = time.monotonic_ns()
            self.given += self.pulses.read_all()
            self.heard_ns = now_ns
            time.sleep(0.001)

    def ask(self, command: str, **values: Any) -> dict[str, Any]:
        """Ask the daemon."""
        return ask(self.control_socket, command, **values)

    def stop(self) -> None:
        """Stop at the guard."""
        stop(self.guard_socket)

    def status(self) -> dict[str, Any]:
        """The daemon's view, {"state": "STARTING"} while it does not answer."""
        try:
            return self.ask("status", timeout_s=2.0)
        except LinkError:
            return {"state": "STARTING", "text": "the daemon is starting"}

    def wait_for(self, state: str, seconds: float = 20.0) -> dict[str, Any]:
        """Wait until the daemon says so; DISARMED means ready to be armed. Raises RigError."""
        until_ns = time.monotonic_ns() + int(seconds * NS_PER_S)
        while True:
            now = self.status()
            if now["state"] == state and not (state == "DISARMED" and now.get("inhibits")):
                return now
            dead = [
                name
                for name in ("guard", "daemon")
                if getattr(self, name).process.poll() is not None
            ]
            if dead:
                raise RigError(f"the {dead[0]} ended\n{self.logs()}")
            if time.monotonic_ns() > until_ns:
                raise RigError(
                    f"not {state} within {seconds:g} s but {now['state']}: {now['text']}\n{self.logs()}"
                )
            time.sleep(0.01)

    def arm(self, operator: str = "rig") -> dict[str, Any]:
        """Wait until it can be armed, and arm. Raises RigError if that is refused."""
        self.wait_for("DISARMED")
        answer = self.ask("arm", operator=operator)
        if not answer["ok"]:
            raise RigError(f"arming refused: {answer['text']}\n{self.logs()}")
        return answer

    def currents(self) -> list[Pulse]:
        """Every pulse that gave current."""
        return [pulse for pulse in list(self.given) if pulse.amplitude_ua]

    def zeroed_ns(self, after_ns: int) -> int | None:
        """When the stimulator was first commanded to zero after an instant."""
        return next(
            (p.given_ns for p in list(self.given) if not p.amplitude_ua and p.given_ns >= after_ns),
            None,
        )

    def tripped_ns(self) -> int:
        """When the guard last tripped, by its log, which it writes when zero was commanded; 0: never."""
        lines = (self.folder / "nmesd.guard.log").read_text().splitlines()
        states = [json.loads(line) for line in lines if '"after": "TRIPPED"' in line]
        return int(states[-1]["mono_ns"]) if states else 0

    def monitor(self) -> str:
        """The page, which ends with this process; its address."""
        sockets = ("--control", self.control_socket, "--guard", self.guard_socket)
        command = tied(
            sys.executable, "-m", "nmesd.cli", "monitor", "--json", "--port", "0", *sockets
        )
        child = self.run(*command, log="nmesd.monitor.log")
        until_s = time.monotonic() + READY_S
        while not child.events:
            if child.process.poll() is not None or time.monotonic() > until_s:
                raise RigError(f"the monitor did not start\n{self.logs()}")
            time.sleep(0.01)
        self.monitor_pid = child.process.pid
        return str(child.events[0]["url"])

    def logs(self) -> str:
        """What the processes wrote, for an error message."""
        return "\n".join(
            f"{p.name}:\n{p.read_text()[-2000:]}" for p in sorted(self.folder.glob("*.log"))
        )

    def close(self) -> None:
        """End every process, the guard last, and remove the folder."""
        for child in reversed(self._children):
            child.end()
        self._pumping = False
        self._pump.join(5)
        self.given += self.pulses.read_all()
        self.pulses.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def default_lease_ms() -> int:
    """20 ms, the product's default, where real-time rights are granted; 40 ms on a machine without them."""
    return 20 if real_time_granted() else 40
