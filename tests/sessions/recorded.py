"""Sessions as the daemon would have recorded them, made in a moment.

A person who tries when told to, heard by the real decider; or, where there must be many, a journal by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from nmesd.core.decider import Decider
from nmesd.core.journal import Entry
from nmesd.core.values import (
    Arm,
    Cue,
    CueKind,
    Mode,
    ModeChanged,
    Outcome,
    RestartChain,
    Trial,
    TrialDone,
    Why,
)
from nmesd.daemon.engine_config import engine_settings
from nmesd.daemon.files import Files, read_files
from nmesd.engine.settings import EngineSettings
from nmesd.errors import Reason
from nmesd.sessions.folder import Folder, Writer
from nmesd.sim.rehearsal import Person, Session
from nmesd.sim.session_files import write_files
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.wire import Raw

RATE_HZ, HOP_NS = 200, 5_000_000  # the slowest stream there may be
Array = NDArray[np.float64]
BIOFEEDBACK = {
    "purpose": "x", "kind": "biofeedback",
    "trial": {"rest_s": 2.4, "relax_s": 0.2, "timeout_s": 1.6},
    "session": {"trials": 2},
}  # fmt: skip


def files_in(
    folder: Path,
    muscle: Mapping[str, Any],
    programme: Mapping[str, Any] = BIOFEEDBACK,
    band: Mapping[str, Any] | None = None,
) -> Files:
    """The three files, written and read."""
    folder.mkdir(parents=True, exist_ok=True)
    sections = {
        "stream": {"name": "x", "rate_hz": RATE_HZ, "labels": ["muscle"]},
        "filter": band or {},
        "patient": {"code": "P01", "muscle": [{"label": "muscle", **muscle}]},
        "programme": programme,
    }
    return read_files(write_files(folder, sections))


def record(
    path: Path, files: Files, emg: Array, entries: list[tuple[int, Entry]], started: str = ""
) -> Folder:
    """Write a session of one channel, (samples,) microvolts."""
    settings = engine_settings(files)
    session = {"started": started or "2026-03-01T09:30:00+00:00", **files.facts()}
    samples = emg.astype(np.float32)
    with Writer(path, session, settings.to_json()) as writer:
        for hop, entry in entries:
            writer.entry(hop, entry)
        for first in range(0, len(samples), 500):
            part = samples[first : first + 500]
            stamps_ns = np.arange(first, first + len(part), dtype=np.int64) * HOP_NS
            payload = stamps_ns.tobytes() + part.tobytes()
            writer.raw(Raw(1, first, len(part), 1, 0, payload))
    return Folder(path)


def lived(
    path: Path, files: Files, person: Callable[[int, int], float], seconds: float, seed: int = 1
) -> Folder:
    """A session as it goes: `person` says how strongly, µV, it tries in this hop, so many hops after the cue."""
    settings: EngineSettings = engine_settings(files)
    assert settings.chain is not None
    chain = Chain(ChainCoefficients.from_dict(settings.chain), 1)
    entries: list[tuple[int, Entry]] = []
    decider: Decider[Array] = Decider(chain, settings.core, lambda *one: entries.append(one))
    decider.restart_chain()
    rng, emg, asked = np.random.default_rng(seed), [], 0
    for hop in range(round(seconds * RATE_HZ)):
        if hop == RATE_HZ:
            decider.act(Arm(decider.t_ns, 7, 0))
        asked = asked + 1 if decider.state.mode is Mode.READY else 0
        uv = rng.normal(0, 2) + rng.normal() * person(hop, asked)
        emg.append(float(np.float32(uv)))
        decider.hop(np.array([[emg[-1]]]))
    return record(path, files, np.array(emg), entries)


def by_hand(trials: int, rest: int, asked: int) -> list[tuple[int, Entry]]:
    """The journal of a biofeedback session in which nothing was detected: rest and trials of so many hops."""
    at = RATE_HZ
    entries: list[tuple[int, Entry]] = [(at, Arm(at * HOP_NS, 7, 0))]
    before, why = Mode.DISARMED, Why.OPERATOR
    for trial in range(trials):
        t_ns = at * HOP_NS
        entries += [
            (at, ModeChanged(t_ns, before, Mode.REST, why, Reason.NONE, 0, 0)),
            (at, RestartChain(t_ns, why)),
            (at, Cue(t_ns, CueKind.REST, trial, -1)),
        ]
        at += rest
        t_ns = at * HOP_NS
        ready = ModeChanged(t_ns, Mode.REST, Mode.READY, Why.RELAXED, Reason.NONE, 0, 0)
        entries += [(at, ready), (at, Cue(t_ns, CueKind.TRY, trial, -1))]
        at += asked
        done = TrialDone(at * HOP_NS, trial, Trial.GO, Outcome.MISS, -1, -1, 0, 0, 0, 0)
        entries.append((at, done))
        before, why = Mode.READY, Why.TIMEOUT
    return entries


class _Kept:
    """A virtual patient whose EMG is kept."""

    def __init__(self, patient: VirtualPatient) -> None:
        self._patient, self.emg = patient, list[Array]()

    def generate(self, n: int) -> Array:
        self.emg.append(
            self._patient.generate(n).astype(np.float32).astype(np.float64)
        )  # as recorded
        return self.emg[-1]

    def hear(self, sample: int, amplitude_ua: int, pulse_width_us: int) -> None:
        self._patient.hear(sample, amplitude_ua, pulse_width_us)

    @property
    def position(self) -> int:
        return self._patient.position


def rehearsed(path: Path, files: Files, spec: PatientSpec, started: str, seed: int = 1) -> Folder:
    """A whole session with the virtual patient, artefact and M-wave in its EMG."""
    settings = engine_settings(files)
    done = Session(settings, spec, Person(seed=seed), 4)
    kept = _Kept(done.patients[0])
    done.loop._patients = [kept]  # type: ignore[list-item]
    done.run(3600)
    entries = [(entry.t_ns // HOP_NS, entry) for entry in done.entries]
    return record(path, files, np.concatenate(kept.emg)[:, 0], entries, started)
