"""The engine itself, turn by turn: real frames to a guard and a daemon that are played, made-up EMG and time."""

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dsp.design import ChainSpec, design
from nmesd.core.values import (
    CoreSettings,
    Kind,
    Mode,
    Muscle,
    OutputSettings,
    Programme,
)
from nmesd.engine import deciding, ear, process, stream
from nmesd.engine.matching import FLOAT32, StreamFacts
from nmesd.engine.process import Engine
from nmesd.engine.settings import EngineSettings, StreamSpec
from nmesd.errors import Reason, StreamError
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    ANY,
    Act,
    ActKind,
    ActReply,
    Arm,
    Beat,
    Capabilities,
    Disarm,
    Frame,
    GuardState,
    Hello,
    Lease,
    Link,
    Report,
    Reset,
    Snapshot,
    Stop,
    is_zero,
    session_token,
)

RATE_HZ, CHUNK = 1000, 4
PERIOD_NS = NS_PER_S // RATE_HZ
RAIL_UV = 5000.0
OPERATOR = 77
SPEC = StreamSpec(
    name="amplifier",
    type="EMG",
    source_id="",
    host="",
    rate_mhz=RATE_HZ * 1000,
    labels=("muscle",),
    columns=("muscle",),
)
OURS = StreamFacts(
    name="amplifier",
    type="EMG",
    source_id="a",
    host="elsewhere",
    channels=1,
    rate_hz=RATE_HZ,
    format=FLOAT32,
    uid="ours",
    labels=("muscle",),
    units=("microvolts",),
)
RIVAL = OURS._replace(uid="another", source_id="b")
CORE = CoreSettings(
    rate_mhz=RATE_HZ * 1000,
    hop_samples=1,
    muscles=(Muscle(0, 20_000, 10_000, 10_000, 40_000, (OutputSettings(0, 10_000, 250),)),),
    programme=Programme(
        kind=Kind.TRIGGERED,
        period_us=20_000,
        ramp_up_ns=60 * NS_PER_MS,
        plateau_ns=5 * NS_PER_S,
        ramp_down_ns=60 * NS_PER_MS,
        hold_off_ns=250 * NS_PER_MS,
        relax_ns=100 * NS_PER_MS,
    ),
)


class Clock:
    """Time that passes only while the engine waits: no load of the machine is in these tests."""

    def __init__(self) -> None:
        self.now_ns = 10**12

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)


