"""What each step of a turn came to: gathered while deciding, told to the daemon once the lease is sent.

Before the lease a step costs the tuple it is remembered in, and no frame.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Final

from nmesd.core.values import Hop, Mode
from nmesd.wire import MAX_FRAME, Hops

Thresholds = tuple[tuple[int, ...], tuple[int, ...]]  # on and off of each column, nanovolts
NO_EMG: Final[Thresholds] = ((), ())
_BYTES = 8  # of an integer


class Steps:
    """The steps since `begin`."""

    def __init__(self) -> None:
        self._first = self._before_ns = 0
        self._stamps_ns: Sequence[int] = ()
        self._steps: list[tuple[Mode, Hop, Thresholds]] = []

    def begin(self, hops: int, stamps_ns: Sequence[int]) -> None:
        """A turn begins after so many hops; the time stamps of the last samples of those that follow, in order."""
        if self._stamps_ns:
            self._before_ns = self._stamps_ns[-1]
        self._first, self._stamps_ns = hops, stamps_ns
        self._steps.clear()

    def stamp_ns(self, hop: int) -> int:
        """Time stamp of a hop of this turn; of one before it, that of the last before; 0 if there was none."""
        index = hop - self._first - 1
        return self._stamps_ns[index] if 0 <= index < len(self._stamps_ns) else self._before_ns

    def add(self, mode: Mode, hop: Hop, thresholds: Thresholds) -> None:
        """One step, and the thresholds it was decided by: the same object as long as they are the same."""
        self._steps.append((mode, hop, thresholds))

    def frames(self) -> Iterator[Hops]:
        """All steps as frames that fit, a new one where a threshold moved."""
        start = 0
        for thresholds, group in groupby(self._steps, itemgetter(2)):
            rows = [(mode, hop.flags, *hop.envelope_nv) for mode, hop, _ in group]
            on_nv, off_nv = thresholds
            columns = len(on_nv)
            piece = (MAX_FRAME - 128 - 2 * _BYTES * columns) // (_BYTES * (3 + columns))
            for first in range(0, len(rows), piece):
                part = rows[first : first + piece]
                begin = start + first
                stamps_ns = self._stamps_ns[begin : begin + len(part)]
                values = array("q", (*on_nv, *off_nv, *stamps_ns, *chain.from_iterable(part)))
                yield Hops(self._first + begin + 1, len(part), columns, values.tobytes())
            start += len(rows)
