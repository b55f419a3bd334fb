"""A Debian to install on, and the table of what was asserted there.

`booted` and `arm64` take minutes and are asked for by name: `make booted`, `make arm64`.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.systemd.roots import cache

collect_ignore = ["booted", "arm64"]
SEEN = "seen"
Tell = Callable[[str], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """What was seen, for the table at the end."""
    return lambda text: record_property(SEEN, text)


@pytest.fixture(scope="session")
def spoilt() -> Iterator[Path]:
    """A folder beside the roots for copies of them, removed at the end. Not in memory: a root is large."""
    cache().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=cache()))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each test that had something to tell, and plainly if nothing was tried."""
    lines = []
    for outcome, verdict in (("passed", "held"), ("failed", "FAILED")):
        for report in terminalreporter.getreports(outcome):
            seen = [str(text) for name, text in report.user_properties if name == SEEN]
            if report.when == "call" and seen:
                lines.append(f"{verdict:8}{_sentence(report.nodeid)}: {'; '.join(seen)}")
    skipped = [
        f"skipped {_sentence(report.nodeid)}"
        for report in terminalreporter.getreports("skipped")
        if any(f"systemd/{folder}/" in report.nodeid for folder in collect_ignore)
    ]
    if lines or skipped:
        terminalreporter.section("asserted" if lines else "NOTHING WAS TRIED, see the reason below")
        for line in (*lines, *skipped):
            terminalreporter.write_line(line)


def _sentence(nodeid: str) -> str:
    return nodeid.partition("::test_")[2].replace("_", " ")
