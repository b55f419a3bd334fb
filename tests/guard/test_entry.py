"""`python -m nmesd.guard`: how it starts, what it says, how it ends, and --zero."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nmesd.errors import Reason
from nmesd.guard import __main__ as entry
from nmesd.guard.loop import Guard
from nmesd.realtime import real_time_granted
from nmesd.wire import GuardState
from tests.guard.processes import GUARD_TOML, Child, Client, silent_from_now, tripped
from tests.guard.turned import Bench

TIMEOUT_S = 60

# As a user without any right, of whom nothing is asked but what was imported before.
UNPRIVILEGED = """
import os, resource, sys
import nmesd.drivers.null
from nmesd.guard import __main__ as entry
for what in (resource.RLIMIT_RTPRIO, resource.RLIMIT_MEMLOCK):
    resource.setrlimit(what, (0, 0))
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
entry.Guard.run = lambda self: print(self._real_time)
sys.exit(entry.main(sys.argv[1:]))
"""
FROZEN = """
import gc, sys
from nmesd.guard import __main__ as entry
entry.Guard.run = lambda self: print(gc.get_freeze_count() > 1000, gc.isenabled())
sys.exit(entry.main(sys.argv[1:]))
"""


def write(folder: Path, *, driver: str = "null", port: str = "none") -> Path:
    text = GUARD_TOML.format(folder=folder)
    text = text.replace('"sim"', f'"{driver}"').replace(f'"{folder}/p"', f'"{port}"')
    (folder / "guard.toml").write_text(text)
    return folder / "guard.toml"


def run(*arguments: str, program: str | None = None) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, what it logged, what it printed."""
    start = ["-m", "nmesd.guard"] if program is None else ["-c", program]
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return done.returncode, lines, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["a", "b"], ["--zero"], ["--help"], ["--zero", "a", "b"]], ids=" ".join
)
def test_anything_but_one_file_is_told_its_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(arguments) == 2
    assert capsys.readouterr().err == "usage: python -m nmesd.guard [--zero] guard.toml\n"


@pytest.mark.parametrize("zero", [[], ["--zero"]], ids=["guard", "zero"])
def test_a_bad_file_is_2_and_words(folder: Path, zero: list[str]) -> None:
    config = folder / "guard.toml"
    config.write_text("[guard]\n")
    code, (line,), _ = run(*zero, str(config))
    assert code == 2
    event = "zero NOT verified: pull the electrode plug" if zero else "guard cannot start"
    assert (line["event"], line["room"]) == (event, "guard")
    assert str(config) in line["error"]
    assert line["mono_ns"] > 0


@pytest.mark.parametrize("zero", [[], ["--zero"]], ids=["guard", "zero"])
def test_a_device_that_cannot_be_opened_is_told(folder: Path, zero: list[str]) -> None:
    config = write(folder, driver="sciencemode4", port=f"{folder}/no-tty")
    code, (line,), _ = run(*zero, str(config))
    assert code == (1 if zero else 2)
    assert line["event"].startswith("zero NOT verified" if zero else "guard cannot start")
    assert "no-tty" in line["error"]


def test_a_device_that_cannot_begin_within_the_rise_limit_is_told_before_it_is_opened(
    folder: Path,
) -> None:
    config = write(folder, driver="sciencemode2", port=f"{folder}/no-tty")  # begins at 2 mA
    config.write_text(config.read_text().replace("rise_ma_s = 260", "rise_ma_s = 19"))
    code, (line,), _ = run(str(config))
    assert code == 2
    assert line["error"] == "it begins at 2000 µA: give rise_ma_s ten times that in mA/s"


def test_zero_without_a_guard_is_verified_by_the_device(folder: Path) -> None:
    code, (line,), _ = run("--zero", str(write(folder)))
    assert (code, line["event"]) == (0, "zero verified")
    assert (line["by"], line["stimulator"]) == ("the stimulator itself", "no stimulator")


