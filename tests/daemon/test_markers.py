"""Cues as LSL markers: in a process of its own, for liblsl takes its settings once."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys
from nmesd.daemon.engine_config import lsl_config
from nmesd.daemon.events import event_of
from nmesd.daemon.markers import Markers
from nmesd.daemon.settings import LslSection
from nmesd.core.values import Cue, CueKind
markers = Markers(lsl_config(LslSection(session_id=sys.argv[1])))
import pylsl
(info,) = pylsl.resolve_byprop("name", "nmesd", 1, 10)
inlet = pylsl.StreamInlet(info)
inlet.open_stream(10)
before = pylsl.local_clock()
event = event_of(Cue(5_000_000, CueKind.TRY, 2, 0), ["tibialis anterior"])
while True:
    markers.push(event)
    sample, stamp = inlet.pull_sample(1.0)
    if sample:
        break
print(json.dumps([info.type(), sample[0], before <= stamp <= pylsl.local_clock()]))
"""


def test_a_cue_goes_out_with_the_time_of_lsl(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path.name], capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kind, text, in_time = json.loads(done.stdout)
    assert kind == "Markers"
    assert in_time is True
    assert json.loads(text) == {
        "event": "cue", "t_ns": 5_000_000, "cue": "TRY", "trial": 2, "muscle": "tibialis anterior",
    }  # fmt: skip


def test_without_lsl_everything_else_goes_on() -> None:
    script = (
        "import sys; sys.modules['pylsl'] = None\n"
        "from nmesd.daemon.markers import Markers\n"
        "Markers('').push({'event': 'cue'})\n"
        "print('goes on')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert "goes on" in done.stdout, done.stderr
