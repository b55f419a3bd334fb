"""Who the operator is, if nobody says so."""

import os
import pwd

import pytest
from typer.testing import CliRunner

from nmesd.cli import common, operator
from nmesd.cli.app import app


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