def test_zero_with_a_guard_that_gives_is_done_by_it(giving: Client) -> None:
    code, (line,), _ = run("--zero", str(giving.child.folder / "guard.toml"))
    assert (code, line["event"]) == (0, "zero verified")
    assert (line["by"], line["state"]) == ("the guard that is running", "TRIPPED")
    report = giving.until(GuardState.TRIPPED)
    assert tripped(report) in (Reason.OPERATOR_STOP, Reason.LEASE_EXPIRED)
    silent_from_now(giving.child)


def test_zero_with_a_guard_that_does_not_answer_is_1_and_words(child: Child) -> None:
    child.process.send_signal(signal.SIGSTOP)
    code, (line,), _ = run("--zero", str(child.folder / "guard.toml"))
    child.process.send_signal(signal.SIGCONT)
    assert code == 1
    assert line["event"] == "zero NOT verified: pull the electrode plug"
    assert "does not answer" in line["error"]


def test_zero_with_a_guard_whose_device_takes_none_is_1_and_words(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.arm()
    bench.lease()
    bench.driver.failing = {"zero"}
    config = write(Path(bench.path).parent)  # its socket is the bench's
    with ThreadPoolExecutor(1) as pool:
        zero = pool.submit(entry.main, ["--zero", str(config)])
        while not zero.done():
            bench.turn()
    assert zero.result() == 1
    said = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert said["event"] == "zero NOT verified: pull the electrode plug"
    assert said["error"] == "a guard is running, but its stimulator took no zero"


def test_a_stop_is_answered_by_the_process(child: Child) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knocker:
        knocker.bind("")
        knocker.settimeout(5)
        knocker.sendto(b"stop", str(child.folder / "g.stop"))
        assert knocker.recv(64) == b"TRIPPED"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_on_either_signal(folder: Path, end: signal.Signals) -> None:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nmesd.guard", str(write(folder))],
            stderr=subprocess.PIPE,
            stdout=log,
            text=True,
        )
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        ready = next(json.loads(line) for line in lines if "guard ready" in line)
        assert (ready["stimulator"], ready["socket"]) == ("no stimulator", f"{folder}/g")
        process.send_signal(end)
        *_, last = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert json.loads(last.splitlines()[-1])["reason"] == "GUARD_SHUTDOWN"
    assert sorted(path.name for path in folder.iterdir()) == ["guard.toml", "log"]


def test_what_was_not_granted_is_said_before_it_is_ready(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[bool] = []
    asked: list[int] = []

    def nothing_granted(priority: int) -> list[str]:
        asked.append(priority)
        return ["no memory", "no priority"]

    monkeypatch.setattr(entry, "go_real_time", nothing_granted)
    monkeypatch.setattr(Guard, "run", lambda guard: ran.append(guard._real_time))
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    assert entry.main([str(write(folder))]) == 0
    for one, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
        signal.signal(one, handler)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("text") for line in lines] == ["no memory", "no priority", None]
    assert [line["event"] for line in lines] == ["warning", "warning", "guard ready"]
    assert (ran, asked) == ([False], [50])
    assert [path.name for path in folder.iterdir()] == ["guard.toml"]  # the door is closed


def test_without_real_time_rights_it_says_which_and_runs(folder: Path) -> None:
    folder.chmod(0o777)
    code, lines, printed = run(str(write(folder)), program=UNPRIVILEGED)
    assert code == 0, printed
    assert [line["event"] for line in lines] == ["warning", "warning", "guard ready"]
    assert lines[0]["text"] == "memory not locked: give LimitMEMLOCK=infinity"
    assert lines[1]["text"] == "no real-time priority: give LimitRTPRIO=50"
    assert printed.startswith("False")


@pytest.mark.skipif(
    os.getuid() != 0 or not real_time_granted(), reason="needs root with every right"
)
def test_with_real_time_rights_it_has_nothing_to_say(folder: Path) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    assert soft == 0  # root needs none
    code, lines, _ = run(str(write(folder)), program=FROZEN)
    assert (code, [line["event"] for line in lines]) == (0, ["guard ready"])


def test_the_garbage_collector_is_off_and_what_is_there_is_frozen(folder: Path) -> None:
    _, _, printed = run(str(write(folder)), program=FROZEN)
    assert printed.startswith("True False")
