"""The machine the comparison runs on: environments of the peers, rights, load."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pylsl.lib

from nmesd.daemon.engine_config import lsl_config
from nmesd.daemon.settings import LslSection
from nmesd.sim.loads import ended, started

ROOT = Path(__file__).parents[2]
HERE = sys.executable
PEERS = str(ROOT / ".venv-peers-new" / "bin" / "python")  # ezmsg, mne-lsl: beside our numpy
OLD = str(ROOT / ".venv-peers-old" / "bin" / "python")  # libemg, timeflux: want numpy 1
_PR_CAPBSET_DROP, _CAP_IPC_LOCK, _CAP_SYS_NICE = 24, 14, 23  # linux/prctl.h, linux/capability.h


def without_rights() -> None:
    """For a child before it is what it will be: root loses real-time priority and locked memory for good."""
    libc = ctypes.CDLL(None)
    for capability in (_CAP_IPC_LOCK, _CAP_SYS_NICE):
        libc.prctl(_PR_CAPBSET_DROP, capability)


@contextlib.contextmanager
def session(name: str) -> Iterator[dict[str, str]]:
    """An environment in which LSL hears this session alone."""
    with tempfile.TemporaryDirectory(prefix="nmesd-peers-") as folder:
        config = Path(folder) / "lsl_api.cfg"
        config.write_text(lsl_config(LslSection(session_id=name)))
        yield {**os.environ, "LSLAPICFG": str(config), "PYTHONPATH": str(ROOT), "MNE_LSL_LOG_LEVEL": "ERROR",
               "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # fmt: skip


@contextlib.contextmanager
def load(*, loaded: bool) -> Iterator[None]:
    """Every core wholly busy, or nothing."""
    cores = sorted(os.sched_getaffinity(0)) if loaded else []
    burners = [started("burn", core, 1.0) for core in cores]
    try:
        yield
    finally:
        for burner in burners:
            ended(burner)


@contextlib.contextmanager
def sender(
    env: dict[str, str], stream: str, rate_hz: float, channels: int, chunk: int, stamps: Path
) -> Iterator[None]:
    """The amplifier, of this session. stamps: the file where those of its chunks go."""
    numbers = (str(rate_hz), str(channels), str(chunk))
    command = [HERE, "-m", "bench.peers.sender", stream, *numbers, str(stamps)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()


def floor_in_c(folder: Path) -> str | None:
    """The path of the compiled floor; None where there is no C compiler."""
    library = Path(next(pylsl.lib.find_liblsl_libraries()))
    program = folder / "floor"
    command = [
        "cc", "-O2", "-o", str(program), str(Path(__file__).with_name("floor.c")),
        str(library), f"-Wl,-rpath,{library.parent}",
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        return None
    return str(program)
