"""Other settings on a recorded session: what they would have decided, and whether that was right.

What counts, for one muscle (`nmesd.sessions.asked` says which EMG is judged):

* A *success* is an onset in a trial that asked for an attempt, `EARLIEST_S` or more after the cue. Its *latency*
  is from the cue to the decision: the person's time to react is in it, and the same for all settings.
* A *miss* is such a trial without one, judged to its end.
* *Unknown* is such a trial cut short by current before these settings had decided. It is left out of the rate of
  success: sessions without current (biofeedback, sham trials) say more about slower or stricter settings.
* A *false trigger* is any other onset: in rest, in a trial that forbade trying, or before anybody can have heard
  the cue. They are counted over the time in which these settings would have listened: after each, and at the
  start, the muscle has first to be relaxed for as long as the programme says, and a second must be over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.cusum import FULL, Cusum
from dsp.quality import FLAT, NON_FINITE, RAILED, SETTLING
from nmesd.core.decider import thresholds
from nmesd.core.state import State
from nmesd.sessions.asked import Heard, Stretch
from nmesd.sessions.detect import REFRACTORY_S
from nmesd.units import NS_PER_S, NV_PER_UV, sample_time_ns

EARLIEST_S: Final = 0.1
"""Nobody answers a cue sooner: the limit for a false start in athletics."""

_RESTARTS: Final = (
    SETTLING | NON_FINITE | RAILED | FLAT
)  # nothing of such a hop reaches the detector

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Thresholds of the muscle, microvolts, 0 < off <= on."""

    on_uv: float
    off_uv: float


@dataclass(frozen=True, slots=True)
class Score:
    """What settings came to; adds up over sessions."""

    success: int = 0
    miss: int = 0
    unknown: int = 0
    false: int = 0
    listened_s: float = 0.0
    latencies_s: tuple[float, ...] = ()

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.success + other.success,
            self.miss + other.miss,
            self.unknown + other.unknown,
            self.false + other.false,
            self.listened_s + other.listened_s,
            self.latencies_s + other.latencies_s,
        )

    @property
    def asked(self) -> int:
        """Trials that asked for an attempt."""
        return self.success + self.miss + self.unknown

    @property
    def success_rate(self) -> float:
        """Of the trials whose outcome is known; 0 if there is none."""
        known = self.success + self.miss
        return self.success / known if known else 0.0

    @property
    def false_per_min(self) -> float:
        """0 if these settings never listened."""
        return 60 * self.false / self.listened_s if self.listened_s else 0.0

    @property
    def latency_s(self) -> float | None:
        """The median; None without a success."""
        return float(np.median(self.latencies_s)) if self.latencies_s else None


def judge(
    heard: Heard, coefficients: ChainCoefficients, muscle: int, levels: Sequence[Level]
) -> list[Score]:
    """One score for each level, all from one run of the filters.

    Whether EMG is disturbed (`dsp.disturbance`, `dsp.onsets`) is judged at the recorded thresholds.
    """
    scores = [Score() for _ in levels]
    chain = Chain(coefficients, heard.hops.shape[2])
    on_nv, off_nv = _recorded(heard)
    column = heard.core.muscles[muscle].emg
    for stretch in heard.stretches:
        flags, envelope_nv, energy_uv2, _ = _run(heard, chain, stretch, on_nv, off_nv, column)
        if coefficients.cusum:
            begin = _full(flags, energy_uv2, _of_column(coefficients, column), levels)
        else:
            begin = envelope_nv[:, None] >= np.array([_nv(level.on_uv) for level in levels])
        for number, level in enumerate(levels):
            begins, below = begin[:, number], envelope_nv < _nv(level.off_uv)
            attempt = _lasted(begins, ~below, flags) >= coefficients.min_hops
            scores[number] += _walk(heard, stretch, attempt & (flags == 0), below & (flags == 0))
    return scores


def judge_live(heard: Heard, coefficients: ChainCoefficients, muscle: int, level: Level) -> Score:
    """One level, by the very code that runs live."""
    score = Score()
    chain = Chain(coefficients, heard.hops.shape[2])
    column = heard.core.muscles[muscle].emg
    on_nv, off_nv = (list(levels) for levels in _recorded(heard))
    on_nv[column], off_nv[column] = _nv(level.on_uv), _nv(level.off_uv)
    for stretch in heard.stretches:
        flags, envelope_nv, _, attempt = _run(
            heard, chain, stretch, tuple(on_nv), tuple(off_nv), column
        )
        below = (envelope_nv < off_nv[column]) & (flags == 0)
        score += _walk(heard, stretch, attempt, below)
    return score


