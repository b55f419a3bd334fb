"""What a hop of EMG says: who tries, who is held back, who is relaxed."""

from __future__ import annotations

from nmesd.core.state import State
from nmesd.core.values import CoreSettings, Hop, Muscle, Vetoed


def who_tries(hop: Hop, settings: CoreSettings) -> int:
    """The first muscle that attempts while its antagonist is quiet; -1: none."""
    for number, muscle in enumerate(settings.muscles):
        if hop.attempt[muscle.emg] and not _held_back(muscle, hop):
            return number
    return -1


def veto(state: State, hop: Hop, settings: CoreSettings) -> tuple[State, tuple[Vetoed, ...]]:
    """Told once a trial: the first attempt that does not count, for the antagonist is active too."""
    if state.vetoed:
        return state, ()
    for number, muscle in enumerate(settings.muscles):
        if hop.attempt[muscle.emg] and _held_back(muscle, hop):
            told = Vetoed(hop.t_ns, number, hop.envelope_nv[muscle.antagonist], muscle.veto_nv)
            return state._replace(vetoed=True), (told,)
    return state, ()


def relaxing(state: State, hop: Hop, settings: CoreSettings) -> tuple[State, bool]:
    """Whether all muscles have been below their off thresholds for the set time, with clean EMG."""
    tense = any(hop.envelope_nv[muscle.emg] >= muscle.off_nv for muscle in settings.muscles)
    if hop.flags or tense:
        return state._replace(relaxed_since_ns=-1), False
    since_ns = state.relaxed_since_ns if state.relaxed_since_ns >= 0 else hop.t_ns
    relaxed = hop.t_ns - since_ns >= settings.programme.relax_ns
    return state._replace(relaxed_since_ns=since_ns), relaxed


def _held_back(muscle: Muscle, hop: Hop) -> bool:
    return muscle.antagonist >= 0 and hop.envelope_nv[muscle.antagonist] >= muscle.veto_nv
