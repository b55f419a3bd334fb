"""An engine between a guard and a daemon that are played."""

from collections.abc import Iterator

import pytest

from tests.engine.played import Bench, running


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with running(monkeypatch) as bench:
        yield bench
