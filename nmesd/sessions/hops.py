"""The EMG of a session as the hops it was decided in."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import RecordError
from nmesd.sessions.folder import Folder


def hops_of(folder: Folder, channels: list[int]) -> tuple[NDArray[np.float64], frozenset[int]]:
    """(hops, hop_samples, channels) microvolts, and the hops at which the stream started afresh.

    As `dsp.hops` cuts them: what a fresh start leaves of one is dropped. Raises RecordError if there is no EMG.
    """
    size = int(folder.settings["core"]["hop_samples"])
    pieces: list[NDArray[np.float64]] = []
    fresh, hops = set[int](), 0
    for _, chunks in groupby(folder.emg(), key=attrgetter("epoch")):
        samples = np.concatenate([chunk.samples[:, channels] for chunk in chunks])
        whole = len(samples) // size
        pieces.append(samples[: whole * size].reshape(whole, size, -1).astype(np.float64))
        fresh.add(hops)
        hops += whole
    if not pieces:
        raise RecordError(f"{folder.path}: no EMG in it: give another session")
    return np.concatenate(pieces), frozenset(fresh)
