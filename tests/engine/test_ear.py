"""Samples that come one by one: each hop is decided on as it completes, and few pulls are made for nothing."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from dsp.design import ChainSpec, design
from nmesd.engine import deciding, ear
from nmesd.engine.deciding import Deciding
from nmesd.engine.ear import GATHER_LEAST_NS, Ear, gather_ns
from nmesd.engine.guard_link import GuardLink
from nmesd.engine.inhibits import Inhibits
from nmesd.engine.settings import EngineSettings
from nmesd.engine.stream import Heard, Stream
from nmesd.engine.teller import Teller
from nmesd.units import NS_PER_S
from nmesd.wire import Link
from tests.engine.played import CORE, SPEC, Clock

HOP_NS = 1_000_000


@pytest.mark.parametrize(
    ("got", "held", "hop_samples", "wait_ns"),
    [
        (1, 0, 10, 900_000),  # 10 kHz, sample by sample: the next hop has just begun
        (2, 2, 10, 700_000),
        (1, 4, 10, 0),  # as short a sleep costs more than it saves
        (1, 9, 10, 0),
        (10, 0, 10, 0),  # a hop at a time: nothing is woken for nothing
        (23, 3, 10, 0),
        (1, 0, 4, 750_000),  # 4 kHz
        (1, 0, 2, 0),  # 2 kHz
        (1, 0, 1, 0),
    ],
)
def test_only_what_cannot_be_decided_on_is_waited_for(
    got: int, held: int, hop_samples: int, wait_ns: int
) -> None:
    assert gather_ns(got, held, hop_samples, HOP_NS / hop_samples) == wait_ns


def test_it_never_waits_for_the_last_sample_of_a_hop() -> None:
    for hop_samples in range(1, 65):
        period_ns = HOP_NS / hop_samples
        for held in range(hop_samples):
            wait_ns = gather_ns(1, held, hop_samples, period_ns)
            assert wait_ns == 0 or wait_ns >= GATHER_LEAST_NS
            assert wait_ns <= (hop_samples - held - 1) * period_ns


class Amplifier:
    """In the place of an open stream: so many samples a piece, each at its time."""

    open, host = True, "elsewhere"

    def __init__(self, clock: Clock, rate_hz: int, piece: int) -> None:
        self.spec = replace(SPEC, rate_mhz=rate_hz * 1000)
        self._clock, self._period_ns, self._piece = clock, NS_PER_S // rate_hz, piece
        self._next_ns = clock.now_ns
        self.pulls, self.pulled = 0, 0

    def listen(self, timeout_s: float) -> tuple[Heard, int]:
        self.pulls += 1
        whole_ns = self._piece * self._period_ns
        wait_ns = min(self._next_ns + whole_ns - self._clock.now_ns, int(timeout_s * NS_PER_S))
        self._clock.now_ns += max(0, wait_ns)
        n = (self._clock.now_ns - self._next_ns) // whole_ns * self._piece
        stamps_ns = self._next_ns + self._period_ns * np.arange(n, dtype=np.int64)
        self._next_ns += n * self._period_ns
        self.pulled += n
        emg_uv = np.random.default_rng(self.pulls).normal(0, 2, (n, 1)).astype(np.float32)
        return Heard(emg_uv, stamps_ns, None, lost=False), self._clock.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (ear, deciding):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def teller() -> Iterator[Teller]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        yield Teller(Link(near))


@pytest.mark.parametrize(
    ("rate_hz", "piece", "pulls_a_hop"),
    [(10_000, 1, 2), (10_000, 4, 3), (10_000, 10, 1), (4000, 1, 2), (2000, 1, 2), (2000, 2, 1)],
)
def test_every_hop_is_decided_on_as_it_completes(
    clock: Clock, teller: Teller, rate_hz: int, piece: int, pulls_a_hop: int
) -> None:
    amplifier = Amplifier(clock, rate_hz, piece)
    settings = EngineSettings(
        stream=amplifier.spec,
        chain=design(ChainSpec(rate_mhz=rate_hz * 1000, rail_uv=5000)).to_dict(),
        core=CORE._replace(rate_mhz=rate_hz * 1000, hop_samples=rate_hz // 1000),
        guard_socket="/nowhere",
        lsl_config="",
    )
    deciding = Deciding(settings, GuardLink("/nowhere", 1), teller, lambda: None)
    hears = Ear(settings, deciding, Inhibits(), teller, cast(Stream, amplifier))
    hears._stream = cast(Stream, amplifier)
    began_ns = clock.now_ns
    while clock.now_ns < began_ns + 100 * HOP_NS:
        before = deciding.decider.hops
        hears.turn()
        whole_hops, of_the_next = divmod(amplifier.pulled, rate_hz // 1000)
        assert deciding.decider.hops == whole_hops
        assert whole_hops == before or of_the_next < piece  # with the piece that completed it
    assert deciding.decider.hops >= 99
    assert amplifier.pulls <= 100 * pulls_a_hop + 2