class Network:
    """What LSL would find, and the samples of the stream that is opened: chunks of 4 ms."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.streams = [OURS]
        self.loudness_uv = 2.0
        self.value_uv: float | None = None  # every sample is this
        self.stuck: list[int] = []  # time stamps of samples of that value, ns
        self._rng = np.random.default_rng(4)
        self._next_ns = 0

    def results(self) -> list[tuple[StreamFacts, StreamFacts]]:
        return [(facts, facts) for facts in self.streams]

    def opened(self, info: StreamFacts, spec: StreamSpec) -> "Network":
        assert spec == SPEC
        self.facts = info
        self.flush()
        return self

    def pull(self, timeout_s: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        if self.facts not in self.streams:
            raise StreamError("the stream ended")
        chunk_ns = CHUNK * PERIOD_NS
        wait_ns = self._next_ns + chunk_ns - self._clock.now_ns
        self._clock.sleep(max(0, min(timeout_s, wait_ns / NS_PER_S)))
        chunks = (self._clock.now_ns - self._next_ns) // chunk_ns
        n = CHUNK * max(0, chunks)
        stamps_ns = self._next_ns + PERIOD_NS * np.arange(n, dtype=np.int64)
        self._next_ns += n * PERIOD_NS
        samples = self._rng.normal(0, self.loudness_uv, (n, 1)).astype(np.float32)
        if self.value_uv is not None:
            samples[:] = self.value_uv
            self.stuck += stamps_ns.tolist()
        return samples, stamps_ns

    def flush(self) -> None:
        self._next_ns = self._clock.now_ns


class Bench:
    """An engine between the three."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self.network = Network(clock)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(folder / "g"))
        self.listener.listen(1)
        self.listener.setblocking(False)
        self.guard: Link | None = None
        self.to_guard: list[Frame] = []
        self.to_daemon: list[Frame] = []
        self.obeys = True  # the guard arms when asked
        self.device = ANY  # the guard's stimulator
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.daemon = Link(ours)
        spec = ChainSpec(rate_mhz=RATE_HZ * 1000, rail_uv=RAIL_UV)
        settings = EngineSettings(
            stream=SPEC,
            chain=design(spec).to_dict(),
            core=CORE,
            lease_ns=20 * NS_PER_MS,
            guard_socket=str(folder / "g"),
            lsl_config="",
        )
        self._theirs = Link(theirs)
        self.engine = Engine(settings, self._theirs)
        assert isinstance(self.engine._source, ear.Ear)
        self.ear = self.engine._source

    def until_connected(self) -> None:
        """The engine has noticed that its guard is gone, and asked for another."""
        self.listener.setblocking(False)
        while True:
            self.engine.turn()
            try:
                self.guard = Link(self.listener.accept()[0])
            except BlockingIOError:
                continue
            self.guard.send(self.device)
            self.guard.send(report(GuardState.DISARMED))
            return

    def turn(self) -> None:
        self.daemon.send(Beat())
        self.engine.turn()
        while (received := self.daemon.receive()) is not None:
            self.to_daemon.append(received.frame)
        if self.guard is None:
            self.guard = Link(self.listener.accept()[0])
            self.guard.send(self.device)
            self.guard.send(report(GuardState.DISARMED))
        while (received := self.guard.receive()) is not None:
            self.to_guard.append(received.frame)
            match received.frame:
                case Arm() as arm if self.obeys:
                    self.guard.send(report(GuardState.ARMED, session_token(arm)))
                case Disarm() | Reset():
                    self.guard.send(report(GuardState.DISARMED, acknowledged=received.sequence))
                case Stop(reason, _, _):
                    self.guard.send(report(GuardState.TRIPPED, 0, reason))
                case _:
                    pass

    def until(self, done: Callable[[], Any], seconds: float = 10) -> None:
        end_ns = self._clock.now_ns + int(seconds * NS_PER_S)
        while not done():
            assert self._clock.now_ns < end_ns, (self.snapshot(), self.to_guard[-3:])
            self.turn()

    def turns(self, seconds: float) -> None:
        end_ns = self._clock.now_ns + int(seconds * NS_PER_S)
        while self._clock.now_ns < end_ns:
            self.turn()

    def snapshot(self) -> Snapshot | None:
        return next((f for f in reversed(self.to_daemon) if isinstance(f, Snapshot)), None)

    def is_(self, mode: Mode) -> bool:
        snapshot = self.snapshot()
        return snapshot is not None and snapshot.mode == mode

    def inhibited(self, reason: Reason) -> bool:
        snapshot = self.snapshot()
        return snapshot is not None and bool(snapshot.inhibits >> reason & 1)

    def ready(self) -> bool:
        snapshot = self.snapshot()
        return snapshot is not None and snapshot.mode == Mode.DISARMED and not snapshot.inhibits

    def act(self, kind: ActKind, operator: int = OPERATOR) -> None:
        self.daemon.send(Act(1, kind, operator))

    def arm(self) -> None:
        self.until(self.ready)
        self.act(ActKind.ARM)
        self.until(lambda: self.is_(Mode.READY))

    def train(self) -> None:
        self.arm()
        self.network.loudness_uv = 60
        self.until(lambda: self.is_(Mode.STIMULATING))

    def leases(self) -> list[Lease]:
        return [frame for frame in self.to_guard if isinstance(frame, Lease)]

    def others(self) -> list[Frame]:
        """Everything for the guard but leases and its greeting."""
        return [frame for frame in self.to_guard if not isinstance(frame, Lease | Hello)]

    def close(self) -> None:
        self.engine.ending = True
        self.engine.run()
        self._theirs.close()
        self.daemon.close()
        self.listener.close()
        if self.guard is not None:
            self.guard.close()


def report(state: GuardState, session: int = 0, trip: int = 0, acknowledged: int = 0) -> Report:
    return Report(state, 5, 6, session, trip, 0, 0, -1, acknowledged, *[0] * 10)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="ne", dir="/tmp"))  # a socket's path is short
    clock = Clock()
    monkeypatch.setattr(process, "time", clock)
    monkeypatch.setattr(stream, "time", clock)
    monkeypatch.setattr(ear, "time", clock)
    monkeypatch.setattr(deciding, "time", clock)
    bench = Bench(folder, clock)
    monkeypatch.setattr(stream, "Inlet", bench.network.opened)
    monkeypatch.setattr(stream, "Search", lambda: bench.network)
    bench.ear._stream._search = bench.network  # type: ignore[assignment]
    yield bench
    bench.close()
    shutil.rmtree(folder)


