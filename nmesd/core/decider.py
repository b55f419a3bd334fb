"""Joins the signal chain and the machine: the one piece of glue that is the same live and in a replay.

It has no clock and does no I/O. Whoever drives it brings hops and acts, and is told every journal entry and
every command, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from nmesd.core.journal import Act, Entry
from nmesd.core.machine import SETTLING, State, armed, step
from nmesd.core.values import Command, CoreSettings, Event, Hop, RestartChain
from nmesd.units import sample_time_ns

HopArray = TypeVar("HopArray")
HopArray_contra = TypeVar("HopArray_contra", contravariant=True)


class HopValuesLike(Protocol):
    """What the signal chain says of a hop, per channel."""

    @property
    def envelope_nv(self) -> Sequence[int]: ...
    @property
    def active(self) -> Sequence[bool]: ...
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

    chain: the signal chain; only its first channel is decided on.
    settings: what to decide with.
    note: told (hop index, entry) for every act and command, in order.
    """

    def __init__(
        self,
        chain: ChainLike[HopArray],
        settings: CoreSettings,
        note: Callable[[int, Entry], None],
    ) -> None:
        self.state = State()
        self.hops = 0
        self.last = Hop(0, 0, False, False, SETTLING)
        self._chain = chain
        self._settings = settings
        self._on_nv = (settings.on_nv,)
        self._off_nv = (settings.off_nv,)
        self._note = note

    @property
    def t_ns(self) -> int:
        """Sample time now: the end of the last hop."""
        return sample_time_ns(self.hops * self._settings.hop_samples, self._settings.rate_mhz)

    @property
    def armed(self) -> bool:
        """True while an operator's arming is in force."""
        return armed(self.state)

    def act(self, act: Act) -> tuple[Command, ...]:
        """Apply an act between two hops."""
        self._note(self.hops, act)
        return self._step(act)

    def hop(self, samples: HopArray) -> tuple[Command, ...]:
        """Decide on one hop of raw EMG (hop_samples, channels), microvolts."""
        values = self._chain.run(samples, self._on_nv, self._off_nv)
        self.hops += 1
        self.last = Hop(
            self.t_ns, values.envelope_nv[0], values.active[0], values.attempt[0], values.flags
        )
        return self._step(self.last)

    def restart_chain(self) -> None:
        """The sample stream starts afresh (new stream, flush, gap)."""
        self._chain.restart()
        self.last = self.last._replace(flags=self.last.flags | SETTLING)

    def _step(self, event: Event) -> tuple[Command, ...]:
        self.state, commands = step(self.state, event, self._settings)
        for command in commands:
            self._note(self.hops, command)
            if isinstance(command, RestartChain):
                self._chain.restart()
        return commands
