"""Guard and wire, and dsp, are covered to the last line and branch, by their own tests alone.

Their processes are measured too (`patch = ["subprocess"]` in pyproject.toml). Left out are the long walks, which
cover nothing more, and test_footprint.py, which would measure the measuring.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PARTS = {
    "guard and wire": (("nmesd/guard", "nmesd/wire"), ("tests/guard", "tests/wire")),
    "dsp": (("dsp",), ("tests/dsp",)),
}
LEFT_OUT = ("-m", "not slow", "--ignore", "tests/guard/test_footprint.py")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", PARTS)
def test_it_is_covered_to_the_last_line_and_branch(
    part: str, repo_root: Path, tmp_path: Path
) -> None:
    rooms, its_tests = PARTS[part]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    env["COVERAGE_FILE"] = str(tmp_path / ".coverage")

    def coverage(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *arguments],
            cwd=repo_root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]

    tests = ["pytest", "-q", "-p", "no:cacheprovider", *LEFT_OUT, *its_tests]
    coverage("run", "--branch", "-m", *tests)
    coverage("combine", "-q", str(tmp_path))
    report = tmp_path / "coverage.json"
    include = ",".join(f"{room}/*" for room in rooms)
    coverage("json", "-q", f"--include={include}", "-o", str(report))
    measured = json.loads(report.read_text())["files"]
    there = {
        str(path.relative_to(repo_root))
        for room in rooms
        for path in (repo_root / room).glob("*.py")
    }
    assert set(measured) == there
    missing = {
        name: (facts["missing_lines"], facts["missing_branches"])
        for name, facts in measured.items()
        if facts["missing_lines"] or facts["missing_branches"]
    }
    assert missing == {}


def test_nothing_is_left_out_of_the_measure_without_a_reason(repo_root: Path) -> None:
    bare = []
    for room in (room for rooms, _ in PARTS.values() for room in rooms):
        for path in (repo_root / room).glob("*.py"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                _, found, reason = line.partition("pragma: no cover")
                if found and len(reason.strip(" -:")) < 10:
                    bare.append(f"{path.name}:{number}")
    assert bare == []
