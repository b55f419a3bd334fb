"""Where the decision steps come from: the EMG stream, hop by hop, or the clock where no EMG is heard."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Final, Protocol

from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.engine.deciding import Deciding
from nmesd.engine.inhibits import PASSING_NS, Inhibits
from nmesd.engine.settings import EngineSettings, StreamSpec
from nmesd.engine.stream import Stream
from nmesd.engine.teller import Teller
from nmesd.errors import Reason
from nmesd.units import MHZ_PER_HZ, NS_PER_S, sample_time_ns

PULL_S: Final = 0.004
GATHER_LEAST_NS: Final = 600_000  # a sleep for less costs more than the wakings it saves

_SEARCHING: Final = (
    Reason.EMG_NO_STREAM,
    Reason.EMG_AMBIGUOUS,
    Reason.EMG_MISMATCH,
    Reason.EMG_STREAM_CHANGED,
)


def columns(channels: Sequence[int]) -> slice | list[int]:
    """Picks these of all columns: neighbours as a slice, which numpy does not copy."""
    first, last = channels[0], channels[-1]
    neighbours = list(channels) == list(range(first, last + 1))
    return slice(first, last + 1) if neighbours else list(channels)


def gather_ns(got: int, held: int, hop_samples: int, period_ns: float) -> int:
    """How long to let samples gather before the next pull, nanoseconds; 0: not at all.

    Until the last but one of the next hop is due, where they come in pieces of a hop: none is decided on before.
    At 10 kHz, sample by sample, liblsl would wake the engine ten times a hop, and leave the daemon no processor.

    got: samples of the last pull. held: of them and those before, samples of the next hop.
    """
    wait_ns = int((hop_samples - held - 1) * period_ns)
    return wait_ns if got < hop_samples and wait_ns >= GATHER_LEAST_NS else 0


class Source(Protocol):
    """What brings decision steps."""

    def turn(self) -> None:
        """Wait at most PULL_S, decide on what came, renew the lease if a step was completed."""

    def start_afresh(self) -> None:
        """Forget what was before: an arming begins with new samples."""

    def look_around(self, now_ns: int) -> None:
        """What can wait until the lease is sent."""


class Ear:
    """The EMG stream: searched, heard, watched, cut into hops.

    begun: a search for this stream that is under way.
    """

    def __init__(
        self, settings: EngineSettings, deciding: Deciding, inhibits: Inhibits, teller: Teller,
        begun: Stream | None = None,
    ) -> None:  # fmt: skip
        assert settings.stream is not None  # noqa: S101 - or nobody would listen
        assert settings.chain is not None  # noqa: S101
        self._spec: StreamSpec = settings.stream
        self._columns = columns(self._spec.channels)
        self._deciding, self._inhibits, self._teller = deciding, inhibits, teller
        self._hop_samples = ChainCoefficients.from_dict(settings.chain).hop_samples
        self._cutter = HopCutter(self._hop_samples, len(self._spec.channels))
        ahead = begun is not None and begun.spec == self._spec
        self._stream = begun if begun and ahead else Stream(self._spec, settings.lease_ns)
        self._period_ns = NS_PER_S * MHZ_PER_HZ / (self._spec.rate_mhz * self._spec.speed)
        self._epoch = self._samples = self._gathered_ns = 0
        self._same_clock = self._rivalled = False
        inhibits.set(Reason.EMG_NO_STREAM)

    def turn(self) -> None:
        """See Source."""
        if self._stream.open:
            self._hear()
        else:
            self._search()

    def _hear(self) -> None:
        if (wait_ns := self._gathered_ns - time.monotonic_ns()) > 0:
            time.sleep(wait_ns / NS_PER_S)
        heard, arrival_ns = self._stream.listen(PULL_S)
        if heard.finding is not None:
            reason, value, limit = heard.finding
            lasting = reason in (Reason.EMG_STALE, Reason.EMG_STREAM_GONE)
            self._inhibits.set(reason, 2**62 if lasting else arrival_ns + PASSING_NS)
            self._deciding.trip_by_clock(reason, value, limit)
            if reason is not Reason.EMG_STALE:
                self._begin_epoch()
        if heard.lost or not len(heard.samples):
            return
        self._inhibits.clear(Reason.EMG_STALE)
        decider = self._deciding.decider
        hops, trains = decider.hops, decider.state.trains
        held, deciding = self._cutter.held, len(heard.samples) - 1
        last = self._hop_samples - held - 1  # of the first hop that is completed
        self._teller.steps.begin(hops, heard.stamps_ns[last :: self._hop_samples].tolist())
        for hop in self._cutter.cut(heard.samples[:, self._columns]):
            self._deciding.hop(hop)
            if decider.state.trains != trains:
                # Latency counts from the sample that decided, not from the last one of its chunk.
                trains = decider.state.trains
                deciding = (decider.hops - hops) * self._hop_samples - held - 1
        if decider.hops > hops:
            stamp_ns = int(heard.stamps_ns[deciding])
            self._deciding.renew(stamp_ns if self._same_clock else arrival_ns, arrival_ns)
        self._teller.raw(self._epoch, self._samples, heard.samples, heard.stamps_ns, arrival_ns)
        self._teller.hops()
        self._samples += len(heard.samples)
        self._gathered_ns = arrival_ns + gather_ns(
            len(heard.samples), self._cutter.held, self._hop_samples, self._period_ns
        )

    def start_afresh(self) -> None:
        """See Source."""
        self._stream.flush()
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._stream.restart()
        self._cutter.clear()
        self._deciding.decider.restart_chain()

    def _search(self) -> None:
        result = self._stream.search(time.monotonic_ns())
        if result is None:
            time.sleep(PULL_S)
            return
        reason, found = result
        self._teller.found(reason, found)
        self._inhibits.clear(*_SEARCHING)
        if reason is not Reason.EMG_NO_STREAM:  # what is there now says more than that it went
            self._inhibits.clear(Reason.EMG_STREAM_GONE, Reason.EMG_STALE)
        if reason is not Reason.NONE:
            self._inhibits.set(reason)
            return
        self._teller.opened(self._stream.xml)
        self._rivalled = False
        self._same_clock = self._stream.host == socket.gethostname() and self._spec.speed == 1
        self._begin_epoch()

    def look_around(self, now_ns: int) -> None:
        """A second stream that fits: which of the two is the patient's is not for the engine to say."""
        looked = self._stream.look(now_ns)
        if looked is None:
            return
        others, found = looked
        if others:
            self._inhibits.set(Reason.EMG_AMBIGUOUS)
            self._deciding.trip(Reason.EMG_AMBIGUOUS, 1 + others, 1)
        else:
            self._inhibits.clear(Reason.EMG_AMBIGUOUS)
        if bool(others) != self._rivalled:
            self._rivalled = bool(others)
            self._teller.found(Reason.EMG_AMBIGUOUS if others else Reason.NONE, found)


