"""A chain of `make peers` waits in its own process for its turn, and says why it cannot."""

import os

import pytest

from bench.peers.hops import Worker
from bench.peers.machine import HERE


@pytest.mark.parametrize("tool", ["nmesd", "scipy"])
def test_every_hop_that_is_asked_for_is_timed(tool: str) -> None:
    worker = Worker(HERE, tool, 8, dict(os.environ))
    try:
        for hops in (3, 5):
            taken_us = worker.run(hops)
            assert len(taken_us) == hops
            assert min(taken_us) > 0
    finally:
        worker.end()


def test_what_cannot_be_measured_says_why() -> None:
    worker = Worker(HERE, "nobody", 8, dict(os.environ))
    try:
        with pytest.raises(RuntimeError, match="KeyError: 'nobody'"):
            worker.run(3)
    finally:
        worker.end()
