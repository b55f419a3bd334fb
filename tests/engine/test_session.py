"""A session in the engine: pauses, its end, trains that an operator gives, and steps by the clock."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest

from nmesd.core.values import Kind, Mode, OutputSettings
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ActKind, Arm, Disarm, Stop, is_zero
from tests.engine.played import CORE, OPERATOR, Bench, running

Run = Callable[..., AbstractContextManager[Bench]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def start(hears: bool = True, **changes: object) -> AbstractContextManager[Bench]:
        programme = CORE.programme._replace(**changes)  # type: ignore[arg-type]
        core = CORE._replace(programme=programme)
        if not hears:
            core = core._replace(rate_mhz=1_000_000, hop_samples=1)
        return running(monkeypatch, core, hears=hears)

    return start


def channels_on(bench: Bench) -> set[int]:
    return {
        channel
        for lease in bench.leases()
        for channel, one in enumerate(lease.output)
        if one.amplitude_ua
    }


def test_a_pause_is_zero_at_once_and_the_lease_goes_on(bench: Bench) -> None:
    bench.train()
    bench.act(ActKind.PAUSE)
    bench.until(lambda: bench.is_(Mode.PAUSED))
    assert bench.reply().reason == Reason.NONE
    bench.to_guard.clear()
    bench.turns(0.2)
    assert len(bench.leases()) > 10
    assert all(is_zero(lease.output) and lease.believes_armed for lease in bench.leases())
    assert bench.others() == []
    bench.network.loudness_uv = 2
    bench.act(ActKind.RESUME)
    bench.until(lambda: bench.is_(Mode.READY))
    bench.network.loudness_uv = 60
    bench.until(lambda: bench.is_(Mode.STIMULATING))


def test_a_held_train_is_released(run: Run) -> None:
    with run(kind=Kind.HOLD) as bench:
        bench.train()
        bench.turns(0.5)
        bench.act(ActKind.RELEASE)
        bench.until(lambda: bench.is_(Mode.HOLD_OFF), seconds=0.3)


def test_the_end_of_a_session_disarms_the_guard_as_nobody(run: Run) -> None:
    """Nobody: dose and length of the guard's session stay, until an operator ends it."""
    with run(trials=1, plateau_ns=100 * NS_PER_MS) as bench:
        bench.train()
        bench.until(lambda: bench.is_(Mode.DISARMED))
        assert bench.others()[-1] == Disarm(0)
        bench.to_guard.clear()
        bench.turns(0.2)
        assert bench.leases() == []


def test_muscles_have_their_own_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    (muscle,) = CORE.muscles
    both = (OutputSettings(2, 10_000, 250), OutputSettings(5, 4_000, 200))
    with running(monkeypatch, CORE._replace(muscles=(muscle._replace(outputs=both),))) as bench:
        bench.train()
        bench.turns(0.5)
        assert channels_on(bench) == {2, 5}
        bench.act(ActKind.STOP)
        bench.until(lambda: bench.is_(Mode.TRIPPED))
        assert is_zero(bench.engine._deciding.output)


# ---- without EMG ------------------------------------------------------------------------------------------


def test_the_clock_brings_the_steps_where_no_emg_is_heard(run: Run) -> None:
    with run(False, kind=Kind.CYCLIC, rest_ns=NS_PER_S, plateau_ns=NS_PER_S) as bench:
        assert bench.network.streams  # and nobody asks for them
        bench.until(bench.ready)
        bench.act(ActKind.ARM)
        bench.until(lambda: bench.is_(Mode.STIMULATING))
        leases = bench.leases()
        assert all(
            0 < later.arrival_ns - lease.arrival_ns <= 10 * NS_PER_MS
            for lease, later in pairwise(leases)
        )
        assert all(lease.expiry_ns - lease.arrival_ns == 20 * NS_PER_MS for lease in leases)
        bench.until(lambda: bench.is_(Mode.REST))
        assert channels_on(bench) == {0}
        snapshot = bench.snapshot()
        assert snapshot is not None
        assert (snapshot.envelope_nv, snapshot.trial) == (0, 1)


def test_a_clock_that_is_late_trips_and_makes_nothing_good(run: Run) -> None:
    with run(False, kind=Kind.CYCLIC, rest_ns=NS_PER_S) as bench:
        bench.until(bench.ready)
        bench.act(ActKind.ARM)
        bench.until(lambda: bench.is_(Mode.REST))
        hops = bench.engine._decider.hops
        bench._clock.sleep(0.015)
        bench.turn()
        assert bench.engine._decider.hops == hops
        bench.turn()
        assert bench.others()[-1] == Stop(Reason.ENGINE_OVERRUN, 19 * NS_PER_MS, 10 * NS_PER_MS)
        bench.turns(0.1)
        assert bench.is_(Mode.TRIPPED)
        bench._clock.sleep(0.05)  # while it is not armed that is no reason for anything
        bench.act(ActKind.RESET)
        bench.until(bench.ready)


