"""The lock files: every dependency is there, and every line has its hash.

No line says where to fetch from: that belongs to the machine.
"""

import re
import tomllib
from pathlib import Path

import pytest

LOCKS = ("requirements.lock", "requirements-dev.lock")
PEERS = ("requirements-peers-new.lock", "requirements-peers-old.lock")
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+?)(?: ; .+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if match := PINNED.match(line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def normalised(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


@pytest.mark.parametrize("name", [*LOCKS, *PEERS])
def test_every_line_is_a_pin_a_hash_or_a_remark(repo_root: Path, name: str) -> None:
    lines = (repo_root / name).read_text().splitlines()
    odd = [s for s in lines if not (s.startswith("#") or PINNED.match(s) or HASH.match(s))]
    assert odd == []


@pytest.mark.parametrize("name", [*LOCKS, *PEERS])
def test_every_pin_is_followed_by_a_hash(repo_root: Path, name: str) -> None:
    lines = (repo_root / name).read_text().splitlines()
    bare = [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if PINNED.match(line) and not HASH.match(after)
    ]
    assert bare == []


def test_the_locks_of_the_peers_hold_them_and_what_nmesd_runs_with(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text())["project"]
    asked = [project["optional-dependencies"]["peers"]]
    asked += [(repo_root / "bench/peers/old.in").read_text().splitlines()[1:]]
    for name, wanted in zip(PEERS, asked, strict=True):
        locked = pins((repo_root / name).read_text())
        for one in wanted:
            peer, version = one.split("==")
            assert locked[normalised(peer)] == {version}
    run, beside = (
        pins((repo_root / name).read_text()) for name in ("requirements.lock", PEERS[0])
    )  # fmt: skip
    for same in ("numpy", "scipy", "pylsl"):  # or two libraries would be compared, not two programs
        assert beside[same] == run[same]


def test_the_locks_hold_what_pyproject_asks_for(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    run = {normalised(r) for r in [*project["project"]["dependencies"], *groups["build"]]}
    dev = {normalised(r) for r in groups["dev"] if isinstance(r, str)}
    locked, locked_dev = (pins((repo_root / name).read_text()) for name in LOCKS)
    assert run <= set(locked)
    assert run | dev <= set(locked_dev)
    assert {name: locked_dev[name] for name in locked} == locked


def test_the_peers_are_pinned(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["peers"]
    old = (repo_root / "bench" / "peers" / "old.in").read_text().splitlines()[1:]
    for name, asked in zip(PEERS, (extra, old), strict=True):
        locked = pins((repo_root / name).read_text())
        for one in asked:
            assert one.partition("==")[2] in locked[normalised(one)], one
