"""What happened in a session, trial by trial, as a report tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmesd.core.journal import Entry
from nmesd.core.plain import core_settings
from nmesd.core.values import (
    ARMED_MODES,
    CoreSettings,
    Cue,
    CueKind,
    Hop,
    Mode,
    ModeChanged,
    SetOutput,
    ThresholdChanged,
    TrialDone,
)
from nmesd.errors import EXPLAIN
from nmesd.sessions.folder import Folder
from nmesd.sessions.replay import decide_again
from nmesd.units import MHZ_PER_HZ, NS_PER_S, NV_PER_UV, UA_PER_MA
from nmesd.wire import Histogram, Stage

SEEN_AFTER_S: Final = 0.5
"""After a decision without current the effort still rises, and is looked at."""

Show = Callable[[float], None]
ASKED: Final = {
    CueKind.TRY: "try", CueKind.DO_NOT_TRY: "do not try", CueKind.RELAX: "relax", CueKind.REST: "",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStory:
    """One trial. Seconds of sample time since the first sample of the session."""

    done: TrialDone
    asked: str
    """What the person was told; empty: nothing, as in a cyclic programme."""
    cue_s: float
    end_s: float
    train: tuple[tuple[float, float], ...]
    """(seconds, mA from then on), of the strongest channel."""
    off_uv: float
    effort_uv: float | None
    """Strongest envelope from the cue to the first pulse; without current to half a second after the decision."""

    @property
    def latency_s(self) -> float | None:
        """From cue to decision."""
        return self.done.latency_ns / NS_PER_S if self.done.latency_ns >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A trip: zero, latched."""

    at_s: float
    name: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A session. `envelope_uv` and `rms_uv` are (hops, columns), without rows where no EMG was heard."""

    facts: dict[str, Any]
    core: CoreSettings
    labels: tuple[str, ...]
    hop_s: float
    envelope_uv: NDArray[np.float64]
    rms_uv: NDArray[np.float64]
    """Of the filtered EMG, of each hop."""
    trials: tuple[TrialStory, ...]
    thresholds: tuple[tuple[float, int, float], ...]
    """(seconds, muscle, on threshold in µV from then on)."""
    faults: tuple[Fault, ...]
    armed_s: float
    timing: dict[str, Histogram]
    """How long each stage from sample to stimulator took, in order of the way."""

    @property
    def done(self) -> list[TrialDone]:
        """As `nmesd.sessions.trials` wants them."""
        return [trial.done for trial in self.trials]

    def column(self, trial: TrialStory) -> int:
        """Of the EMG that was decided on: of the muscle that answered, or else whose turn it was."""
        muscles = self.core.muscles
        number = trial.done.muscle if trial.done.muscle >= 0 else trial.done.trial % len(muscles)
        return muscles[number].emg


def story(folder: Folder, show: Show = lambda _: None) -> Story:
    """The journal, and the envelope from the recorded EMG run again through the chain. Raises RecordError."""
    core, stream = core_settings(folder.settings["core"]), folder.settings["stream"]
    hop_s = core.hop_samples * MHZ_PER_HZ / core.rate_mhz
    envelope_uv, rms_uv = np.zeros((0, 0)), np.zeros((0, 0))
    labels: tuple[str, ...] = ()
    if stream is not None:
        labels = tuple(stream["columns"])
        envelope_uv, rms_uv = _again(folder, core.hop_samples, show)
    teller = _Teller(core, hop_s, envelope_uv)
    for _, entry in folder.entries():
        teller.hear(entry)
    if teller.armed:  # the record ends in mid-session
        teller.armed_s += teller.last_s - teller.armed_from_s
    return Story(
        facts=folder.session,
        core=core,
        labels=labels,
        hop_s=hop_s,
        envelope_uv=envelope_uv,
        rms_uv=rms_uv,
        trials=tuple(teller.trials),
        thresholds=tuple(teller.thresholds),
        faults=tuple(teller.faults),
        armed_s=teller.armed_s,
        timing=timing(folder),
    )


def timing(folder: Folder) -> dict[str, Histogram]:
    """The histograms that the record has of each minute, together."""
    stages: dict[str, Histogram] = {}
    for event in folder.events():
        for name, one in event["stages"].items() if event["event"] == "timing" else ():
            stages.setdefault(name, Histogram()).add_pairs(one["pairs"], one["max_ns"])
    order = [stage.name.lower() for stage in Stage]
    return {name: stages[name] for name in order if name in stages}


def _again(
    folder: Folder, hop_samples: int, show: Show
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Envelope and r.m.s. of each hop, microvolts."""
    envelope_nv: list[tuple[int, ...]] = []
    energy_uv2: list[list[float]] = []
    last = max((hop for hop, _ in folder.entries()), default=0)

    def hear(hop: Hop, energy: NDArray[np.float64]) -> None:
        envelope_nv.append(hop.envelope_nv)
        energy_uv2.append(energy.tolist())
        if len(envelope_nv) % 4096 == 0:
            show(min(1.0, len(envelope_nv) / max(1, last)))

    decide_again(folder, hear=hear)
    rms_uv = np.sqrt(np.array(energy_uv2) / hop_samples)
    return np.array(envelope_nv, dtype=np.float64) / NV_PER_UV, rms_uv