def _nv(uv: float) -> int:
    return round(uv * NV_PER_UV)


def _recorded(heard: Heard) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """On and off of each column, as the session began with them (`nmesd.core.decider`)."""
    return thresholds(heard.core, State())


def _of_column(coefficients: ChainCoefficients, column: int) -> ChainCoefficients:
    """With the ratios of the one column for all."""
    if not coefficients.channel_ratios:
        return coefficients
    own = coefficients.with_ratios(coefficients.channel_ratios[column])
    return replace(own, channel_ratios=())


def _run(
    heard: Heard,
    chain: Chain,
    stretch: Stretch,
    on_nv: tuple[int, ...],
    off_nv: tuple[int, ...],
    column: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], Bools]:
    """Flags, envelope, energy and attempt of each hop of the stretch, filters started afresh before it."""
    flags, envelope, energy, attempt = [], [], [], []
    chain.restart()
    for number in range(stretch.first, stretch.last):
        if number in heard.fresh:
            chain.restart()
        value = chain.run(heard.hops[number], on_nv, off_nv)
        flags.append(value.flags)
        envelope.append(value.envelope_nv[column])
        energy.append(chain.energy_uv2[column])
        attempt.append(value.attempt[column])
    return np.array(flags), np.array(envelope), np.array(energy), np.array(attempt, dtype=np.bool_)


def _full(
    flags: NDArray[np.int64],
    energy_uv2: NDArray[np.float64],
    coefficients: ChainCoefficients,
    levels: Sequence[Level],
) -> Bools:
    """(hops, levels): the evidence is full. Levels are channels of one detector, so that all run at once."""
    detector = Cusum(coefficients, len(levels))
    on_nv = tuple(_nv(level.on_uv) for level in levels)
    full = np.zeros((len(flags), len(levels)), dtype=np.bool_)
    restarts = (flags & _RESTARTS) != 0
    for hop, (restart, energy) in enumerate(zip(restarts.tolist(), energy_uv2, strict=True)):
        if restart:
            detector.restart()
        elif detector.step(np.full(len(levels), energy), on_nv) >= FULL:
            full[hop] = detector.evidence() >= FULL
    return full


def _lasted(begins: Bools, goes_on: Bools, flags: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hops each has been active, as `dsp.detector` counts them."""
    number = np.arange(1, len(begins) + 1)
    restart = (flags & _RESTARTS) != 0
    begins = begins & ~restart
    began = np.maximum.accumulate(np.where(begins, number, 0))
    ended = np.maximum.accumulate(np.where(restart | ~(begins | goes_on), number, 0))
    active = began > ended
    return np.where(active, number - np.maximum.accumulate(np.where(active, 0, number)), 0)


def _walk(heard: Heard, stretch: Stretch, attempt: Bools, below: Bools) -> Score:
    """What these decisions come to in one stretch."""
    hop_s = sample_time_ns(heard.core.hop_samples, heard.core.rate_mhz) / NS_PER_S
    relax = max(1, round(heard.core.programme.relax_ns / NS_PER_S / hop_s))
    number = np.arange(1, len(below) + 1)
    relaxed = number - np.maximum.accumulate(np.where(below, 0, number)) >= relax
    cue = stretch.cue - stretch.first
    right_from = cue + round(EARLIEST_S / hop_s) if stretch.asked else len(below)
    false, listened, open_from = 0, 0, 0
    while True:
        opens = open_from + _first(relaxed[open_from:])
        decided = opens + 1 + _first(attempt[opens + 1 :])
        listened += max(0, min(decided, right_from) - opens)
        if right_from <= decided < len(attempt):
            latency_s = (decided - cue + 1) * hop_s
            return Score(1, 0, 0, false, listened * hop_s, (latency_s,))
        if decided >= len(attempt):
            break
        false, open_from = false + 1, decided + round(REFRACTORY_S / hop_s)
    miss = stretch.asked and stretch.full
    return Score(0, int(miss), int(stretch.asked and not miss), false, listened * hop_s)


def _first(of: Bools) -> int:
    """Index of the first that is true; the length if none is."""
    return int(np.argmax(of)) if of.any() else len(of)
