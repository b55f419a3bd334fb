"""Guard, wire, core and dsp are covered to the last line and branch, by their own tests alone.

`make test` measures it, processes included; here is what it is measured by.
"""

import tomllib
from pathlib import Path

ROOMS = ("nmesd/guard", "nmesd/wire", "nmesd/core", "dsp")


def test_all_of_these_rooms_is_asked_for(repo_root: Path) -> None:
    tools = tomllib.loads((repo_root / "pyproject.toml").read_text())["tool"]["coverage"]
    assert tools["run"]["source_pkgs"] == [room.replace("/", ".") for room in ROOMS]
    assert tools["run"]["branch"]
    assert tools["report"]["fail_under"] == 100
    assert "omit" not in {*tools["run"], *tools["report"]}
    (line,) = [
        one for one in (repo_root / "Makefile").read_text().splitlines() if "-m covering" in one
    ]
    assert line.endswith(" --cov")


def test_nothing_is_left_out_of_the_measure_without_a_reason(repo_root: Path) -> None:
    bare = []
    for room in ROOMS:
        for path in (repo_root / room).glob("*.py"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                _, found, reason = line.partition("pragma: no cover")
                if found and len(reason.strip(" -:")) < 10:
                    bare.append(f"{path.name}:{number}")
    assert bare == []
