"""The picture of the page in README.md: `python -m bench.monitor_picture docs/pictures/monitor.png`.

A real session with the virtual patient of `nmesd demo` and a simulated stimulator, in mid-train. Needs chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from nmesd.sim.demo import MUSCLE, PATIENT, STREAM, TRAIN
from nmesd.sim.rig import Rig
from nmesd.sim.session_files import one_muscle

SIZE = {"width": 1180, "height": 820}  # of a tablet
SECONDS = 25  # of session before: the plot is full
TRYING = {**PATIENT, "first_attempt_s": 3.0, "interval_s": 3.6}
SECTIONS: dict[str, dict[str, Any]] = {
    "stream": {"name": STREAM, "source_id": "picture", "rate_hz": 1000, "labels": [MUSCLE]},
    **one_muscle(MUSCLE, {"on_uv": 7, "off_uv": 5.5}, TRAIN),
}


def main() -> int:
    """Process entry."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium here: apt-get install chromium")
    with Rig(SECTIONS) as rig, sync_playwright() as playwright:
        rig.start(
            "nmesd.sim.patient", "--json", json.dumps(TRYING), "--name", STREAM, "--source-id", "picture",
            "--pulses", str(rig.patient_socket), "--until-eof",
        )  # fmt: skip
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(rig.monitor())
        while not in_train(rig):
            pass
        page.wait_for_selector("[data-state=STIMULATING]")
        page.screenshot(path=file)
        browser.close()
    return 0


def in_train(rig: Rig) -> bool:
    """Whether it came to a train after so long. A trip, of a busy machine, begins it anew."""
    if rig.status()["state"] == "TRIPPED":
        rig.ask("reset", operator="bench")
    rig.arm()
    began_s = time.monotonic()
    while (now := rig.status())["state"] != "TRIPPED":
        if time.monotonic() - began_s > SECONDS and now["state"] == "STIMULATING":
            return True
        time.sleep(0.05)
    return False


if __name__ == "__main__":
    sys.exit(main())
