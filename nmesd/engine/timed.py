"""The signal chain with a watch beside it: the decider has no clock, the engine does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from dsp.chain import Chain, HopValues
from nmesd.wire import Stage, Stages

Hop = np.ndarray[Any, np.dtype[np.float64]]


class TimedChain:
    """A chain whose every run is timed."""

    def __init__(self, chain: Chain, stages: Stages) -> None:
        self._chain, self._stages = chain, stages
        self.done_ns = 0  # when the last run was over

    def run(self, hop: Hop, on_nv: Sequence[int], off_nv: Sequence[int]) -> HopValues:
        """See Chain."""
        began_ns = time.monotonic_ns()
        values = self._chain.run(hop, on_nv, off_nv)
        self.done_ns = time.monotonic_ns()
        self._stages.met(Stage.FILTER, self.done_ns - began_ns)
        return values

    def restart(self) -> None:
        """See Chain."""
        self._chain.restart()
