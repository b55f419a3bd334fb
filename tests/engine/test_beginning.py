"""An engine that waits for its settings looks for its stream meanwhile, and opens none."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dsp.design import ChainSpec, design
from nmesd.engine import beginning, stream
from nmesd.engine.beginning import begun
from nmesd.engine.matching import describe
from nmesd.engine.settings import EngineSettings
from nmesd.errors import LinkError, Reason
from nmesd.units import NS_PER_S
from nmesd.wire import Beat, Link, Settings
from tests.engine.played import CORE, OURS, RATE_HZ, RIVAL, SPEC, Clock, Network

AHEAD = EngineSettings(
    stream=SPEC, chain=None, core=CORE, guard_socket="/nowhere", lsl_config="[log]\n"
)
WHOLE = replace(AHEAD, chain=design(ChainSpec(rate_mhz=RATE_HZ * 1000, rail_uv=5000)).to_dict())


class Daemon:
    """Who says something each time the engine has waited in vain."""

    def __init__(self, clock: Clock) -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link, self.engine = Link(near), Link(far)
        self.says: list[Callable[[], object]] = []
        self._clock = clock

    def select(self, *_: object) -> None:
        """Instead of waiting: the next thing said."""
        self._clock.sleep(0.05)
        self.says.pop(0)()

    def settings(self, settings: EngineSettings) -> Callable[[], object]:
        return lambda: self.link.send(Settings(settings.to_json()))


@pytest.fixture
def network() -> Network:
    return Network(Clock())


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What LSL was configured with: this process is not made one of real time."""
    found: list[str] = []
    monkeypatch.setattr(beginning, "_prepare", found.append)
    return found


@pytest.fixture
def daemon(
    network: Network, prepared: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Daemon]:
    daemon = Daemon(network._clock)
    monkeypatch.setattr(beginning, "time", network._clock)
    monkeypatch.setattr(beginning, "select", daemon)
    monkeypatch.setattr(stream, "Search", lambda: network)
    monkeypatch.setattr(stream, "Inlet", network.opened)
    yield daemon
    daemon.link.close()
    daemon.engine.close()


def nothing() -> None:
    pass


def test_settings_that_are_whole_at_once(daemon: Daemon, prepared: list[str]) -> None:
    daemon.says = [nothing, daemon.settings(WHOLE)]
    settings, search = begun(daemon.engine) or (None, None)
    assert settings is not None
    assert settings.to_json() == WHOLE.to_json()
    assert search is None
    assert prepared == [WHOLE.lsl_config]


def test_a_stream_that_was_the_only_one_for_a_second_is_opened_at_once(
    daemon: Daemon, network: Network, prepared: list[str]
) -> None:
    daemon.says = [daemon.settings(AHEAD), *[nothing] * 25, daemon.settings(WHOLE)]
    settings, search = begun(daemon.engine) or (None, None)
    assert settings is not None
    assert settings.to_json() == WHOLE.to_json()
    assert prepared == [WHOLE.lsl_config]  # once: its threads are there
    assert search is not None
    assert not search.open
    network._clock.sleep(0.1)
    assert search.search(network._clock.now_ns) == (Reason.NONE, describe(SPEC, [OURS]))
    assert search.open


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_one_that_was_seen_for_less_is_not(
    daemon: Daemon, network: Network, seconds: float
) -> None:
    network.streams = []
    waits = [nothing] * round(seconds / 0.05)
    comes: Callable[[], object] = lambda: network.streams.append(OURS)  # noqa: E731
    daemon.says = [daemon.settings(AHEAD), *[nothing] * 30, comes, *waits, daemon.settings(WHOLE)]
    _, search = begun(daemon.engine) or (None, None)
    assert search is not None
    network._clock.sleep(0.1)
    assert search.search(network._clock.now_ns) is None
    assert not search.open


def test_nor_one_of_two(daemon: Daemon, network: Network) -> None:
    goes: Callable[[], object] = lambda: network.streams.remove(RIVAL)  # noqa: E731
    network.streams = [OURS, RIVAL]
    daemon.says = [daemon.settings(AHEAD), *[nothing] * 30, goes, daemon.settings(WHOLE)]
    _, search = begun(daemon.engine) or (None, None)
    assert search is not None
    began_ns = network._clock.now_ns
    while not search.open:
        network._clock.sleep(0.05)
        search.search(network._clock.now_ns)
        assert network._clock.now_ns < began_ns + 2 * NS_PER_S
    assert network._clock.now_ns - began_ns > 0.8 * NS_PER_S


def test_a_daemon_that_ends_is_no_error(daemon: Daemon) -> None:
    daemon.says = [daemon.settings(AHEAD), nothing, daemon.link.close]
    assert begun(daemon.engine) is None


def test_anything_else_is(daemon: Daemon) -> None:
    daemon.says = [lambda: daemon.link.send(Beat())]
    with pytest.raises(LinkError, match="the daemon sent Beat before settings"):
        begun(daemon.engine)
    daemon.says = [lambda: daemon.link.send(Settings(b"[]"))]
    with pytest.raises(TypeError):
        begun(daemon.engine)
