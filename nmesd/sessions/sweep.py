"""Many settings over many sessions: independent tasks, on all cores or on a cluster, and the best of them.

A task is one session and one chain; its answer is a score for each threshold. Nothing else is shared, so any
`concurrent.futures.Executor` will do, and Dask's too.

The best settings are, of those with at most the allowed false triggers a minute and with enough known trials,
those that succeed most often; of settings within `AS_GOOD` of that, the soonest (median latency); then the highest
threshold, which is furthest from rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from dsp.coefficients import ChainCoefficients
from nmesd.errors import ConfigError, RecordError
from nmesd.sessions.asked import heard
from nmesd.sessions.folder import Folder
from nmesd.sessions.judge import Level, Score, judge, judge_live

AS_GOOD: Final = 0.02
"""Of the rate of success: less does not tell two settings apart."""

SAME_LATENCY_S: Final = 0.005

LEAST_KNOWN: Final = 0.5
"""Of the trials that asked: settings that the record says less about are not chosen."""

Show = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A chain and the thresholds to try with it."""

    name: str
    coefficients: ChainCoefficients
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One setting, over all sessions."""

    candidate: int
    level: Level
    score: Score

    @property
    def known_share(self) -> float:
        """Of the trials that asked, those whose outcome is known."""
        score = self.score
        return (score.success + score.miss) / score.asked if score.asked else 0.0


def task(
    path: Path, coefficients: ChainCoefficients, muscle: int, levels: Sequence[Level], how: str
) -> list[Score]:
    """One session and one chain. `how`: "quick", or "live" by the very code that runs live. Raises RecordError."""
    session = heard(Folder(path), muscle)
    if how == "live":
        return [judge_live(session, coefficients, muscle, level) for level in levels]
    return judge(session, coefficients, muscle, levels)


def sweep(
    executor: Executor,
    folders: Sequence[Path],
    candidates: Sequence[Candidate],
    muscle: int,
    show: Show = lambda _: None,
    how: str = "quick",
) -> list[Tried]:
    """Every candidate's levels over all sessions. `show` hears what share is done. Raises RecordError."""
    due = {
        executor.submit(task, folder, one.coefficients, muscle, one.levels, how): number
        for number, one in enumerate(candidates)
        for folder in folders
    }
    totals = [[Score() for _ in candidate.levels] for candidate in candidates]
    try:
        for done, future in enumerate(as_completed(due), 1):
            number = due[future]
            totals[number] = [a + b for a, b in zip(totals[number], future.result(), strict=True)]
            show(done / len(due))
    finally:
        for future in due:  # after an error nobody waits for the rest
            future.cancel()
    return [
        Tried(candidate=number, level=level, score=score)
        for number, candidate in enumerate(candidates)
        for level, score in zip(candidate.levels, totals[number], strict=True)
    ]


def best(tried: Sequence[Tried], false_per_min: float) -> Tried:
    """Raises RecordError if there is none."""
    known = [one for one in tried if one.known_share >= LEAST_KNOWN]
    if not known:
        raise RecordError(
            f"of every setting's trials, current cut short {100 * (1 - LEAST_KNOWN):.0f} % or more: nothing can "
            "be said: give sessions without current (biofeedback), or with sham trials"
        )
    calm = [one for one in known if one.score.false_per_min <= false_per_min]
    if not calm:
        least = min(one.score.false_per_min for one in known)
        raise RecordError(
            f"no setting has {false_per_min:g} false triggers a minute or fewer, the calmest has {least:.2g}: "
            "allow more, or try higher thresholds"
        )
    most = max(one.score.success_rate for one in calm)
    if not most:
        raise RecordError(
            f"no setting with {false_per_min:g} false triggers a minute or fewer finds an attempt: allow more, or "
            "try lower thresholds"
        )
    good = [one for one in calm if one.score.success_rate >= most - AS_GOOD]
    soonest = min(one.score.latency_s for one in good if one.score.latency_s is not None)
    soon = [one for one in good if (one.score.latency_s or 0.0) <= soonest + SAME_LATENCY_S]
    return max(soon, key=lambda one: one.level.on_uv)


@contextmanager
def cores(most: int) -> Iterator[Executor]:
    """An executor over the processors of this computer; 0: all of them."""
    workers = most or len(os.sched_getaffinity(0))
    # Not forked: threads of the caller (progress bar, numpy) would be copied in mid-step.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """An executor over a Dask cluster whose workers see the same folders. Raises ConfigError."""
    try:
        from distributed import Client  # noqa: PLC0415 - seconds to load, and an extra
    except ImportError:
        raise ConfigError(
            "--scheduler needs Dask: pip install 'nmesd[cluster]', or leave it out to use this computer"
        ) from None
    try:
        client = Client(address, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler at {address} ({error}): start it, or leave --scheduler out"
        ) from None
    with client:
        yield client.get_executor()  # type: ignore[no-untyped-call]
