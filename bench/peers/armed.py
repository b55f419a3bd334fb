"""nmesd itself, armed: real guard, daemon and engine, every channel a muscle that is filtered and decided on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.peers import task
from bench.peers.judge import Decisions
from bench.peers.place import Place
from bench.peers.rights import without
from bench.peers.running import Running
from bench.peers.sender import labels
from nmesd.certificate.window import between, figures
from nmesd.sim.rig import Child, Rig
from nmesd.wire import CHANNELS

LOOK_S: Final = 0.25
TOLD_S: Final = 1.5  # histograms are told of once a second
# Nobody attempts anything, so none of it is ever given.
TRAIN: Final = {
    "pulse_width_us": 250,
    "rate_hz": 35,
    "ramp_up_s": 0.5,
    "plateau_s": 1.0,
    "ramp_down_s": 0.5,
}


def sections(place: Place, lease_ms: int) -> dict[str, Any]:
    """The three files: the task's band and envelope, thresholds that no noise comes near."""
    stream, names = place.stream, labels(place.stream.channels)
    muscles = [
        {
            "label": name, "on_uv": task.ON_UV, "off_uv": task.ON_UV / 2,
            "output": [{"channel": number, "amplitude_ma": 5.0}] if number <= CHANNELS else [],
        }
        for number, name in enumerate(names, 1)
    ]  # fmt: skip
    return {
        "stream": {
            "name": place.source_id, "source_id": place.source_id, "rate_hz": stream.rate_hz,
            "labels": names,
        },
        "filter": {
            "band_low_hz": task.BAND_HZ[0], "band_high_hz": task.BAND_HZ[1], "mains_hz": 0,
            "envelope_hz": task.ENVELOPE_HZ,
        },
        "guard": {"lease_ms": lease_ms},
        "patient": {"code": "nobody", "muscle": muscles},
        "programme": {
            "purpose": "peers", "kind": "triggered", "train": TRAIN, "session": {"minutes": 120},
        },
    }  # fmt: skip


class PeersRig(Rig):
    """A rig whose guard has a tap, with rights or without."""

    def __init__(self, place: Place, rows: Path, lease_ms: int, *, real_time: bool) -> None:
        self._rows, self._real_time = rows, real_time
        super().__init__(
            sections(place, lease_ms),
            channels=range(1, CHANNELS + 1),
            lsl_session=place.session,
            env=place.env,
        )

    def _start_guard(self) -> Child:
        return self.start(
            "bench.peers.tapped_guard", str(self._rows), str(self.folder / "guard.toml")
        )

    def run(self, *arguments: str, log: str = "other.log") -> Child:
        """See Rig."""
        return super().run(*(arguments if self._real_time else without(*arguments)), log=log)


class Armed:
    """An operator who arms, and who resets trips."""

    def __init__(self, rig: PeersRig, rows: Path) -> None:
        self._rig, self._rows = rig, rows
        self._next_s = 0.0
        self.trips: list[str] = []
        rig.arm("peers")
        granted = bool(rig.status().get("guard_real_time"))
        self.missing_rights = [] if granted else ["the guard has none"]
        self._before = rig.ask("timing")["stages"]

    def watch(self) -> None:
        """See Running."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + LOOK_S
        now = self._rig.status()
        if now["state"] == "TRIPPED":
            self.trips.append(now["text"])
            self._rig.ask("reset", operator="peers")
            self._rig.arm("peers")

    def end(self) -> Decisions:
        """See Running."""
        time.sleep(TOLD_S)
        self._stages = between(self._before, self._rig.ask("timing")["stages"])
        self._rig.end(self._rig.guard)  # then it saves its rows
        return Decisions.of(self._rows.read_bytes())

    def facts(self) -> dict[str, Any]:
        """Its own timing, always on, from arming to the end; and what tripped."""
        own = {name: figures(stage) for name, stage in self._stages.items()}
        return {"stages": own, "trips": self.trips}


@contextlib.contextmanager
def armed(place: Place, lease_ms: int, *, real_time: bool) -> Iterator[Running]:
    """Until it is armed. Raises RigError with what forbids it."""
    rows = place.folder / "rows"
    with PeersRig(place, rows, lease_ms, real_time=real_time) as rig:
        yield Armed(rig, rows)
