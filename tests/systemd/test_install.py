"""`make install` into another root: what it lays out, what it never touches, when it refuses."""

import importlib.util
import json
import os
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "systemd" / "install.py"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users: needs root")


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with an environment that is made at once, and users that are made by hand."""
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    count = iter(range(100))

    def build(release: Path, _: Path | None) -> None:
        (release / "bin").mkdir(parents=True)
        (release / "bin" / "nmesd").write_text("")

    def users(root: Path) -> None:
        (root / "etc" / "group").write_text("root:x:0:\nnmesd:x:987:\n")

    monkeypatch.setattr(module, "build", build)
    monkeypatch.setattr(module, "users", users)
    monkeypatch.setattr(module.time, "strftime", lambda *_: f"2026{next(count):02}")
    return module


def test_everything_has_its_place_and_its_owner(installer: ModuleType, tmp_path: Path) -> None:
    installer.install(tmp_path, None)
    etc = tmp_path / "etc" / "nmesd"
    assert {path.name for path in etc.iterdir()} == {
        "guard.toml", "nmesd.toml", "patient.toml", "programmes",
    }  # fmt: skip
    guard, unit = (etc / name for name in ("guard.toml", "nmesd.toml"))
    assert (guard.stat().st_mode & 0o777, guard.stat().st_uid, guard.stat().st_gid) == (
        0o640,
        0,
        987,
    )
    assert unit.stat().st_mode & 0o777 == 0o660
    assert 'client_user = "nmesd"' in [line[:21] for line in guard.read_text().splitlines()]
    for name in ("nmesd-guard", "nmesd", "nmesd-monitor"):
        assert (tmp_path / f"etc/systemd/system/{name}.service").exists()
    assert str((tmp_path / "opt/nmesd").readlink()) == "/opt/nmesd-releases/202600"
    assert str((tmp_path / "usr/local/bin/nmesd").readlink()) == "/opt/nmesd/bin/nmesd"


def test_again_is_an_upgrade_that_keeps_what_is_somebody_s(
    installer: ModuleType, tmp_path: Path
) -> None:
    installer.install(tmp_path, None)
    own = tmp_path / "etc/nmesd/patient.toml"
    own.write_text('code = "P7"\n')
    (tmp_path / "etc/nmesd/programmes/activation.toml").write_text("ours\n")
    for _ in range(3):
        installer.install(tmp_path, None)
    assert own.read_text() == 'code = "P7"\n'
    assert (tmp_path / "etc/nmesd/programmes/activation.toml").read_text() == "ours\n"
    assert str((tmp_path / "opt/nmesd").readlink()) == "/opt/nmesd-releases/202603"
    assert len(list((tmp_path / "opt/nmesd-releases").iterdir())) == installer.KEPT


def test_half_a_release_is_not_kept_in_the_place_of_a_good_one(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer.install(tmp_path, None)

    def fails(release: Path, _: Path | None) -> None:
        (release / "bin").mkdir(parents=True)
        sys.exit("install: failed: pip")

    monkeypatch.setattr(installer, "build", fails)
    with pytest.raises(SystemExit, match="pip"):
        installer.install(tmp_path, None)
    assert [path.name for path in (tmp_path / "opt/nmesd-releases").iterdir()] == ["202600"]
    assert str((tmp_path / "opt/nmesd").readlink()) == "/opt/nmesd-releases/202600"


def test_uninstalled_the_configuration_and_sessions_stay(
    installer: ModuleType, tmp_path: Path
) -> None:
    installer.install(tmp_path, None)
    session = tmp_path / "var/lib/nmesd/sessions/one"
    session.mkdir(parents=True)
    installer.uninstall(tmp_path)
    assert session.exists()
    assert (tmp_path / "etc/nmesd/guard.toml").exists()
    for gone in (
        "opt/nmesd",
        "opt/nmesd-releases",
        "usr/local/bin/nmesd",
        "etc/systemd/system/nmesd.service",
        "etc/systemd/system/nmesd-monitor.service",
    ):
        assert not os.path.lexists(tmp_path / gone)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ({"state": "READY", "guard": "ARMED"}, True),
        ({"state": "DISARMED", "guard": "DISARMED"}, False),
        (None, False),
    ],
)
def test_it_refuses_while_anybody_is_armed(
    answer: dict[str, Any] | None, refused: bool, installer: ModuleType, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "run/nmesd").mkdir(parents=True)
    path = tmp_path / installer.CONTROL
    monkeypatch.chdir(path.parent)  # a socket's path is short
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path.name)
    listener.listen(1)
    monkeypatch.setattr(installer, "CONTROL", path.name)

    def serve() -> None:
        client, _ = listener.accept()
        client.recv(100)
        if answer is not None:
            client.sendall(json.dumps(answer).encode() + b"\n")
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        if refused:
            with pytest.raises(SystemExit, match="READY, a session is on"):
                installer.refuse_while_armed(Path())
        else:
            installer.refuse_while_armed(Path())
    finally:
        thread.join(5)
        listener.close()
