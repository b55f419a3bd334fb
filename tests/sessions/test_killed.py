"""kill -9 and power cuts at random: nothing that was synced is lost, what is there follows. See bench/kills.py."""

import json
import subprocess
import sys
from pathlib import Path


def test_twenty_kills_leave_whole_records(repo_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.kills", "--kills", "20", "--sync", "0.03", "--span", "0.2"],
        cwd=repo_root, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["kills"] == 20
