"""Runs faults on rigs: those of one setup after another on the same rig, on several rigs at a time if asked."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.campaign.bench import Bench, Setup
from bench.campaign.cycle import Result, miss, run_cycle
from bench.campaign.fault import Fault
from nmesd.errors import NmesdError
from nmesd.sim.witness import Witness

Show = Callable[[Result], None]


class Queue:
    """Faults still to be done. A rig takes those of its own setup first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = list(faults)
        self._lock = threading.Lock()

    def take(self, setup: Setup | None) -> Fault | None:
        """The next for a rig of this setup, else any; None when there are no more."""
        with self._lock:
            fault = next((f for f in self._faults if f.setup == setup), None)
            if fault is None and self._faults:
                fault = self._faults[0]
            if fault is not None:
                self._faults.remove(fault)
            return fault


class Worker:
    """One rig at a time, kept as long as it is good and wanted."""

    def __init__(self, times: int, seed: int, witness: Witness, show: Show, misses: int) -> None:
        self._times, self._seed, self._witness, self._show = times, seed, witness, show
        self._misses = misses
        self._bench: Bench | None = None

    def work(self, queue: Queue) -> list[Result]:
        """Do faults until there are no more."""
        results = []
        try:
            setup: Setup | None = None
            while (fault := queue.take(setup)) is not None:
                setup = fault.setup
                results.append(self.inject(fault))
        finally:
            self.close()
        return results

    def inject(self, fault: Fault) -> Result:
        """Inject one fault so many times. Ends early after `misses` cycles that came to nothing."""
        result = Result(fault)
        if fault.skip is not None and (why := fault.skip()):
            result.skipped = why
            self._show(result)
            return result
        rng = random.Random(f"{self._seed} {fault.name}")  # the same whatever else runs, and where
        began_s = time.monotonic()
        while result.n < self._times and len(result.missed) <= self._misses:
            began_ns = time.monotonic_ns()
            try:
                run_cycle(self._rig(fault.setup, rng), fault, result, self._witness)
            except (NmesdError, OSError) as error:  # this rig is of no more use: begin with another
                miss(result, str(error), began_ns, self._witness)
                self.close()
            result.seconds = time.monotonic() - began_s
            self._show(result)
        return result

    def close(self) -> None:
        """End the rig."""
        if self._bench is not None:
            self._bench.close()
            self._bench = None

    def _rig(self, setup: Setup, rng: random.Random) -> Bench:
        if self._bench is not None and self._bench.setup != setup:
            self.close()
        if self._bench is None:
            self._bench = Bench(setup, rng.randrange(2**31))
        self._bench.rng = rng
        return self._bench


def campaign(
    faults: Sequence[Fault],
    times: int,
    seed: int,
    witness: Witness,
    *,
    jobs: int = 1,
    show: Show = lambda _: None,
    misses: int | None = None,
) -> list[Result]:
    """Inject each fault so many times, with as many misses if not told otherwise. Results in their order."""
    queue = Queue(faults)
    workers = [
        Worker(times, seed, witness, show, times if misses is None else misses) for _ in range(jobs)
    ]
    with ThreadPoolExecutor(jobs) as pool:
        done = [r for results in pool.map(lambda w: w.work(queue), workers) for r in results]
    return sorted(done, key=lambda result: faults.index(result.fault))
