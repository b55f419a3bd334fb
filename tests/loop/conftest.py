"""The rehearsal bench (`nmesd.sim.rig`) and its virtual patient, ended whatever becomes of the test."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.sim.rig import Child, Rig
from nmesd.sim.session_files import one_muscle

SOON_S = 20.0  # far beyond what anything here takes, also on a busy machine
PATIENT = "patient"


class Bench:
    """One rig, whatever sends EMG to it, and waiting."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def patient(
        self, *, name: str = PATIENT, source_id: str = "bench", hears: bool = True, **spec: Any
    ) -> Child:
        """A virtual patient that is there when this returns. Only one may hear the stimulator."""
        child = self.rig.start(
            "nmesd.sim.patient",
            *("--json", json.dumps(spec)),
            *("--name", name, "--source-id", source_id, "--until-eof"),
            *(("--pulses", str(self.rig.patient_socket)) if hears else ()),
        )
        self.event(child, "ready")
        return child

    def event(self, child: Child, name: str, seconds: float = SOON_S) -> dict[str, Any]:
        """The first event of that name."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [event for event in list(child.events) if event["event"] == name]
            return bool(found) or child.process.poll() is not None

        self.until(there, f"the event {name}", seconds)
        if not found:
            pytest.fail(f"ended without {name}: {list(child.events)}\n{self.rig.logs()}")
        return found[0]

    def until(self, true: Callable[[], bool], what: str, seconds: float = SOON_S) -> None:
        """Wait until it is so."""
        give_up_s = time.monotonic() + seconds
        while not true():
            if time.monotonic() > give_up_s:
                pytest.fail(f"no {what} within {seconds:g} s: {self.rig.status()}")
            time.sleep(0.005)

    def inhibited(self, reason: str) -> dict[str, Any]:
        """Wait until `reason` forbids arming; the status then."""
        now: dict[str, Any] = {}

        def there() -> bool:
            now.update(self.rig.status())
            return reason in now.get("inhibits", ())

        self.until(there, f"inhibit {reason}")
        return now


def sections(
    stream: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    guard: dict[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """nmesd.toml for the bench's patient at the model's defaults: rest 3 uV, attempts 15 dB over it."""
    return {
        "stream": {
            "name": PATIENT,
            "source_id": "bench",
            "rate_hz": 1000,
            "labels": ["target"],
            **(stream or {}),
        },
        **one_muscle(
            "target",
            {"on_uv": 7, "off_uv": 5.5},
            {
                "amplitude_ma": 20,
                "ramp_up_s": 0.2,
                "plateau_s": 0.6,
                "ramp_down_s": 0.2,
                "hold_off_s": 0.5,
                "relax_s": 0.3,
                **(train or {}),
            },
        ),
        "guard": guard or {},
    }


@pytest.fixture(scope="module")
def make_bench() -> Iterator[Callable[..., Bench]]:
    """A function that starts a rig with these sections of nmesd.toml, and ends the one before it.

    Not for speed alone: a stream of this computer is found at its port, one of 32 for all; a rig takes nine.
    """
    rigs: list[Rig] = []

    def make(
        wanted: dict[str, dict[str, Any]] | None = None, record: Path | None = None, **values: Any
    ) -> Bench:
        if rigs:
            rigs.pop().close()
        rigs.append(Rig(wanted or sections(**values), record=record))
        return Bench(rigs[-1])

    yield make
    for rig in rigs:
        rig.close()