@dataclass
class _Teller:
    """Goes through the journal."""

    core: CoreSettings
    hop_s: float
    envelope_uv: NDArray[np.float64]
    trials: list[TrialStory] = field(default_factory=list)
    thresholds: list[tuple[float, int, float]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    armed_s: float = 0.0
    armed: bool = False
    armed_from_s: float = 0.0
    last_s: float = 0.0
    _asked: str = ""
    _cue_s: float = 0.0
    _decided_s: float | None = None
    _train: list[tuple[float, float]] = field(default_factory=list)
    _given: dict[int, float] = field(default_factory=dict)

    def hear(self, entry: Entry) -> None:
        """The next entry."""
        self.last_s = entry.t_ns / NS_PER_S
        match entry:
            case ModeChanged():
                self._mode(entry)
            case Cue(t_ns=t_ns, cue=word) if word in ASKED:
                self._asked, self._cue_s, self._decided_s = ASKED[word], t_ns / NS_PER_S, None
            case SetOutput(t_ns=t_ns, channel=channel, amplitude_ua=ua):
                self._given[channel] = ua / UA_PER_MA
                self._train.append((t_ns / NS_PER_S, max(self._given.values())))
            case ThresholdChanged(t_ns=t_ns, muscle=muscle, after_nv=nv):
                self.thresholds.append((t_ns / NS_PER_S, muscle, nv / NV_PER_UV))
            case TrialDone():
                self._done(entry)
            case _:
                pass

    def _mode(self, entry: ModeChanged) -> None:
        at_s = entry.t_ns / NS_PER_S
        if entry.before is Mode.DISARMED and entry.after in ARMED_MODES:
            self.armed_from_s = at_s
            self.thresholds += [
                (at_s, number, muscle.on_nv / NV_PER_UV)
                for number, muscle in enumerate(self.core.muscles)
                if muscle.on_nv
            ]
        elif entry.before in ARMED_MODES and entry.after not in ARMED_MODES:
            self.armed_s += at_s - self.armed_from_s
        self.armed = entry.after in ARMED_MODES
        if entry.before is Mode.READY:
            self._decided_s = at_s
        if entry.after is Mode.STIMULATING and entry.before is Mode.REST:
            self._cue_s = at_s  # cyclic: the train is what there is to see
        if entry.after is Mode.TRIPPED:
            words = EXPLAIN[entry.reason]
            self.faults.append(
                Fault(at_s=at_s, name=entry.reason.name, text=words.text, remedy=words.remedy)
            )

    def _done(self, done: TrialDone) -> None:
        end_s = done.t_ns / NS_PER_S
        muscle = self.core.muscles[
            done.muscle if done.muscle >= 0 else done.trial % len(self.core.muscles)
        ]
        first_s = next((t for t, ma in self._train if ma), None)
        until_s = first_s
        if until_s is None:
            until_s = (end_s if self._decided_s is None else self._decided_s) + SEEN_AFTER_S
        seen = self.envelope_uv[round(self._cue_s / self.hop_s) : round(until_s / self.hop_s)]
        effort_uv = float(seen[:, muscle.emg].max()) if seen.size and self._asked else None
        train = tuple(self._train) if first_s is not None else ()
        self.trials.append(
            TrialStory(
                done=done,
                asked=self._asked,
                cue_s=self._cue_s,
                end_s=end_s,
                train=train,
                off_uv=muscle.off_nv / NV_PER_UV,
                effort_uv=effort_uv,
            )
        )
        self._asked, self._train = "", []
