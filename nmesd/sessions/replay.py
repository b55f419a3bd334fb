"""Runs a recorded session again through the same code and compares every decision, number by number."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np

from dsp.blocks import Array
from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.core.decider import Decider
from nmesd.core.journal import Entry, to_json
from nmesd.core.plain import core_settings
from nmesd.core.values import Act, Hop
from nmesd.errors import RecordError
from nmesd.sessions.folder import Folder, RawChunk
from nmesd.units import NS_PER_S, sample_time_ns

Noted = tuple[int, Entry]
Progress = Callable[[float], None]
Hear = Callable[[Hop, Array], object]
"""A hop of EMG, and the sum of squares of its filtered samples, a column each: the same memory every time."""
AT_ONCE: Final = (
    4096  # samples: how the stream was cut changes nothing, and long pieces are quicker
)


class Again(NamedTuple):
    """What a session comes to when it is decided again."""

    hops: int
    journal: list[Noted]


class Replay(NamedTuple):
    """What came of it. `diverged` is the first difference: (index, recorded, replayed), None if there is none."""

    hops: int
    entries: int
    diverged: tuple[int, Noted | None, Noted | None] | None
    session_s: float  # how long the session was
    taken_s: float  # how long the replay took

    @property
    def speed(self) -> float:
        """Times faster than the session."""
        return self.session_s / self.taken_s

    def to_dict(self) -> dict[str, Any]:
        """For --json: of a difference the numbers of both sides."""
        found: dict[str, Any] = {
            "identical": self.diverged is None, "hops": self.hops, "entries": self.entries,
            "session_s": self.session_s, "speed": round(self.speed, 1),
        }  # fmt: skip
        if self.diverged is not None:
            index, recorded, again = self.diverged
            found["diverged"] = {
                "index": index, "recorded": _plain(recorded), "replayed": _plain(again),
            }  # fmt: skip
        return found


def decide_again(
    folder: Folder,
    settings: dict[str, Any] | None = None,
    progress: Progress | None = None,
    hear: Hear | None = None,
) -> Again:
    """The recorded EMG and acts under the recorded settings, or others. Raises RecordError.

    settings: as `Folder.settings`. Acts are put in at the hops at which they were given. hear: is told each hop.
    """
    settings = folder.settings if settings is None else settings
    noted: list[Noted] = []
    core = core_settings(settings["core"])
    entries = list(folder.entries())
    acts = deque((hop, entry) for hop, entry in entries if isinstance(entry, Act))

    def note(hop: int, entry: Entry) -> None:
        noted.append((hop, entry))

    if settings["stream"] is None:
        if folder.settings["stream"] is not None:
            raise RecordError(f"{folder.path}: EMG was heard, and these settings hear none")
        ticked: Decider[None] = Decider(None, core, note)
        for _ in range(max((hop for hop, _ in entries), default=0)):
            _apply_due(ticked.hops, acts, ticked.act)
            ticked.tick()
        _apply_due(ticked.hops, acts, ticked.act)
        return Again(ticked.hops, noted)
    coefficients = ChainCoefficients.from_dict(settings["chain"])
    channels = _channels(folder, settings)
    chain = Chain(coefficients, len(channels))
    decider = Decider(chain, core, note)
    cutter = HopCutter(coefficients.hop_samples, len(channels))
    epoch = 0
    for chunk in _longer(folder.emg(progress)):
        if chunk.epoch != epoch:
            epoch = chunk.epoch
            cutter.clear()
            decider.restart_chain()
        for hop in cutter.cut(chunk.samples[:, channels]):
            if acts:
                _apply_due(decider.hops, acts, decider.act)
            decider.hop(hop)
            if hear is not None:
                hear(decider.last, chain.energy_uv2)
    _apply_due(decider.hops, acts, decider.act)
    return Again(decider.hops, noted)


def replay(folder: Folder, progress: Progress | None = None) -> Replay:
    """Replay a session and compare. Raises RecordError."""
    began_ns = time.monotonic_ns()
    with _no_collection():
        again = decide_again(folder, progress=progress)
    taken_s = (time.monotonic_ns() - began_ns) / NS_PER_S
    recorded = list(folder.entries())
    core = core_settings(folder.settings["core"])
    session_s = sample_time_ns(again.hops * core.hop_samples, core.rate_mhz) / NS_PER_S
    found = first_difference(recorded, again.journal)
    return Replay(again.hops, len(recorded), found, session_s, taken_s)


def first_difference(
    recorded: list[Noted], again: list[Noted]
) -> tuple[int, Noted | None, Noted | None] | None:
    """The first place where two journals differ, None if they are the same."""
    for index in range(max(len(recorded), len(again))):
        one = recorded[index] if index < len(recorded) else None
        other = again[index] if index < len(again) else None
        if one != other or (one and other and type(one[1]) is not type(other[1])):
            return index, one, other
    return None


def in_words(found: Replay) -> list[str]:
    """For people; of a difference each number that differs, on both sides."""
    speed = f"{found.session_s:.1f} s of session in {found.taken_s:.1f} s, {found.speed:.0f} times as fast"
    if found.diverged is None:
        return [f"identical: {found.entries} acts and commands over {found.hops} hops", speed]
    index, recorded, again = found.diverged
    one, other = _plain(recorded), _plain(again)
    lines = [f"DIVERGED at entry {index}", f"  recorded {_said(one)}", f"  replayed {_said(other)}"]
    if one and other:
        lines += [
            f"    {key:12} {one.get(key, '-')!s:>16} {other.get(key, '-')!s:>16}"
            for key in dict.fromkeys((*one, *other))
            if one.get(key) != other.get(key)
        ]
    return [*lines, speed]


def _plain(noted: Noted | None) -> dict[str, Any] | None:
    return None if noted is None else {"hop": noted[0], **to_json(noted[1])}


def _said(facts: dict[str, Any] | None) -> str:
    if facts is None:
        return "nothing more"
    return ", ".join(f"{key} {value}" for key, value in facts.items())


def _channels(folder: Folder, settings: dict[str, Any]) -> list[int]:
    """Where the columns are in the recorded EMG."""
    labels = (folder.settings["stream"] or {}).get("labels", [])
    missing = [label for label in settings["stream"]["columns"] if label not in labels]
    if missing:
        raise RecordError(
            f"{folder.path}: has the EMG of {', '.join(labels) or 'nothing'}, and not of {', '.join(missing)}"
        )
    rates = [one["stream"]["rate_mhz"] for one in (folder.settings, settings)]
    if rates[0] != rates[1]:
        raise RecordError(
            f"{folder.path}: recorded at {rates[0] / 1000:g} Hz, these settings say {rates[1] / 1000:g} Hz"
        )
    return [labels.index(label) for label in settings["stream"]["columns"]]


def _longer(chunks: Iterator[RawChunk]) -> Iterator[RawChunk]:
    """The same samples in fewer pieces, none of which spans an epoch."""
    held: list[RawChunk] = []
    for chunk in chunks:
        if held and (chunk.epoch != held[0].epoch or len(held) * len(chunk.samples) > AT_ONCE):
            yield _joined(held)
            held = []
        held.append(chunk)
    if held:
        yield _joined(held)


def _joined(held: list[RawChunk]) -> RawChunk:
    return held[0]._replace(
        stamps_ns=np.concatenate([chunk.stamps_ns for chunk in held]),
        samples=np.concatenate([chunk.samples for chunk in held]),
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """As in the engine: nothing here makes cycles, and looking for them takes a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _apply_due(hops: int, acts: deque[tuple[int, Act]], apply: Callable[[Act], object]) -> None:
    while acts and acts[0][0] <= hops:
        apply(acts.popleft()[1])
