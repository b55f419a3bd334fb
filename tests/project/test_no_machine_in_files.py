"""No file of the project names one machine: a path or a host that exists nowhere else."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

# Scratch, a checkout's place on one machine, home folders of one user. /home/<user> is fine in a
# text that says so; what is meant here are paths that were pasted.
PLACES = re.compile(r"(?<![\w.~*-])/(?:tmp|work|root|farm\w*|var/tmp)(?:/[\w.]|/?\s*$)")
# Names that belong to many machines and may be written about.
COMMON_HOSTS = {"localhost", "raspberrypi", "debian", "ubuntu", "vm", "nmesd"}
SHORTEST_TELLING_NAME = 5


def files(root: Path) -> list[Path]:
    """Tracked files, and those about to be: everything that is not ignored."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return [path for name in done.stdout.split("\0") if name and (path := root / name).is_file()]


def lines_with(pattern: re.Pattern[str], text: str) -> list[int]:
    return [n for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def find(root: Path, pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in files(root):
        if path == Path(__file__).resolve():
            continue
        raw = path.read_bytes()
        if b"\0" in raw:
            continue
        hits = lines_with(pattern, raw.decode(errors="replace"))
        found += [f"{path.relative_to(root)}:{n}" for n in hits]
    return found


def test_no_path_of_one_machine(repo_root: Path) -> None:
    own = re.escape(str(repo_root))
    assert find(repo_root, re.compile(f"{PLACES.pattern}|{own}(?!\\w)")) == []


def test_no_name_of_this_machine(repo_root: Path) -> None:
    host = socket.gethostname()
    if host in COMMON_HOSTS or len(host) < SHORTEST_TELLING_NAME:
        pytest.skip(f"the name {host!r} says nothing: too common or too short to search for")
    assert find(repo_root, re.compile(rf"\b{re.escape(host)}\b")) == []


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("see /tmp/x.log", True),
        ("cd /work/main", True),
        ('open("/root/.ssh/id")', True),
        ("at /var/tmp/roots", True),
        ("docs/work/plan.md", False),
        ("https://example.org/work/1", False),
        ("PrivateTmp=yes", False),
        ("/var/lib/nmesd", False),
    ],
)
def test_the_pattern_sees_what_it_should(text: str, *, seen: bool) -> None:
    assert bool(lines_with(PLACES, text)) is seen
