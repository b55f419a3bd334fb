"""Which packages from outside a room may use.

This is the half of the design's table that import-linter cannot hold, because it can forbid what it
knows but not allow only what is named.
"""

import ast
import sys
from pathlib import Path

import pytest

# Room -> third-party packages. `cli` may use anything that is a dependency.
MAY_USE: dict[str, set[str]] = {
    "dsp": {"numpy"},
    "dsp/design": {"numpy", "scipy"},
    "nmesd/core": set(),
    "nmesd/wire": set(),
    "nmesd/units": set(),
    "nmesd/errors": set(),
    "nmesd/realtime": set(),
    "nmesd/toml": set(),
    "nmesd/stopping": set(),
    "nmesd/guard": set(),
    "nmesd/drivers": {"serial", "gpiod"},
    "nmesd/engine": {"numpy", "pylsl"},
    "nmesd/daemon": {"numpy", "pylsl", "structlog", "pydantic", "aiomqtt", "paho", "tomlkit"},
    "nmesd/sessions": {"numpy", "pyxdf", "edfio", "matplotlib", "tomli_w", "distributed"},
    "nmesd/sim": {"numpy", "scipy", "pylsl", "pyxdf", "rich", "tomli_w"},
    "nmesd/calibrating": {"numpy", "pylsl", "rich"},
    "nmesd/commissioning": {"serial"},
    "nmesd/amplitude": {"tomli_w"},
    "nmesd/doctor": {"pylsl"},
    "nmesd/certificate": {"numpy", "pylsl", "rich"},
    "nmesd/monitor": {"starlette", "uvicorn"},
    "nmesd/cli": {"numpy", "pylsl", "structlog", "pydantic", "typer", "rich", "pyxdf"},
}
OURS = {"nmesd", "dsp"}


def imported(tree: ast.AST) -> set[str]:
    """Top-level names of all modules imported anywhere in the file, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def room_of(relative: Path) -> str | None:
    """The most particular entry of the table that the file falls under."""
    stem = relative.with_suffix("").as_posix()
    rooms = [room for room in MAY_USE if stem == room or stem.startswith(room + "/")]
    return max(rooms, key=len, default=None)


def foreign(text: str, room: str) -> set[str]:
    return imported(ast.parse(text)) - sys.stdlib_module_names - OURS - MAY_USE[room]


def test_rooms_use_only_what_the_design_gives_them(repo_root: Path) -> None:
    wrong = []
    for package in OURS:
        for path in sorted((repo_root / package).rglob("*.py")):
            relative = path.relative_to(repo_root)
            if relative.as_posix() in ("nmesd/__init__.py", "nmesd/__main__.py"):
                continue
            room = room_of(relative)
            if room is None:
                wrong.append(f"{relative}: in no room")
            elif names := foreign(path.read_text(), room):
                wrong.append(f"{relative}: {room} may not use {', '.join(sorted(names))}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "room", "names"),
    [
        ("import numpy as np", "nmesd/guard", {"numpy"}),
        ("def f():\n    from requests.api import get", "nmesd/daemon", {"requests"}),
        ("from scipy import signal", "dsp", {"scipy"}),
        ("from scipy import signal", "dsp/design", set()),
        ("import socket, serial", "nmesd/drivers", set()),
    ],
)
def test_the_check_sees_what_it_should(text: str, room: str, names: set[str]) -> None:
    assert foreign(text, room) == names


def test_design_is_told_apart_from_the_rest_of_dsp() -> None:
    assert room_of(Path("dsp/design.py")) == "dsp/design"
    assert room_of(Path("dsp/designer.py")) == "dsp"
    assert room_of(Path("nmesd/new.py")) is None
