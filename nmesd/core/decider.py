"""Joins the signal chain and the machine: the one piece of glue that is the same live and in a replay.

It has no clock and does no I/O. Whoever drives it brings hops and acts, and is told every journal entry and
every command, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from nmesd.core.flags import SETTLING
from nmesd.core.journal import Entry
from nmesd.core.machine import step
from nmesd.core.state import State, armed
from nmesd.core.tuning import tuned
from nmesd.core.values import Act, Command, CoreSettings, Event, Hop, Pace, RestartChain, Tune
from nmesd.units import sample_time_ns

HopArray = TypeVar("HopArray")
HopArray_contra = TypeVar("HopArray_contra", contravariant=True)


class HopValuesLike(Protocol):
    """What the signal chain says of a hop, per channel."""

    @property
    def envelope_nv(self) -> Sequence[int]: ...
    @property
    def attempt(self) -> Sequence[bool]: ...
    @property
    def flags(self) -> int: ...


class ChainLike(Protocol[HopArray_contra]):
    """The signal chain (`dsp.chain.Chain`), as far as deciding needs it."""

    def run(
        self, hop: HopArray_contra, on_nv: Sequence[int], off_nv: Sequence[int]
    ) -> HopValuesLike: ...
    def restart(self) -> None: ...


class Decider(Generic[HopArray]):
    """State of one run: hop count, machine, signal chain.

    chain: the signal chain over the columns that are decided on; None where no EMG is heard.
    settings: what to decide with.
    note: told (hop index, entry) for every act and command, in order.
    """

    def __init__(
        self,
        chain: ChainLike[HopArray] | None,
        settings: CoreSettings,
        note: Callable[[int, Entry], None],
    ) -> None:
        self.state = State()
        self.hops = 0
        self.last = Hop(0, (), (), SETTLING if chain else 0)
        self._chain = chain
        self.settings = settings
        self._on_nv, self._off_nv = thresholds(settings, self.state)
        self._note = note

    @property
    def t_ns(self) -> int:
        """Sample time now: the end of the last hop."""
        return sample_time_ns(self.hops * self.settings.hop_samples, self.settings.rate_mhz)

    @property
    def armed(self) -> bool:
        """True while an operator's arming is in force."""
        return armed(self.state)

    def act(self, act: Act) -> tuple[Command, ...]:
        """Apply an act between two hops."""
        self._note(self.hops, act)
        if isinstance(act, Tune | Pace):
            self.settings = tuned(self.settings, act)
        commands = self._step(act)
        self._on_nv, self._off_nv = thresholds(self.settings, self.state)
        return commands

    def hop(self, samples: HopArray) -> tuple[Command, ...]:
        """Decide on one hop of raw EMG (hop_samples, columns), microvolts."""
        assert self._chain is not None  # noqa: S101 - whoever has EMG has given one
        values = self._chain.run(samples, self._on_nv, self._off_nv)
        return self._decide(tuple(values.envelope_nv), tuple(values.attempt), values.flags)

    def tick(self) -> tuple[Command, ...]:
        """Decide on one hop's time where no EMG is heard."""
        return self._decide((), (), 0)

    def restart_chain(self) -> None:
        """The sample stream starts afresh (new stream, flush, gap)."""
        if self._chain is not None:
            self._chain.restart()
            self.last = self.last._replace(flags=self.last.flags | SETTLING)

    def _decide(
        self, envelope_nv: tuple[int, ...], attempt: tuple[bool, ...], flags: int
    ) -> tuple[Command, ...]:
        self.hops += 1
        self.last = Hop(self.t_ns, envelope_nv, attempt, flags)
        return self._step(self.last)

    def _step(self, event: Event) -> tuple[Command, ...]:
        before_nv = self.state.on_nv
        self.state, commands = step(self.state, event, self.settings)
        if self.state.on_nv != before_nv:
            self._on_nv, self._off_nv = thresholds(self.settings, self.state)
        for command in commands:
            self._note(self.hops, command)
            if isinstance(command, RestartChain) and self._chain is not None:
                self._chain.restart()
        return commands


def thresholds(settings: CoreSettings, state: State) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """On and off threshold of each column: a muscle's, or for one that is an antagonist alone its veto."""
    levels: dict[int, tuple[int, int]] = {
        muscle.antagonist: (muscle.veto_nv, muscle.veto_nv)
        for muscle in settings.muscles
        if muscle.antagonist >= 0
    }
    on_nv = state.on_nv or tuple(muscle.on_nv for muscle in settings.muscles)
    levels |= {
        muscle.emg: (on, muscle.off_nv) for muscle, on in zip(settings.muscles, on_nv, strict=True)
    }
    columns = [levels[column] for column in sorted(levels)]
    return tuple(on for on, _ in columns), tuple(off for _, off in columns)