class Ticker:
    """The clock, for programmes that hear no EMG: a step for every hop's time, none of them made up for late."""

    def __init__(self, settings: EngineSettings, deciding: Deciding, teller: Teller) -> None:
        self._deciding, self._teller = deciding, teller
        core = settings.core
        self._hop_ns = sample_time_ns(core.hop_samples, core.rate_mhz)
        self._late_ns = settings.lease_ns // 2
        self._next_ns = 0
        self.start_afresh()

    def turn(self) -> None:
        """See Source. What is late by more than a step may take is a trip, and no reason to hurry."""
        time.sleep(PULL_S)
        now_ns = time.monotonic_ns()
        due = max(0, now_ns - self._next_ns) // self._hop_ns
        if due * self._hop_ns > self._late_ns:
            self._deciding.trip_by_clock(Reason.ENGINE_OVERRUN, due * self._hop_ns, self._late_ns)
            self.start_afresh()
            return
        first_ns = self._next_ns + self._hop_ns
        self._next_ns += due * self._hop_ns
        hops = self._deciding.decider.hops
        self._teller.steps.begin(hops, range(first_ns, self._next_ns + 1, self._hop_ns))
        for _ in range(due):
            self._deciding.tick()
        if due:
            self._deciding.renew(now_ns, now_ns)
            self._teller.hops()

    def start_afresh(self) -> None:
        """See Source."""
        self._next_ns = time.monotonic_ns()

    def look_around(self, now_ns: int) -> None:
        """See Source: there is nothing."""
