"""The engine itself, turn by turn: real frames to a guard and a daemon that are played, made-up EMG and time."""

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    Disarm,
    Frame,
    GuardState,
    Hello,
    Lease,
    Link,
    Report,
    Reset,
    Retune,
    Snapshot,
    Stop,
    session_token,
    unbundled,
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

    xml = "<info><name>amplifier</name></info>"

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

    def __init__(
        self, folder: Path, clock: Clock, core: CoreSettings = CORE, *, hears: bool = True
    ) -> None:
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
            stream=SPEC if hears else None,
            chain=design(spec).to_dict() if hears else None,
            core=core,
            lease_ns=20 * NS_PER_MS,
            guard_socket=str(folder / "g"),
            lsl_config="",
        )
        self._theirs = Link(theirs)
        self.engine = Engine(settings, self._theirs)

    @property
    def ear(self) -> ear.Ear:
        assert isinstance(self.engine._source, ear.Ear)
        return self.engine._source

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
            self.to_daemon += [one.frame for one in unbundled(received)]
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

    def act(self, kind: ActKind, operator: int = OPERATOR, muscle: int = 0, ua: int = 0) -> None:
        self.daemon.send(Act(1, kind, operator, muscle, ua))

    def retune(self, payload: bytes) -> None:
        self.daemon.send(Retune(2, OPERATOR, payload))

    def reply(self) -> ActReply:
        """What became of the last act."""
        return next(f for f in reversed(self.to_daemon) if isinstance(f, ActReply))

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


@contextmanager
def running(
    monkeypatch: pytest.MonkeyPatch, core: CoreSettings = CORE, *, hears: bool = True
) -> Iterator[Bench]:
    """An engine in made-up time."""
    folder = Path(tempfile.mkdtemp(prefix="ne", dir="/tmp"))  # a socket's path is short
    clock = Clock()
    for module in (process, stream, ear, deciding):
        monkeypatch.setattr(module, "time", clock)
    bench = Bench(folder, clock, core, hears=hears)
    monkeypatch.setattr(stream, "Inlet", bench.network.opened)
    monkeypatch.setattr(stream, "Search", lambda: bench.network)
    if hears:
        bench.ear._stream._search = bench.network  # type: ignore[assignment]
    yield bench
    bench.close()
    shutil.rmtree(folder)
