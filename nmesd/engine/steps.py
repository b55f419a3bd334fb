"""What each step of a turn came to: gathered while deciding, told to the daemon once the lease is sent.

Costs a microsecond a step: integers into one array, no frame and no numpy before the lease.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from nmesd.core.values import Hop, Mode
from nmesd.wire import MAX_FRAME, Hops

Thresholds = tuple[tuple[int, ...], tuple[int, ...]]  # on and off of each column, nanovolts
NO_EMG: Final[Thresholds] = ((), ())
_BYTES = 8  # of an integer


class Steps:
    """The steps since `begin`."""

    def __init__(self) -> None:
        self._first = self._added = self._last_stamp_ns = 0
        self._stamps_ns: Sequence[int] = ()
        self._rows = array("q")
        self._thresholds: list[tuple[int, Thresholds]] = []  # from which step on

    def begin(self, hops: int, stamps_ns: Sequence[int]) -> None:
        """A turn begins after so many hops; the time stamps of the last samples of those that follow, in order."""
        self._first, self._added, self._stamps_ns = hops, 0, stamps_ns
        del self._rows[:]
        self._thresholds.clear()

    def stamp_ns(self, hop: int) -> int:
        """Time stamp of a hop of this turn; of one before, that of the last; 0 if there was none."""
        index = hop - self._first - 1
        return self._stamps_ns[index] if 0 <= index < len(self._stamps_ns) else self._last_stamp_ns

    def add(self, mode: Mode, hop: Hop, thresholds: Thresholds) -> None:
        """One step, and the thresholds it was decided by."""
        if not self._thresholds or self._thresholds[-1][1] != thresholds:
            self._thresholds.append((self._added, thresholds))
        self._rows.extend((mode, hop.flags, *hop.envelope_nv))
        self._last_stamp_ns = self._stamps_ns[self._added]
        self._added += 1

    def frames(self) -> Iterator[Hops]:
        """All steps as frames that fit, a new one where a threshold moved."""
        ends = [start for start, _ in self._thresholds[1:]] + [self._added]
        for (start, (on_nv, off_nv)), end in zip(self._thresholds, ends, strict=True):
            columns = len(on_nv)
            piece = (MAX_FRAME - 128 - 2 * _BYTES * columns) // (_BYTES * (3 + columns))
            for first in range(start, end, piece):
                last, width = min(first + piece, end), 2 + columns
                values = array("q", (*on_nv, *off_nv, *self._stamps_ns[first:last]))
                values += self._rows[first * width : last * width]
                yield Hops(self._first + first + 1, last - first, columns, values.tobytes())
