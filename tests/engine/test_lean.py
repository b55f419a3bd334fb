"""The engine's process holds nothing that does not run, and what it holds stays: modules, threads, memory."""

import gc
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nmesd.daemon.engine_process import ONE_THREAD
from nmesd.sim.rig import Rig
from nmesd.sim.session_files import one_muscle
from tests.engine.played import Bench

# What numpy and pylsl bring along, and nobody else: not ours to leave out.
NUMPYS = {"ast", "datetime", "dis", "inspect", "pickle", "platform", "textwrap", "tokenize"}
PYLSLS = {"bz2", "ctypes", "lzma", "random", "shutil", "subprocess", "tempfile", "threading"}
NEVER = {
    "scipy", "asyncio", "logging", "unittest", "doctest", "pdb", "ssl", "http", "email", "urllib.request", "xml",
    "concurrent", "multiprocessing", "sqlite3", "csv", "tomllib", "tomlkit", "tomli_w", "pydantic", "structlog",
    "aiomqtt", "paho", "typer", "click", "rich", "serial", "gpiod", "pyxdf", "edfio", "matplotlib", "starlette",
}  # fmt: skip
OURS = {
    "dsp",
    "nmesd.core",
    "nmesd.engine",
    "nmesd.errors",
    "nmesd.realtime",
    "nmesd.units",
    "nmesd.wire",
}
STARTED = """
import json, sys
before = set(sys.modules)
import {first}
between = set(sys.modules)
import nmesd.engine.__main__, nmesd.engine.beginning, nmesd.engine.process
print(json.dumps([sorted(between - before), sorted(set(sys.modules) - before)]))
"""
TRAIN = {"amplitude_ma": 10, "pulse_width_us": 250, "plateau_s": 0.5}


def loaded(first: str) -> tuple[set[str], set[str]]:
    """Modules that `first` loads, and those an engine has loaded when it begins."""
    env = {**os.environ, **ONE_THREAD}
    told = subprocess.run(
        [sys.executable, "-c", STARTED.format(first=first)],
        env=env,
        capture_output=True,
        check=True,
    )
    alone, all_of_them = json.loads(told.stdout)
    return set(alone), set(all_of_them)


def test_an_engine_loads_nothing_that_does_not_run() -> None:
    _, modules = loaded("sys")
    tops = {name.partition(".")[0] for name in modules}
    assert not (tops | modules) & NEVER
    ours = {".".join(name.split(".")[:2]) for name in modules if name.startswith(("nmesd.", "dsp"))}
    assert {name for name in ours if not name.startswith("dsp.")} <= OURS
    assert "dsp.design" not in modules


def test_what_else_it_has_came_with_numpy_and_pylsl() -> None:
    numpy, _ = loaded("numpy")
    pylsl, _ = loaded("pylsl")
    assert numpy >= NUMPYS
    assert pylsl >= PYLSLS
    _, modules = loaded("pylsl")
    own = {name for name in modules - pylsl if not name.startswith(("nmesd", "dsp", "numpy", "_"))}
    assert own <= {
        "argparse", "array", "copy", "dataclasses", "gc", "gettext", "ipaddress", "json", "json.decoder",
        "json.encoder", "json.scanner", "mmap", "ntpath", "pathlib", "socket", "urllib", "urllib.parse",
    }  # fmt: skip


# ---- a real one ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    stream = {"name": "lean", "source_id": "lean", "rate_hz": 1000.0, "labels": ["target"]}
    sections = one_muscle("target", {"on_uv": 20.0, "off_uv": 12.0}, TRAIN)
    with Rig({"stream": stream, **sections}) as rig:
        rig.start(
            "nmesd.sim.patient", "--name", "lean", "--source-id", "lean", "--until-eof",
            "--pulses", str(rig.patient_socket),
        )  # fmt: skip
        rig.arm()
        yield rig


def of(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def test_its_threads_are_its_own_and_those_of_lsl(rig: Rig) -> None:
    pid = rig.status()["engine_pid"]
    # One decides; liblsl has one for each search, one to watch over the inlet, one to hear it. BLAS has none.
    assert of(pid, "Threads") == 4
    maps = Path(f"/proc/{pid}/maps").read_text()
    assert "openblas" in maps
    assert "scipy" not in maps.replace("libscipy_openblas", "")


def test_processes_are_no_larger_than_they_should_be(rig: Rig) -> None:
    pids = {
        "guard": rig.guard.process.pid,
        "engine": rig.status()["engine_pid"],
        "daemon": rig.daemon.process.pid,
    }
    sizes_mb = {name: of(pid, "VmRSS") * 1024 / 1e6 for name, pid in pids.items()}
    assert sizes_mb["guard"] < 20
    assert sizes_mb["engine"] < 60
    assert sizes_mb["daemon"] < 120


@pytest.mark.skipif(
    os.getuid() != 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY,
    reason="memory may not be locked here: LimitMEMLOCK=infinity",
)
def test_its_memory_is_locked_whole(rig: Rig) -> None:
    pid = rig.status()["engine_pid"]
    assert of(pid, "VmLck") >= of(pid, "VmRSS")
    # Code that was never run is there, too; of LAPACK only what was touched.
    whole = [one for one in mapped(pid) if "/numpy.libs/" not in one.path]
    assert len(whole) > 50
    assert not [one for one in whole if one.rss_kb != one.size_kb]
    lapack = [one for one in mapped(pid) if "/numpy.libs/" in one.path]
    assert sum(one.rss_kb for one in lapack) < sum(one.size_kb for one in lapack) / 2


class Mapping(NamedTuple):
    """A file in the memory of a process."""

    path: str
    size_kb: int
    rss_kb: int


def mapped(pid: int) -> list[Mapping]:
    """Every file that may be read there."""
    found = []
    head = r"^[0-9a-f]+-[0-9a-f]+ (r\S+) \S+ \S+ \d+ +(/.*)$"
    text = Path(f"/proc/{pid}/smaps").read_text()
    for match in re.finditer(head, text, re.MULTILINE):
        size, rss = (
            int(re.compile(rf"^{key}: +(\d+) kB", re.MULTILINE).search(text, match.end())[1])  # type: ignore[index]
            for key in ("Size", "Rss")
        )
        found.append(Mapping(match[2], size, rss))
    return found


# ---- garbage --------------------------------------------------------------------------------------


def test_its_turns_leave_no_garbage_and_nothing_that_grows(bench: Bench) -> None:
    """Attempts, trains and rest, told to guard and daemon: collection is off in an engine, and none is needed."""

    def turns() -> None:
        for _ in range(4):
            bench.network.loudness_uv = 60
            bench.turns(0.6)
            bench.network.loudness_uv = 2
            bench.turns(0.6)
            bench.to_guard.clear()
            bench.to_daemon.clear()

    bench.train()
    turns()
    gc.collect()
    gc.disable()
    try:
        before, trains = sys.getallocatedblocks(), bench.engine._decider.state.trains
        turns()
        turns()
        assert gc.collect() == 0
        grown = sys.getallocatedblocks() - before  # without free lists, which a collection empties
    finally:
        gc.enable()
    assert bench.engine._decider.state.trains > trains
    # 2400 turns: of the blocks that one for each would be. What is there is buckets of the histograms, which
    # are more on a busy machine.
    assert grown < 800
