"""The two rules tests/conftest.py makes for all tests: LSL stays here, no task is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

OUTLET = """
import sys, pylsl
info = pylsl.StreamInfo("rules", "EMG", 1, 100, "float32", sys.argv[1])
outlet = pylsl.StreamOutlet(info)
print("ready", flush=True)
sys.stdin.read()
"""
RESOLVE = """
import sys, pylsl
print(len(pylsl.resolve_byprop("source_id", sys.argv[1], 1, float(sys.argv[2]))))
"""


def streams_seen(config: str, source_id: str, timeout_s: float) -> int:
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, source_id, str(timeout_s)],
        env={**os.environ, "LSLAPICFG": config},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_lsl_finds_every_stream_of_its_session_and_none_of_another(tmp_path: Path) -> None:
    here = Path(os.environ["LSLAPICFG"])
    elsewhere = tmp_path / "lsl_api.cfg"
    elsewhere.write_text(here.read_text().replace("nmesd-tests-", "another-"))
    ids = [f"rules-{os.getpid()}-{n}" for n in range(3)]
    outlets = [
        subprocess.Popen(
            [sys.executable, "-c", OUTLET, source_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for source_id in ids
    ]
    try:
        for outlet in outlets:
            assert outlet.stdout is not None
            assert outlet.stdout.readline() == "ready\n"
        # Each of several: one alone would be found even where the others are not (liblsl 1.17).
        assert [streams_seen(str(here), source_id, 10) for source_id in ids] == [1, 1, 1]
        assert streams_seen(str(elsewhere), ids[0], 2) == 0
    finally:
        for outlet in outlets:
            outlet.communicate()


LEAKY = """
import asyncio, pytest

async def test_leaves_a_task():
    asyncio.get_running_loop().create_task(asyncio.sleep(60))

@pytest.fixture
async def ticker():
    task = asyncio.get_running_loop().create_task(asyncio.sleep(60))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

async def test_tidy(ticker):
    await asyncio.sleep(0)

def test_sync():
    pass
"""


def test_a_task_left_behind_fails_its_test(pytester: pytest.Pytester, repo_root: Path) -> None:
    pytester.makeconftest((repo_root / "tests" / "conftest.py").read_text())
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nasyncio_mode = 'auto'\n")
    pytester.makepyfile(LEAKY)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*1 task(s) still running after the test*"])