def test_an_operator_gives_one_train_after_the_other(run: Run) -> None:
    steps = {"kind": Kind.STEPS, "rest_ns": NS_PER_S, "plateau_ns": 0, "step_ua": 2000}
    with run(False, **steps) as bench:
        bench.until(bench.ready)
        bench.act(ActKind.ARM)
        bench.until(lambda: bench.is_(Mode.REST))

        def give(ua: int, muscle: int = 0) -> Reason:
            before = len(bench.to_daemon)
            bench.act(ActKind.GIVE, muscle=muscle, ua=ua)
            bench.until(
                lambda: any(type(f).__name__ == "ActReply" for f in bench.to_daemon[before:])
            )
            return Reason(bench.reply().reason)

        assert give(1000) is Reason.LIMIT_REST  # not rested yet
        bench.turns(1.1)
        assert give(2001) is Reason.LIMIT_AMPLITUDE
        assert give(1000, muscle=1) is Reason.LIMIT_AMPLITUDE  # there is none
        assert give(2000) is Reason.NONE
        assert give(2000) is Reason.FRAME_UNEXPECTED  # in the middle of a train
        bench.until(lambda: bench.is_(Mode.REST))
        bench.turns(1.1)
        assert give(4001) is Reason.LIMIT_AMPLITUDE
        assert give(4000) is Reason.NONE
        bench.until(lambda: bench.is_(Mode.REST))
        assert max(one.amplitude_ua for lease in bench.leases() for one in lease.output) == 4000
        bench.act(ActKind.DISARM)
        bench.until(lambda: bench.is_(Mode.DISARMED))
        assert bench.others()[-1] == Disarm(OPERATOR)
        bench.until(bench.ready)
        bench.act(ActKind.ARM)
        bench.until(lambda: bench.is_(Mode.REST))
        bench.turns(1.1)
        assert give(4000) is Reason.LIMIT_AMPLITUDE  # a new session begins at zero


def test_a_reset_of_nothing_does_not_reach_the_guard(bench: Bench) -> None:
    """An armed guard would trip on it: a message in the wrong state."""
    bench.train()
    bench.to_guard.clear()
    bench.act(ActKind.RESET)
    bench.turns(0.1)
    assert bench.reply().reason == Reason.NONE
    assert bench.others() == []
    assert bench.is_(Mode.STIMULATING)


TUNED = [9, 0, 15_000, 9_000, 9_000, 40_000, 0]
PACED = [18, 3 * NS_PER_S, 0]


@pytest.mark.parametrize("when", ["ready", "train"])
def test_an_operator_s_change_holds_from_the_next_step_on(bench: Bench, when: str) -> None:
    bench.train() if when == "train" else bench.arm()
    before = len(bench.leases())
    bench.retune(json.dumps([TUNED, PACED]).encode())
    bench.turns(0.02)
    assert bench.reply()[:2] == (2, Reason.NONE)
    muscle, programme = CORE.muscles[0], CORE.programme
    assert bench.engine._decider.settings == CORE._replace(
        muscles=(muscle._replace(on_nv=15_000, off_nv=9_000, floor_nv=9_000),),
        programme=programme._replace(rest_ns=3 * NS_PER_S),
    )
    snapshot = bench.snapshot()
    assert snapshot is not None
    assert (snapshot.on_nv, snapshot.off_nv) == (15_000, 9_000)
    assert snapshot.mode == (Mode.STIMULATING if when == "train" else Mode.REST)
    leases = bench.leases()
    assert len(leases) > before
    gaps = [b.decided_ns - a.decided_ns for a, b in pairwise(leases[before - 1 :])]
    assert max(gaps) <= 4 * NS_PER_MS  # a chunk's: every one is answered
    assert bench.others() == [f for f in bench.others() if isinstance(f, Arm)]


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[[9", b"7", b"[7]", b"[[9, 0]]",
        b'[[9, 0, "x", 0, 0, 0, 0]]', b"[[1, 0]]", b"[[99]]", b"[[18, 1, 2, 3]]",
        json.dumps([TUNED, [9, 1, *TUNED[2:]]]).encode(),  # there is one muscle
        json.dumps([[9, -1, *TUNED[2:]]]).encode(),
        json.dumps([TUNED, [18, -1, 0]]).encode(),
        json.dumps([TUNED, [2]]).encode(),
        b"\xff",
    ],
)  # fmt: skip
def test_what_is_no_change_is_refused_whole(bench: Bench, payload: bytes) -> None:
    bench.arm()
    bench.retune(payload)
    bench.turns(0.02)
    assert bench.reply()[:2] == (2, Reason.FRAME_UNEXPECTED)
    assert bench.engine._decider.settings == CORE
    assert bench.is_(Mode.READY)
