"""Our streams over LSL: in a process of its own, for liblsl takes its settings once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = """
import json, sys
import numpy as np
from nmesd.daemon.engine_config import lsl_config
from nmesd.daemon.outlets import Outlets
from nmesd.daemon.settings import LslSection
from nmesd.sessions import streams
outlets = Outlets(lsl_config(LslSection(session_id=sys.argv[1])))
core = {"rate_mhz": 2_000_000, "hop_samples": 2}
settings = {"core": core, "stream": {"columns": ["tibialis anterior"]}}
offered = (streams.envelope(settings, "e"), streams.output([(0, "tibialis anterior")], "o"), streams.events("m"))
outlets.offer(offered)
import pylsl
inlets = {}
for stream in offered:
    (info,) = pylsl.resolve_byprop("source_id", stream.source_id, 1, 10)
    inlets[stream.name] = pylsl.StreamInlet(info)
    inlets[stream.name].open_stream(10)
rows = np.arange(10, dtype=np.float32).reshape(2, 5)
got = {}
while len(got) < 3:
    outlets.offer(offered)  # again: whoever listens goes on listening
    outlets.rows(streams.ENVELOPE, np.array([100.25, 100.5]), rows)
    outlets.rows(streams.OUTPUT, np.array([100.5]), rows.reshape(-1)[None, :6])
    outlets.text(streams.EVENTS, 100.75, '{"event": "cue"}')
    for name, inlet in inlets.items():
        sample, stamp = inlet.pull_sample(0.5)
        if sample:
            got.setdefault(name, [list(sample), stamp])
facts = {n: [i.info().type(), i.info().nominal_srate(), i.info().as_xml()] for n, i in inlets.items()}
outlets.offer(offered[2:])
print(json.dumps([got, facts, sorted(outlets._outlets)]))
"""


def answer(script: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_stream_goes_out_with_its_samples_times_and_metadata(tmp_path: Path) -> None:
    got, facts, left = answer(SCRIPT, tmp_path.name)
    assert got["nmesd-envelope"] == [[0.0, 1.0, 2.0, 3.0, 4.0], 100.25]
    assert got["nmesd-output"] == [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 100.5]
    assert got["nmesd-events"] == [['{"event": "cue"}'], 100.75]
    kinds = {name: fact[:2] for name, fact in facts.items()}
    assert kinds == {
        "nmesd-envelope": ["Envelope", 1000.0],
        "nmesd-output": ["Stimulation", 0.0],
        "nmesd-events": ["Markers", 0.0],
    }
    for name in ("nmesd-envelope", "nmesd-output"):
        assert "<target_muscle>tibialis anterior</target_muscle>" in facts[name][2]
    assert "<unit>microvolts</unit>" in facts["nmesd-envelope"][2]
    assert left == ["nmesd-events"]


def test_without_lsl_everything_else_goes_on() -> None:
    script = (
        "import sys; sys.modules['pylsl'] = None\n"
        "import numpy as np\n"
        "from nmesd.daemon.outlets import Outlets\n"
        "from nmesd.sessions import streams\n"
        "outlets = Outlets('')\n"
        "outlets.offer([streams.events()])\n"
        "outlets.text('nmesd-events', 0.0, '')\n"
        "outlets.rows('nmesd-envelope', np.zeros(1), np.zeros((1, 5), np.float32))\n"
        "print('7')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.endswith("7\n"), done.stderr


CLOCK = """
import asyncio, json, sys
from nmesd.daemon.emg_clock import EmgClock
import pylsl
told = []
clock = EmgClock(lambda at_s, offset_s: told.append((at_s, offset_s)))
outlet = pylsl.StreamOutlet(pylsl.StreamInfo("far", "EMG", 1, 100, "float32", "far"))
uid = pylsl.resolve_byprop("source_id", "far", 1, 10)[0].uid()

async def run():
    task = asyncio.create_task(clock.run())
    for host in ("another-computer", __import__("socket").gethostname()):
        told.clear()
        clock.opened(f"<info><hostname>{host}</hostname><uid>{uid}</uid></info>")
        known.append(clock.known)
        while not told:
            await asyncio.sleep(0.02)
        results.append(told[0][1])
    task.cancel()

results, known = [], []
asyncio.run(run())
print(json.dumps([*results, known, clock.known]))
"""


def test_a_clock_of_another_computer_is_measured_and_ours_is_ours() -> None:
    """Here the other computer is this one under another name: its clock is ours, to what LSL can tell."""
    far_s, here_s, known_at_once, known = answer(CLOCK)
    assert (known_at_once, known) == ([False, True], True)
    assert far_s != 0
    assert abs(far_s) < 0.05
    assert here_s == 0
