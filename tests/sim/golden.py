"""Golden sessions: each shipped programme with the virtual patient, in sample time, to its end, as a text.

python -m tests.sim.golden      writes tests/golden/*.txt anew: look at the difference before it is committed
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from nmesd.core.journal import Entry
from nmesd.core.values import Cue, ModeChanged, ThresholdChanged, TrialDone, Vetoed
from nmesd.daemon.engine_config import engine_settings
from nmesd.engine.settings import EngineSettings
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.trials import in_words, report
from nmesd.sim.rehearsal import Person, Session
from nmesd.sim.session_files import files_of
from nmesd.sim.spec import PatientSpec
from nmesd.units import NS_PER_S
from nmesd.wire import Raw

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
PROGRAMMES = ROOT / "config" / "programmes"
# An operator gives the trains of this one; see tests/loop/test_amplitude.py.
NAMES = sorted(path.stem for path in PROGRAMMES.glob("*.toml") if path.stem != "amplitude")
RATE_HZ, CHUNK = 200, 4  # the slowest stream there may be: a session is 200 000 hops
MOST_S = 3600.0
MUSCLE: dict[str, Any] = {
    "label": "muscle", "on_uv": 7.0, "off_uv": 5.5, "floor_uv": 6.5, "ceiling_uv": 40.0,
    "output": [{"channel": 1, "amplitude_ma": 20.0}],
}  # fmt: skip
AGAINST = {"antagonist": "antagonist", "veto_uv": 7.0}
TENSE = PatientSpec(
    rate_hz=RATE_HZ, duration_s=16.0, duration_jitter_s=12.0, interval_s=60.0, interval_jitter_s=0.0
)
WEAK = PatientSpec(rate_hz=RATE_HZ, attempt_db=11.0, attempt_spread_db=3.0, duration_s=2.0)


def settings_of(name: str) -> EngineSettings:
    """What the engine would decide with."""
    programme = tomllib.loads((PROGRAMMES / f"{name}.toml").read_text())
    pulls_against = name == "wrist-extension"
    muscle = {**MUSCLE, **(AGAINST if pulls_against else {})}
    labels = ["muscle", "antagonist"] if pulls_against else ["muscle"]
    return engine_settings(
        files_of(
            {
                "stream": {"name": "x", "rate_hz": RATE_HZ, "labels": labels},
                "patient": {"code": "golden", "muscle": [muscle]},
                "programme": programme,
            }
        )
    )


def ended(name: str) -> Session:
    """Run to its end."""
    done = _session(name)
    done.run(MOST_S)
    return done


def begun(name: str, seconds: float) -> Session:
    """Run for so long, or to its end."""
    done = _session(name)
    with suppress(TimeoutError):
        done.run(seconds)
    return done


def _session(name: str) -> Session:
    spec = TENSE if name == "relaxation" else WEAK
    return Session(settings_of(name), spec, Person(), CHUNK)


def recorded(name: str, done: Session, folder: Path) -> Folder:
    """The session as the daemon would have recorded it."""
    first, period_ns = 0, NS_PER_S // RATE_HZ
    with Writer(folder, {"patient": "golden"}, settings_of(name).to_json()) as writer:
        for hop, entry in done.noted:
            writer.entry(hop, entry)
        for chunk in done.loop.emg_uv:
            stamps_ns = np.arange(first, first + len(chunk), dtype=np.int64) * period_ns
            payload = stamps_ns.tobytes() + chunk.tobytes()
            samples, columns = chunk.shape
            writer.raw(Raw(1, first, samples, columns, 0, payload))
            first += len(chunk)
    return Folder(folder)


def told(done: Session) -> str:
    """The events, a line each, and what the trials came to."""
    lines = events(done)
    lines += in_words(report([e for e in done.entries if isinstance(e, TrialDone)]))
    return "\n".join(lines) + "\n"


def events(done: Session) -> list[str]:
    """A line each."""
    return [f"{entry.t_ns / 1e9:9.2f}  {text}" for entry in done.entries if (text := _text(entry))]


def _text(entry: Entry) -> str:
    match entry:
        case ModeChanged():
            return f"{entry.before.name} -> {entry.after.name} ({entry.why.name})"
        case Cue():
            return f"cue {entry.cue.name}"
        case TrialDone():
            latency = f"{entry.latency_ns / 1e9:.2f} s, " if entry.latency_ns >= 0 else ""
            return (
                f"trial {entry.trial} {entry.purpose.name}: {entry.outcome.name}, {latency}"
                f"{entry.pulses} pulses, {entry.charge_pc} pC"
            )
        case ThresholdChanged():
            return f"threshold {entry.before_nv} -> {entry.after_nv} nV ({entry.why.name})"
        case Vetoed():
            return "vetoed"
        case _:
            return ""


if __name__ == "__main__":
    for each in NAMES:
        (GOLDEN / f"{each}.txt").write_text(told(ended(each)))
