"""The floor of the comparison hears every chunk, and counts from the sample's stamp."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.peers.judge import Decisions, meet
from bench.peers.machine import HERE, ROOT, floor_in_c, sender, session
from bench.peers.sender import sent_ns

SECONDS = 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["c", "python", "plain"])
def test_it_takes_every_chunk(kind: str, tmp_path: Path) -> None:
    program: tuple[str, ...] = (
        HERE,
        "-m",
        f"bench.peers.{'plain' if kind == 'plain' else 'floor'}",
    )
    if kind == "c":
        compiled = floor_in_c(tmp_path)
        if compiled is None:
            pytest.skip("there is no C compiler")
        program = (compiled,)
    file, stamps = tmp_path / "taken", tmp_path / "stamps"
    with session(f"floor-{kind}") as env, sender(env, f"floor-{kind}", 1000.0, 4, 10, stamps):
        command = [*program, f"floor-{kind}", str(SECONDS), str(file), "0"]
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=60)
        made, sent = Decisions.of_receiver(file.read_bytes()), sent_ns(stamps)
    inside = sent[(sent >= made.sample_ns[0]) & (sent <= made.sample_ns[-1])]
    met = meet(inside, made)
    assert met.missing == 0
    # Of whole chunks: liblsl may hand one over in two parts.
    taken_us = met.received_ns[met.own] / 1000
    assert 50 <= len(taken_us) <= 101  # a hundred chunks, if the machine does not stand still
    assert (taken_us > 0).all()
    assert np.median(taken_us) < 10_000  # before the next one
