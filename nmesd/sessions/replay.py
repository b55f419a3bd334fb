"""Runs a recorded session again through the same code and compares every decision, number by number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from dsp.blocks import Array
from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.core.decider import Decider
from nmesd.core.journal import Entry
from nmesd.core.plain import core_settings
from nmesd.core.values import Act, Hop
from nmesd.sessions.folder import Folder

Noted = tuple[int, Entry]
Hear = Callable[[Hop, Array], object]
"""A hop of EMG, and the sum of squares of its filtered samples, a column each: the same memory every time."""


class Replay(NamedTuple):
    """What came of it. `diverged` is the first difference: (index, recorded, replayed), None if there is none."""

    hops: int
    entries: int
    diverged: tuple[int, Noted | None, Noted | None] | None


def decide_again(
    folder: Folder, hear: Hear = lambda _hop, _energy: None
) -> tuple[int, list[Noted]]:
    """(hops, journal) of the recorded EMG and acts under the recorded settings. `hear` is told each hop."""
    noted: list[Noted] = []
    core = core_settings(folder.settings["core"])
    entries = list(folder.entries())
    acts = deque((hop, entry) for hop, entry in entries if isinstance(entry, Act))

    def note(hop: int, entry: Entry) -> None:
        noted.append((hop, entry))

    if folder.settings["stream"] is None:
        ticked: Decider[None] = Decider(None, core, note)
        for _ in range(max((hop for hop, _ in entries), default=0)):
            _apply_due(ticked.hops, acts, ticked.act)
            ticked.tick()
        _apply_due(ticked.hops, acts, ticked.act)
        return ticked.hops, noted
    coefficients = ChainCoefficients.from_dict(folder.settings["chain"])
    labels, columns = (folder.settings["stream"][name] for name in ("labels", "columns"))
    channels = [labels.index(label) for label in columns]
    chain = Chain(coefficients, len(channels))
    decider = Decider(chain, core, note)
    cutter = HopCutter(coefficients.hop_samples, len(channels))
    epoch = 0
    for chunk in folder.emg():
        if chunk.epoch != epoch:
            epoch = chunk.epoch
            cutter.clear()
            decider.restart_chain()
        for hop in cutter.cut(chunk.samples[:, channels]):
            _apply_due(decider.hops, acts, decider.act)
            decider.hop(hop)
            hear(decider.last, chain.energy_uv2)
    _apply_due(decider.hops, acts, decider.act)
    return decider.hops, noted


def replay(folder: Folder) -> Replay:
    """Replay a session and compare."""
    hops, again = decide_again(folder)
    recorded = list(folder.entries())
    return Replay(hops, len(recorded), first_difference(recorded, again))


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


def _apply_due(hops: int, acts: deque[tuple[int, Act]], apply: Callable[[Act], object]) -> None:
    while acts and acts[0][0] <= hops:
        apply(acts.popleft()[1])
