"""Reload: a wrong file changes nothing, a right one begins a new engine, and the daemon lives through both."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.daemon.client import ask
from nmesd.errors import LinkError
from nmesd.sessions.folder import Folder

NMESD_TOML = """
[session]
programme = "activation"
[stream]
name = "nobody"
rate_hz = 1000
labels = ["biceps"]
[lsl]
session_id = "{folder}"
[guard]
socket = "{folder}/guard.sock"
[control]
socket = "{folder}/control.sock"
[record]
folder = "{folder}/sessions"
"""


PATIENT = """
code = "P7"
[[muscle]]
label = "biceps"
on_uv = 10
off_uv = 7
floor_uv = 7
ceiling_uv = 20
output = [{channel = 1}]
"""
PROGRAMMES = Path(__file__).parents[2] / "config" / "programmes"


class Running:
    """A daemon with a real engine, without amplifier and guard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.toml = folder / "nmesd.toml"
        self.text = NMESD_TOML.format(folder=folder)
        self.toml.write_text(self.text)
        self.patient = folder / "patient.toml"
        self.patient.write_text(PATIENT)
        shutil.copytree(PROGRAMMES, folder / "programmes")
        self.log = (folder / "log").open("w+b")
        command = [sys.executable, "-m", "nmesd.cli", "run", str(self.toml)]
        self.process = subprocess.Popen(command, stderr=self.log)

    def ask(self, command: str, **values: Any) -> dict[str, Any]:
        return ask(str(self.folder / "control.sock"), command, **values)

    def status(self) -> dict[str, Any]:
        try:
            return self.ask("status")
        except LinkError:
            return {"state": "STARTING"}

    def until(self, done: Callable[[dict[str, Any]], bool], seconds: float = 20) -> dict[str, Any]:
        end_s = time.monotonic() + seconds
        while not done(status := self.status()):
            assert self.process.poll() is None
            assert time.monotonic() < end_s, (status, self.said())
            time.sleep(0.02)
        return status

    def up(self) -> dict[str, Any]:
        return self.until(lambda status: status["state"] == "DISARMED")

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def records(self) -> list[Folder]:
        return [Folder(path) for path in sorted((self.folder / "sessions").iterdir())]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


@pytest.fixture
def running() -> Iterator[Running]:
    folder = Path(tempfile.mkdtemp(prefix="nd", dir="/tmp"))  # a socket's path is short
    running = Running(folder)
    yield running
    running.close()
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_right_file_begins_a_new_engine_with_a_record_of_its_own(running: Running) -> None:
    before = running.up()
    running.patient.write_text(PATIENT.replace("on_uv = 10", "on_uv = 11"))
    answer = running.ask("reload")
    text = (
        "reload: done, a new engine begins disarmed, programme activation\n"
        "patient.toml: muscle.0.on_uv 10.0 → 11.0"
    )
    assert answer == {"ok": True, "text": text}
    assert running.status()["engine_pid"] != before["engine_pid"]  # no word of the old one any more
    after = running.up()
    assert (before["on_uv"], after["on_uv"]) == (10, 11)
    old, new = running.records()
    muscles = [record.settings["core"]["muscles"][0] for record in (old, new)]
    assert [muscle["on_nv"] for muscle in muscles] == [10_000, 11_000]
    assert "on_uv = 11" in new.session["files"]["patient.toml"]
    assert (new.session["programme"], new.session["patient"]) == ("activation", "P7")
    assert set(new.session["sha256"]) == {"nmesd.toml", "patient.toml", "activation.toml"}
    assert '"event": "reload"' in (old.path / "events.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("on_uv = 10", "on_uv = -1"), "muscle.0.on_uv"),
        (("on_uv = 10", "on_uv = "), "cannot be read"),
        (("control.sock", "other.sock"), "restart nmesd instead"),
        (('"activation"', '"activatoin"'), "there are: activation, activation-weak, amplitude"),
    ],
)
def test_a_wrong_file_is_told_and_changes_nothing(
    change: tuple[str, str], said: str, running: Running
) -> None:
    before = running.up()
    running.toml.write_text(running.text.replace(*change))
    running.patient.write_text(PATIENT.replace(*change))
    answer = running.ask("reload")
    assert answer["ok"] is False
    assert answer["text"].startswith("not reloaded, nothing changed: ")
    assert said in answer["text"]
    assert said in running.said()
    after = running.status()
    assert {key: after[key] for key in ("engine_pid", "on_uv", "state")} == {
        key: before[key] for key in ("engine_pid", "on_uv", "state")
    }
    assert len(running.records()) == 1


@pytest.mark.slow
def test_sighup_reloads_and_does_not_end_the_daemon(running: Running) -> None:
    before = running.up()
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda status: status["engine_pid"] != before["engine_pid"])
    between = running.up()
    running.toml.unlink()
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda _: "nothing changed" in running.said())
    assert running.status()["engine_pid"] == between["engine_pid"]


@pytest.mark.slow
def test_a_frozen_engine_is_replaced_too_and_no_answer_hangs(running: Running) -> None:
    before = running.up()
    os.kill(before["engine_pid"], signal.SIGSTOP)
    assert running.ask("reload")["ok"] is True
    assert running.up()["engine_pid"] != before["engine_pid"]


@pytest.mark.slow
def test_another_programme_is_run_without_a_change_of_file(running: Running) -> None:
    running.up()
    answer = running.ask("reload", programme="strength")
    assert answer["ok"] is True
    status = running.until(lambda status: status.get("programme") == "strength")
    # No EMG is heard, and so none is missed: what is left is the guard that is not there.
    status = running.until(lambda status: status["inhibits"] == ["GUARD_GONE"])
    assert status["trials"] == 15
    assert running.ask("reload", programme="nonsense")["ok"] is False
    assert running.status()["programme"] == "strength"
    assert running.ask("reload")["ok"] is True
    assert running.until(lambda status: status.get("programme") == "activation")
