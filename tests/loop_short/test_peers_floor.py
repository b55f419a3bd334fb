"""The floor of `make peers` runs: the program in C and the one in Python hear the sender and take its stamps."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.peers.judge import Decisions, meet
from bench.peers.latency import CHANNELS, CHUNK, RATE_HZ
from bench.peers.machine import HERE, ROOT, floor_in_c, sender, session
from bench.peers.sender import sent_ns

SECONDS = 0.5


@pytest.mark.parametrize("language", ["C", "Python"])
def test_every_chunk_goes_through_the_floor(tmp_path: Path, language: str) -> None:
    if language == "C":
        if shutil.which("cc") is None:
            pytest.skip("no C compiler here (cc): the floor in C is not measured")
        program = floor_in_c(tmp_path)
        assert program is not None
        command = [program]
    else:
        command = [HERE, "-m", "bench.peers.floor"]
    stream, rows, stamps = f"floor-{language}", tmp_path / "rows", tmp_path / "stamps"
    with (
        session(f"nmesd-{tmp_path.name}") as env,
        sender(env, stream, RATE_HZ, CHANNELS, CHUNK, stamps),
    ):
        command += [stream, str(SECONDS), str(rows), "0"]
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=30)
        made, sent = Decisions.of_receiver(rows.read_bytes()), sent_ns(stamps)
    assert len(made.sample_ns) > 0
    inside = sent[(sent >= made.sample_ns[0] - 1000) & (sent <= made.sample_ns[-1] + 1000)]
    met = meet(inside, made)
    assert met.missing == 0
    assert met.own.any()
    assert (met.received_ns > 0).all()  # nothing is there before it was sent