# ---- beliefs --------------------------------------------------------------------------------------


def test_every_lease_says_what_the_core_believes(bench: Bench) -> None:
    bench.train()
    bench.turns(0.1)
    leases = bench.leases()
    assert all(lease.believes_armed for lease in leases)
    assert {bool(lease.believes_output) for lease in leases} == {False, True}
    assert all(bool(lease.believes_output) is not is_zero(lease.output) for lease in leases)


def test_the_beliefs_are_the_core_s_and_not_read_off_the_output(bench: Bench) -> None:
    """An engine whose output is not what its core decided says so, for the guard to see."""
    bench.train()
    decider = bench.engine._decider
    assert decider.state.train is not None
    train = decider.state.train._replace(given_ua=(0,), update_ns=2**62)
    decider.state = decider.state._replace(train=train)
    bench.to_guard.clear()
    bench.turns(0.05)
    assert bench.leases()
    assert all(not is_zero(lease.output) for lease in bench.leases())
    assert all(not lease.believes_output for lease in bench.leases())


# ---- an operator's disarm -------------------------------------------------------------------------


def test_a_disarm_is_passed_on_once_with_the_operator_s_number(bench: Bench) -> None:
    bench.train()
    bench.to_guard.clear()
    bench.act(ActKind.DISARM)
    bench.until(lambda: bench.is_(Mode.DISARMED))
    assert bench.others() == [Disarm(OPERATOR)]


def test_a_disarm_is_passed_on_also_when_not_armed(bench: Bench) -> None:
    bench.until(bench.ready)
    bench.act(ActKind.DISARM)
    bench.until(bench.others)
    assert bench.others() == [Disarm(OPERATOR)]
    bench.network.streams.append(RIVAL)
    bench.until(lambda: bench.inhibited(Reason.EMG_AMBIGUOUS))
    assert ActReply(1, Reason.NONE, 0, 0) in bench.to_daemon


def test_a_disarm_of_the_engine_s_own_is_nobody_s(bench: Bench) -> None:
    """The guard armed, and meanwhile the amplifier went to its rail."""
    bench.until(bench.ready)
    bench.obeys = False
    bench.act(ActKind.ARM)
    bench.until(bench.others)
    (arm,) = bench.others()
    assert isinstance(arm, Arm)
    assert arm.operator == OPERATOR
    bench.network.value_uv = RAIL_UV
    bench.until(lambda: bench.inhibited(Reason.EMG_RAILED))
    assert bench.guard is not None
    bench.guard.send(report(GuardState.ARMED, session_token(arm)))
    bench.until(lambda: len(bench.others()) > 1)
    assert bench.others()[1:] == [Disarm(0)]
    (refused,) = [frame for frame in bench.to_daemon if isinstance(frame, ActReply)]
    assert refused.reason == Reason.EMG_RAILED


# ---- the stimulator -------------------------------------------------------------------------------


def test_a_stimulator_that_can_give_what_is_asked_is_told_to_the_daemon(bench: Bench) -> None:
    bench.device = ANY._replace(payload=b"a P24")
    bench.until(bench.ready)
    assert [frame for frame in bench.to_daemon if isinstance(frame, Capabilities)] == [bench.device]


@pytest.mark.parametrize(
    "coarse",
    [
        {"channels": 0},
        {"amplitude_most_ua": 9_000},
        {"amplitude_least_ua": 3_000, "amplitude_step_ua": 5_000},
        {"width_least_us": 300},
        {"period_least_us": 25_000},
    ],
    ids=str,
)
def test_one_that_cannot_forbids_arming(bench: Bench, coarse: dict[str, Any]) -> None:
    bench.device = ANY._replace(**coarse)
    bench.until(lambda: bench.inhibited(Reason.DEVICE_CANNOT))
    bench.until(lambda: not bench.inhibited(Reason.EMG_SETTLING))
    bench.act(ActKind.ARM)
    bench.until(lambda: any(isinstance(frame, ActReply) for frame in bench.to_daemon))
    (refused,) = [frame for frame in bench.to_daemon if isinstance(frame, ActReply)]
    assert refused.reason == Reason.DEVICE_CANNOT
    assert bench.others() == []


