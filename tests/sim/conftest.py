"""Simulators as child processes, and inlets to listen to them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray

SOON_S = 20.0  # far beyond what anything here takes, also on a busy machine


class Child:
    """A simulator: lines in, events out."""

    def __init__(self, module: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"nmesd.sim.{module}", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen: list[dict[str, Any]] = []

    def event(self, name: str) -> dict[str, Any]:
        """The next event of that name; those before it are kept in `seen`."""
        assert self.process.stdout
        while line := self.process.stdout.readline():
            self.seen.append(json.loads(line))
            if self.seen[-1]["event"] == name:
                return self.seen[-1]
        assert self.process.stderr
        pytest.fail(f"ended without {name}: {self.process.stderr.read()}")

    def order(self, **order: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Listener:
    """An inlet and everything it has received."""

    def __init__(self, source_id: str) -> None:
        found = pylsl.resolve_byprop("source_id", source_id, 1, SOON_S)
        assert len(found) == 1
        self.inlet = pylsl.StreamInlet(found[0], max_buflen=60, recover=False)
        self.inlet.open_stream(SOON_S)
        self.samples: list[Any] = []
        self.stamps: list[float] = []

    def until(self, enough: Callable[["Listener"], bool]) -> "Listener":
        give_up_s = time.monotonic() + SOON_S
        while not enough(self):
            assert time.monotonic() < give_up_s, f"only {len(self.samples)} samples came"
            samples, stamps = self.inlet.pull_chunk(timeout=0.05, max_samples=64)
            self.samples += samples
            self.stamps += stamps
        return self

    def count(self, n: int) -> "Listener":
        return self.until(lambda here: len(here.samples) >= n)

    def past(self, stamp_s: float) -> "Listener":
        return self.until(lambda here: bool(here.stamps) and here.stamps[-1] > stamp_s)

    @property
    def emg(self) -> NDArray[np.float64]:
        return np.array(self.samples)


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def make(module: str, *options: str) -> Child:
        children.append(Child(module, *options))
        return children[-1]

    yield make
    for child in children:
        child.close()


@pytest.fixture
def listen() -> Callable[[str], Listener]:
    return Listener
