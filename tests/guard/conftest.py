"""The fixtures of the guard's tests that run it: turned by hand, or as a process of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guard.processes import Child, Client
from tests.guard.turned import Bench


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: the path of a socket has 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ng"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def bench(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A guard that is turned by hand, by a clock that stands still but where it waits."""
    bench = Bench(folder, monkeypatch)
    yield bench
    bench.close()


@pytest.fixture
def child(folder: Path) -> Iterator[Child]:
    """A guard process."""
    child = Child(folder)
    yield child
    child.close()


@pytest.fixture
def giving(child: Child) -> Client:
    """Armed, and pulses come."""
    client = Client(child)
    client.arm()
    client.give_until(lambda: len(child.given()) >= 3)
    return client
