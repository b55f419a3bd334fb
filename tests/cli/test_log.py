"""`nmesd log`: the journal in words."""

import json
import os
import subprocess
import sys
from pathlib import Path

from nmesd.cli.logs import in_words


def entry(message: object) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1764349200123456", "MESSAGE": message})


def test_our_lines_are_told_in_words() -> None:
    said = {
        "event": "TRIPPED",
        "room": "daemon",
        "level": "warning",
        "reason": "EMG_GAP",
        "mono_ns": 5,
    }
    text = in_words(entry(json.dumps(said)))
    assert text.endswith(":00.123  warning  daemon  TRIPPED  reason=EMG_GAP")


def test_other_lines_are_shown_as_they_are() -> None:
    assert in_words(entry("Started nmesd.service.")).endswith("  Started nmesd.service.")
    assert in_words(entry([72, 195, 164])).endswith("  Hä")
    assert in_words(entry("[1, 2]")).endswith("  [1, 2]")
    assert in_words(entry(None))


def test_it_asks_the_journal_for_both_units(tmp_path: Path) -> None:
    fake = tmp_path / "journalctl"
    fake.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/asked\necho '{entry('hello')}'\n")
    fake.chmod(0o755)
    command = [sys.executable, "-m", "nmesd.cli", "log", "--lines", "7"]
    env = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert done.stdout.rstrip().endswith("hello")
    asked = (tmp_path / "asked").read_text()
    assert "--unit nmesd-guard --unit nmesd" in asked
    assert "--lines 7" in asked


def test_without_a_journal_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "log"],
        capture_output=True, text=True, check=False, env={**os.environ, "PATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no journal here" in done.stderr
