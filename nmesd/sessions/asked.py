"""What a recorded session asked for, and when: the stretches of EMG that settings can be judged on.

A stretch begins where the machine told the person to rest and started its filters afresh, and goes on into the
trial after it. Its first part is rest; then comes the cue. In a trial that asks for an attempt (GO, SHAM) an onset
is right; in rest, and in a trial that forbids one (NO_GO), it is false. What lies in no stretch is not judged:
trains and hold-offs, pauses, trials that were aborted, and all before the arming.

How long a trial can be judged: to its timeout, or to the first pulse of current, which puts an artefact into the
EMG. Where the recorded settings decided and no current flowed (biofeedback, sham), `GRACE_S` longer: nobody lets
go sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmesd.core.journal import Entry
from nmesd.core.plain import core_settings
from nmesd.core.values import (
    CoreSettings,
    Cue,
    CueKind,
    Kind,
    Mode,
    ModeChanged,
    Outcome,
    SetOutput,
    Trial,
    TrialDone,
)
from nmesd.errors import RecordError
from nmesd.sessions.folder import Folder
from nmesd.sessions.hops import hops_of
from nmesd.units import MHZ_PER_HZ, NS_PER_S

GRACE_S: Final = 0.5
"""After a decision without current the person still tries: to hear the word and let go takes longer."""

ASKED_IN: Final = (Kind.TRIGGERED, Kind.HOLD, Kind.BIOFEEDBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rest, and the trial after it if there was one. All in hops of the session, ends not counted."""

    first: int
    cue: int
    """Where rest ends. With no attempt asked for it is `last`: rest to the end."""
    last: int
    full: bool = False
    """Judged to the timeout or past the recorded decision: no attempt until `last` is a miss. Else current began
    at `last`, and nobody knows what would have been decided after it."""

    @property
    def asked(self) -> bool:
        """Whether an attempt was asked for."""
        return self.cue < self.last


@dataclass(frozen=True, slots=True)
class Heard:
    """The EMG of a session as hops, and what was asked for in it."""

    name: str
    hops: NDArray[np.float64]
    """(hops, hop_samples, columns) microvolts, of the columns that were decided on."""
    fresh: frozenset[int]
    """Hops at which the stream started afresh, and the chain with it."""
    stretches: tuple[Stretch, ...]
    core: CoreSettings
    chain: dict[str, Any]


def asks(folder: Folder) -> bool:
    """Whether somebody was asked to try, and heard."""
    kind = core_settings(folder.settings["core"]).programme.kind
    return folder.settings["stream"] is not None and kind in ASKED_IN


def heard(folder: Folder, muscle: int = 0) -> Heard:
    """Of one muscle. Raises RecordError if nothing was asked for that settings could be judged on."""
    core = core_settings(folder.settings["core"])
    stream, chain = folder.settings["stream"], folder.settings["chain"]
    if not asks(folder):
        raise RecordError(
            f"{folder.path}: nobody was asked to try ({core.programme.kind.name}): give sessions of a triggered "
            "or a biofeedback programme"
        )
    hops, fresh = hops_of(folder, [stream["labels"].index(label) for label in stream["columns"]])
    entries = list(folder.entries())
    return Heard(
        folder.path.name, hops, fresh, stretches(entries, core, muscle, len(hops)), core, chain
    )


def stretches(
    entries: list[tuple[int, Entry]], core: CoreSettings, muscle: int, hops: int
) -> tuple[Stretch, ...]:
    """From the journal (hop, entry). What another muscle answered counts for none of this one."""
    per_s = core.rate_mhz / (MHZ_PER_HZ * core.hop_samples)
    grace, timeout = (round(s * per_s) for s in (GRACE_S, core.programme.timeout_ns / NS_PER_S))
    found: list[Stretch] = []
    under_way = _NOTHING
    for hop, entry in entries:
        match entry:
            case Cue(cue=CueKind.REST):
                under_way = _NOTHING._replace(first=hop)
            case Cue(cue=CueKind.TRY | CueKind.DO_NOT_TRY):
                under_way = under_way._replace(cue=hop)
            case SetOutput(amplitude_ua=ua) if ua and under_way.current < 0:
                under_way = under_way._replace(current=hop)
            case ModeChanged(before=Mode.READY, after=Mode.STIMULATING):
                under_way = under_way._replace(decided=hop)
            case TrialDone() if under_way.cue >= 0:
                if under_way.decided < 0:
                    under_way = under_way._replace(decided=hop)
                found.append(_of_trial(entry, under_way, muscle, grace, timeout))
                under_way = _NOTHING
            case ModeChanged(before=Mode.REST, after=after) if after is not Mode.READY:
                found.append(Stretch(first=under_way.first, cue=hop, last=hop))
                under_way = _NOTHING
            case _:
                pass
    return tuple(one for one in found if 0 <= one.first < one.last <= hops)


class _UnderWay(NamedTuple):
    """Hops at which a trial came so far; -1: it did not."""

    first: int
    cue: int
    current: int
    decided: int


_NOTHING: Final = _UnderWay(-1, -1, -1, -1)
_DECIDED: Final = (Outcome.SUCCESS, Outcome.FALSE_ALARM)


def _of_trial(done: TrialDone, trial: _UnderWay, muscle: int, grace: int, timeout: int) -> Stretch:
    first, cue, current, decided = trial
    over = cue + timeout if timeout else decided + grace
    another = done.outcome in _DECIDED and done.muscle != muscle
    if done.outcome is Outcome.ABORTED or another:
        return Stretch(first=first, cue=cue, last=cue)
    if done.outcome in _DECIDED:
        last = current if current >= 0 else min(decided + grace, max(over, decided))
    else:
        last = min(decided, over)
    if done.purpose is Trial.NO_GO:
        return Stretch(first=first, cue=last, last=last)
    return Stretch(first=first, cue=cue, last=last, full=current < 0 or last < current)