def test_another_guard_with_a_stimulator_that_can_lifts_it(bench: Bench) -> None:
    bench.device = ANY._replace(channels=0)
    bench.until(lambda: bench.inhibited(Reason.DEVICE_CANNOT))
    assert bench.guard is not None
    bench.guard.close()
    bench.guard, bench.device = None, ANY
    bench.until_connected()
    bench.until(bench.ready)


# ---- EMG that is no measurement -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value_uv", "reason", "most_ms"),
    [
        (np.nan, Reason.EMG_NOT_FINITE, 1),
        (RAIL_UV, Reason.EMG_RAILED, 3),
        (-RAIL_UV, Reason.EMG_RAILED, 3),
        (5.0, Reason.EMG_FLAT, 101),
    ],
)
def test_it_stops_a_train_with_its_name(
    value_uv: float, reason: Reason, most_ms: int, bench: Bench
) -> None:
    bench.train()
    bench.network.value_uv = value_uv
    bench.until(lambda: Stop(reason, 0, 0) in bench.others())
    assert len(bench.network.stuck) <= -(-most_ms // CHUNK) * CHUNK  # not a chunk too late
    bench.network.value_uv = None


@pytest.mark.parametrize(
    ("value_uv", "reason"), [(RAIL_UV, Reason.EMG_RAILED), (5.0, Reason.EMG_FLAT)]
)
def test_it_forbids_arming_until_it_is_over(value_uv: float, reason: Reason, bench: Bench) -> None:
    bench.until(bench.ready)
    bench.network.value_uv = value_uv
    bench.until(lambda: bench.inhibited(reason))
    bench.act(ActKind.ARM)
    bench.until(lambda: any(isinstance(frame, ActReply) for frame in bench.to_daemon))
    assert ActReply(1, reason, 0, 0) in bench.to_daemon
    assert bench.others() == []
    bench.network.value_uv = None
    bench.until(bench.ready)


# ---- a second stream ------------------------------------------------------------------------------


def test_a_second_stream_that_fits_stops_and_forbids_until_it_is_gone(bench: Bench) -> None:
    bench.train()
    bench.network.streams.append(RIVAL)
    bench.until(lambda: bench.is_(Mode.TRIPPED))
    assert bench.others()[-1] == Stop(Reason.EMG_AMBIGUOUS, 2, 1)
    bench.network.loudness_uv = 2
    bench.act(ActKind.RESET)
    bench.until(lambda: bench.is_(Mode.DISARMED))
    assert bench.inhibited(Reason.EMG_AMBIGUOUS)
    samples = bench.ear._samples
    bench.turns(0.1)
    assert bench.ear._samples > samples  # the open one is kept open
    bench.network.streams.remove(RIVAL)
    bench.arm()


def test_streams_that_do_not_fit_and_our_own_are_no_rivals(bench: Bench) -> None:
    bench.arm()
    bench.network.streams += [RIVAL._replace(name="other"), RIVAL._replace(channels=2), OURS]
    bench.turns(1.2)
    assert bench.is_(Mode.READY)


def test_one_that_is_not_heard_of_for_a_while_stays_open(bench: Bench) -> None:
    """The resolver may miss ours; alone among others, another is still another."""
    bench.arm()
    opened = bench.ear._stream._inlet
    search = Network(Clock())
    search.streams = []
    bench.ear._stream._search = search  # type: ignore[assignment]
    bench.turns(0.6)
    assert bench.is_(Mode.READY)
    search.streams = [RIVAL]
    bench.until(lambda: bench.is_(Mode.TRIPPED))
    assert bench.others()[-1] == Stop(Reason.EMG_AMBIGUOUS, 2, 1)
    assert bench.ear._stream._inlet is opened


def test_a_stream_that_went_is_not_taken_for_a_rival_of_the_next(bench: Bench) -> None:
    bench.arm()
    bench.network.streams = [RIVAL]  # ours ended, and its sender begins anew
    bench.until(lambda: bench.is_(Mode.TRIPPED))
    assert bench.others()[-1] == Stop(Reason.EMG_STREAM_GONE, 0, 0)
    bench.act(ActKind.RESET)
    bench.arm()


# ---- the end --------------------------------------------------------------------------------------


def test_told_to_end_it_stops_first(bench: Bench) -> None:
    """A reload or a shutdown in mid-train."""
    bench.train()
    bench.engine.ending = True
    bench.engine.run()
    bench.turn()
    assert Stop(Reason.ENGINE_SHUTDOWN, 0, 0) in bench.others()
