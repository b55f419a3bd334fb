"""The guard runs on a bare Python: no site-packages, so nothing installed can break or slow it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import nmesd.guard
for module in pkgutil.walk_packages(nmesd.guard.__path__, "nmesd.guard."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
importlib.import_module("nmesd.drivers.sim")
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded - sys.stdlib_module_names - {"__main__", "nmesd"}))
print(*sorted(loaded & {"asyncio", "numpy", "logging"}))
"""


def test_guard_and_simulated_driver_import_without_site_packages(repo_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", PROGRAM, str(repo_root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    third_party, unwanted = done.stdout.split("\n")[:2]
    assert third_party == ""
    assert unwanted == ""
