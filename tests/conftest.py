"""What every test may ask for, and two rules that hold for all.

LSL stays on this machine, and no task outlives its test.
"""

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# liblsl reads its configuration once, at its first call in a process, and child processes inherit
# the variable. KnownPeers is needed for liblsl 1.17 (arm64): of several outlets that listen on
# 127.0.0.1 only the last one hears a query sent to the common port, so each must be asked at its
# own. ListenAddress keeps discovery off the network; data ports are bound to every interface
# whatever the configuration says, but answer only within the session.
LSL_ON_THIS_MACHINE = """\
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
ListenAddress = 127.0.0.1
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = {session_id}
[log]
level = -1
"""

REPO_ROOT = Path(__file__).resolve().parent.parent


def _keep_lsl_on_this_machine() -> None:
    if "pylsl" in sys.modules:
        message = "pylsl was imported before tests/conftest.py could keep it on this machine"
        raise RuntimeError(message)
    folder = Path(tempfile.mkdtemp(prefix="nmesd-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = folder / "lsl_api.cfg"
    config.write_text(LSL_ON_THIS_MACHINE.format(session_id=f"nmesd-tests-{os.getpid()}"))
    os.environ["LSLAPICFG"] = str(config)


_keep_lsl_on_this_machine()


COVERING = tuple(REPO_ROOT / "tests" / room for room in ("guard", "wire", "core", "dsp"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that coverage is measured by.

    Not the long walks, which cover nothing more, nor the footprint, which would measure the measuring.
    """
    for item in items:
        slow = item.get_closest_marker("slow") or item.path.name == "test_footprint.py"
        if not slow and item.path.parent in COVERING:
            item.add_marker("covering")


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return REPO_ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The recordings: NMESD_DATA, or the folder shared/data beside the checkout."""
    folder = Path(os.environ.get("NMESD_DATA", REPO_ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: set NMESD_DATA to the folder that has them")
    return folder


@pytest.fixture
async def _no_task_left() -> AsyncIterator[None]:
    yield
    own = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not own]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    if left:
        names = ", ".join(sorted(repr(task) for task in left))
        pytest.fail(f"{len(left)} task(s) still running after the test: {names}", pytrace=False)


@pytest.fixture(autouse=True)
def _async_tests_clean_up(request: pytest.FixtureRequest) -> None:
    # Asked for first, so torn down last: a fixture may hold a task for as long as its test lasts.
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("_no_task_left")
