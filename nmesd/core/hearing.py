"""What a hop of EMG says: who tries, who is held back, who is relaxed."""

from __future__ import annotations

from nmesd.core.state import State
from nmesd.core.values import CoreSettings, Hop, Muscle, Vetoed


def who_tries(
    state: State, hop: Hop, settings: CoreSettings
) -> tuple[State, int, tuple[Vetoed, ...]]:
    """The first muscle that attempts while its antagonist is quiet, -1: none; and a veto, told once a trial.

    An attempt that was held back counts no more: what is left of it when the antagonist lets go is no new one.
    """
    if not state.held_back and not any(hop.attempt):
        return state, -1, ()  # nearly every hop
    held, told = [], list[Vetoed]()
    tries = -1
    for number, muscle in enumerate(settings.muscles):
        if not hop.attempt[muscle.emg]:
            continue
        if number in state.held_back or _against(muscle, hop):
            held.append(number)
        elif tries < 0:
            tries = number
    if held and not state.vetoed:
        muscle = settings.muscles[held[0]]
        told.append(Vetoed(hop.t_ns, held[0], hop.envelope_nv[muscle.antagonist], muscle.veto_nv))
    vetoed = state.vetoed or bool(held)
    return state._replace(held_back=tuple(held), vetoed=vetoed), tries, tuple(told)


def relaxing(state: State, hop: Hop, settings: CoreSettings) -> tuple[State, bool]:
    """Whether all muscles have been below their off thresholds for the set time, with clean EMG."""
    tense = any(hop.envelope_nv[muscle.emg] >= muscle.off_nv for muscle in settings.muscles)
    if hop.flags or tense:
        return state._replace(relaxed_since_ns=-1), False
    since_ns = state.relaxed_since_ns if state.relaxed_since_ns >= 0 else hop.t_ns
    relaxed = hop.t_ns - since_ns >= settings.programme.relax_ns
    if since_ns == state.relaxed_since_ns:
        return state, relaxed
    return state._replace(relaxed_since_ns=since_ns), relaxed


def _against(muscle: Muscle, hop: Hop) -> bool:
    """By the antagonist's detector, which is as soon as the muscle's, or by its envelope, which lasts."""
    other = muscle.antagonist
    return other >= 0 and (hop.attempt[other] or hop.envelope_nv[other] >= muscle.veto_nv)
