"""Who the operator is, if nobody says so; and a stop that is not kept waiting."""

import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nmesd.cli import common, operator
from nmesd.cli.app import app
from nmesd.cli.common import lines_of
from nmesd.stopping import knock


@pytest.mark.parametrize(
    ("sudo_user", "uid", "name"),
    [("ada", 0, "ada"), ("", 0, "root"), ("ada", 65_534, "nobody"), ("", 3_999_999_999, "3999999999")],
)  # fmt: skip
def test_the_login_name_is_that_of_the_person(
    sudo_user: str, uid: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", sudo_user)
    monkeypatch.setattr(os, "getuid", lambda: uid)
    assert common.login_name() == name


@pytest.mark.parametrize("command", ["reset", "disarm", "pause", "resume", "release"])
@pytest.mark.parametrize("given", ["", "Ada"])
def test_the_name_goes_to_the_daemon(
    command: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        operator, "ask_daemon", lambda _, what, **facts: asked.append((what, facts["operator"]))
    )
    monkeypatch.delenv("SUDO_USER", raising=False)
    done = CliRunner().invoke(app, [command, *(("--operator", given) if given else ())])
    assert done.exit_code == 0, done.output
    assert asked == [(command, given or pwd.getpwuid(os.getuid()).pw_name)]


@pytest.mark.parametrize(
    ("arguments", "heard"),
    [
        (["stop", "--guard", "PATH"], True),
        (["stop", "--guard=PATH"], True),
        (["stop", "--guard", "elsewhere"], False),
        (["status", "--guard", "PATH"], False),
        (["stop", "--guard", "PATH", "--help"], False),
        ([], False),
    ],
)
def test_a_stop_leaves_before_anything_is_loaded(
    arguments: list[str], heard: bool, tmp_path: Path
) -> None:
    path = str(tmp_path / "g")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as guard:
        guard.bind(path + ".stop")
        guard.setblocking(False)
        knock([argument.replace("PATH", path) for argument in arguments])
        try:
            assert (guard.recv(16) == b"stop") is heard
        except BlockingIOError:
            assert not heard


def test_what_it_takes_to_stop_is_next_to_nothing() -> None:
    script = (
        "import sys; sys.argv = ['nmesd', 'stop']; from nmesd.cli import main; "
        "print(sorted({n.split('.')[0] for n in sys.modules} & {'typer', 'rich', 'numpy', 'pydantic'}), "
        "'nmesd.wire' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] False"


def test_what_has_stages_is_a_line_for_each() -> None:
    timing = {"guard": {"p50_us": 1.5, "max_us": 20.0}, "filter": {"p50_us": 0.5, "max_us": 2.0}}
    assert lines_of("timing", timing) == [
        "  timing",
        "    guard            p50_us 1.5  max_us 20",
        "    filter           p50_us 0.5  max_us 2",
    ]
    assert lines_of("outcomes", {"SUCCESS": 3}) == ["  outcomes         {'SUCCESS': 3}"]
