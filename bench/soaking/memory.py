"""Does a process grow? Its resident memory every ten seconds, and what that comes to once it has settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import numpy as np

SAMPLE_S: Final = 10.0
MOST_KB: Final = 1000.0
"""Of growth. What is told and kept of a session leaves room for no more: it goes out, and to the disk."""


class Sample(NamedTuple):
    """Of one process. The proportional share counts what several of them use for each by its part."""

    at_s: float
    rss_kb: int
    pss_kb: int


class Growth(NamedTuple):
    """From the median of the first piece to that of the last, and by the line that fits all best."""

    first_kb: float
    last_kb: float
    slope_kb_h: float
    hours: float  # between the middles of the two pieces

    @property
    def kb(self) -> float:
        """The larger of the two."""
        return max(self.last_kb - self.first_kb, self.slope_kb_h * self.hours)


class Memory:
    """The samples of every process, by name. One that was started anew is another process: it begins again."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.restarts: dict[str, int] = {}
        self._pids: dict[str, int] = {}

    def sample(self, pids: Mapping[str, int], at_s: float) -> None:
        """Look at all of them. One that has just ended is left out."""
        for name, pid in pids.items():
            if self._pids.setdefault(name, pid) != pid:
                self._pids[name], self.samples[name] = pid, []
                self.restarts[name] = self.restarts.get(name, 0) + 1
            try:
                self.samples.setdefault(name, []).append(Sample(at_s, *resident_kb(pid)))
            except (FileNotFoundError, ProcessLookupError):
                continue

    def growth(self, from_s: float, piece_s: float) -> dict[str, Growth]:
        """Of each process, from `from_s` on."""
        found = {name: growth(samples, from_s, piece_s) for name, samples in self.samples.items()}
        return {name: one for name, one in found.items() if one is not None}


def growth(samples: Sequence[Sample], from_s: float, piece_s: float) -> Growth | None:
    """Resident memory from `from_s` on: the first and the last piece against each other. None: too short."""
    settled = [one for one in samples if one.at_s >= from_s]
    if not settled or settled[-1].at_s - settled[0].at_s < piece_s:
        return None
    start_s, end_s = settled[0].at_s, settled[-1].at_s
    first = [one for one in settled if one.at_s <= start_s + piece_s]
    last = [one for one in settled if one.at_s >= end_s - piece_s]
    hours = (median(s.at_s for s in last) - median(s.at_s for s in first)) / 3600
    at_h = np.array([one.at_s for one in settled]) / 3600
    slope, _ = np.polyfit(at_h - at_h.mean(), [one.rss_kb for one in settled], 1)
    return Growth(
        median(s.rss_kb for s in first), median(s.rss_kb for s in last), float(slope), hours
    )


def resident_kb(pid: int) -> tuple[int, int]:
    """Resident memory of a process and its proportional share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }
    return sizes["Rss"], sizes["Pss"]
