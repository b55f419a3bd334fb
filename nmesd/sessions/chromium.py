"""A page as PDF or as a picture, by a Chromium without a window, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from nmesd.errors import ConfigError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
MOST_S: Final = 60.0


def found() -> str | None:
    """Its path; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def pdf(page: Path, path: Path) -> None:
    """Print a page of ours. Raises ConfigError."""
    _run(page, path, f"--print-to-pdf={path}", "--no-pdf-header-footer")


def picture(page: Path, path: Path, width: int, height: int) -> None:
    """A screenshot (PNG) of so many pixels. Raises ConfigError."""
    _run(page, path, f"--screenshot={path}", f"--window-size={width},{height}", "--hide-scrollbars")


def _run(page: Path, path: Path, *options: str) -> None:
    program = found()
    if program is None:
        raise ConfigError(
            "no Chromium here: apt install chromium, or print the HTML from a browser"
        )
    # Its sandbox refuses root; the page is our own, and loads nothing.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="nmesd-page-") as profile:
        command = [
            program, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            f"--user-data-dir={profile}", *root, *options, page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=MOST_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(
                f"{program} took over {MOST_S:.0f} s: print the HTML from a browser"
            ) from None
    if done.returncode or not path.is_file():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ConfigError(f"{path}: not written by {program}: {last}")
