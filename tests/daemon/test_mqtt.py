"""Telemetry goes out, stop and disarm come in, and whatever else the broker does is borne."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from structlog.testing import capture_logs

from nmesd.daemon import mqtt
from nmesd.daemon.mqtt import MOST_MINOR, MOST_WAITING, Mqtt
from nmesd.daemon.settings import MqttSection
from nmesd.daemon.topics import RefusedFault, Telemetry, TripFault
from nmesd.errors import ConfigError
from tests.daemon.broker import Broker, free_port, running


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """With TLS, passwords and an access list."""
    with running(tmp_path_factory.mktemp("tls"), tls=True) as broker:
        yield broker


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Broker]:
    with running(tmp_path, tls=False) as broker:
        yield broker


class Unit:
    """A daemon as MQTT sees it."""

    def __init__(self, section: dict[str, Any]) -> None:
        self.state: dict[str, Any] = {"state": "DISARMED"}
        self.telemetry: Telemetry | None = None
        self.acts: list[str] = []
        self.mqtt = Mqtt(
            MqttSection(**section), lambda: self.state, lambda: self.telemetry, self._act
        )

    async def _act(self, command: str) -> None:
        self.acts.append(command)

    async def until(self, true: Any, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def started(section: dict[str, Any]) -> AsyncIterator[Unit]:
    unit = Unit(section)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(unit.mqtt.run(), name="mqtt")
        yield unit
        running.cancel()


async def heard(client: aiomqtt.Client, topic: str) -> str:
    """The next message of a topic."""
    async with asyncio.timeout(10):
        async for message in client.messages:
            if str(message.topic) == topic:
                assert isinstance(message.payload, bytes)
                return message.payload.decode()
    raise AssertionError


async def there(unit: Unit, client: aiomqtt.Client) -> None:
    """Until the unit hears commands. What is retained may be of another test's."""
    unit.state = {"state": "DISARMED", "of": id(unit)}
    await client.subscribe("nmesd/u1/state")
    while json.loads(await heard(client, "nmesd/u1/state")) != unit.state:
        pass


def numbers(hop: int) -> Telemetry:
    return Telemetry(
        t_ns=hop, hop=hop, state="READY", guard="ARMED", muscle="calf", envelope_uv=1.5, on_uv=12.0, off_uv=8.0,
        amplitude_ma=0.0, trial=1, trains=1, pulses=80, charge_uc=3.5, latency_ms=4.5, latency_guard_ms=4.0,
        step_max_ms=0.4, telemetry_lost=0, timing={},
    )  # fmt: skip


def trip(n: int) -> TripFault:
    return TripFault(t_ns=n, reason="EMG_GAP", text="x", value=3, limit=2, unit="ns")


def refusal(n: int) -> RefusedFault:
    return RefusedFault(
        t_ns=n, act="arm", user="bob", operator="", reason=None, text="x", value=None, limit=None, unit=""
    )  # fmt: skip


async def test_state_and_events_go_out(secured: Broker) -> None:
    async with started(secured.section()) as unit, secured.client("reader") as reader:
        await reader.subscribe("nmesd/#")
        assert json.loads(await heard(reader, "nmesd/u1/state")) == {"state": "DISARMED"}
        unit.state = {"state": "READY"}
        assert json.loads(await heard(reader, "nmesd/u1/state")) == {"state": "READY"}
        for number in range(5):
            unit.mqtt.event({"event": "cue", "n": number})
        told = [json.loads(await heard(reader, "nmesd/u1/event"))["n"] for _ in range(5)]
        assert told == list(range(5))
    async with secured.client("reader") as late:  # retained
        await late.subscribe("nmesd/u1/state")
        assert json.loads(await heard(late, "nmesd/u1/state")) == {"state": "READY"}


async def test_telemetry_goes_out_at_most_four_times_a_second_and_faults_at_once(
    secured: Broker,
) -> None:
    async with started(secured.section()) as unit, secured.client("reader") as reader:
        await there(unit, reader)
        await reader.subscribe("nmesd/u1/telemetry")
        await reader.subscribe("nmesd/u1/fault")
        began_s, hops = time.monotonic(), list[int]()
        while len(hops) < 4:
            unit.telemetry = numbers(hop=1 + (hops[-1] if hops else 0))
            told = Telemetry.model_validate_json(await heard(reader, "nmesd/u1/telemetry"))
            hops.append(told.hop)
        assert hops == sorted(set(hops))  # the same twice is told once
        assert time.monotonic() - began_s > 2 * mqtt.TELEMETRY_S
        unit.mqtt.fault(trip(7))
        assert json.loads(await heard(reader, "nmesd/u1/fault")) == trip(7).model_dump()
    async with secured.client("reader") as late:
        await late.subscribe("nmesd/u1/#")
        await late.subscribe("nmesd/u1/telemetry")
        topics = set[str]()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                async for message in late.messages:
                    topics.add(str(message.topic))
        assert topics == {"nmesd/u1/online", "nmesd/u1/state"}  # no number of yesterday is kept


def test_refusals_in_any_number_push_no_trip_out(plain: Broker) -> None:
    unit = Unit(plain.section())
    unit.mqtt.fault(trip(1))
    for number in range(10 * MOST_WAITING):
        unit.mqtt.fault(refusal(number))
    assert len(unit.mqtt._outbox) == MOST_MINOR
    unit.mqtt.fault(trip(2))
    assert [json.loads(unit.mqtt._outbox[at][1])["t_ns"] for at in (0, -1)] == [1, 2]


async def test_a_broker_that_stops_reading_is_given_up_and_what_waits_stays_bounded(
    plain: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(mqtt, "BACK_OFF_S", (0.05, 0.2))
    async with started(plain.section()) as unit:
        async with plain.client() as other:
            await there(unit, other)
        plain.process.send_signal(signal.SIGSTOP)
        try:
            with capture_logs() as logs:
                for n in range(3 * MOST_WAITING):
                    unit.mqtt.event({"event": "cue", "n": n, "text": "x" * 10_000})
                    if n % 10 == 0:
                        await asyncio.sleep(0)
                await unit.until(lambda: any(one["event"] == "no broker" for one in logs))
            for n in range(2 * MOST_WAITING):
                unit.mqtt.event({"event": "cue", "n": n})
            assert len(unit.mqtt._outbox) == MOST_WAITING
        finally:
            plain.process.send_signal(signal.SIGCONT)
        async with plain.client() as other:
            await other.subscribe("nmesd/u1/event")
            unit.mqtt.event({"event": "cue", "n": "last"})
            async with asyncio.timeout(20):
                while json.loads(await heard(other, "nmesd/u1/event"))["n"] != "last":
                    pass


@pytest.mark.parametrize("command", ["stop", "disarm"])
async def test_the_network_can_stop(command: str, secured: Broker) -> None:
    async with started(secured.section()) as unit, secured.client("ward") as stopper:
        await there(unit, stopper)
        await stopper.publish("nmesd/u1/command", command, qos=1)
        await unit.until(lambda: unit.acts)
        assert unit.acts == [command]


@pytest.mark.parametrize(
    "payload",
    ["arm", "reset", "give", "STOP", "stop ", "", '{"command": "stop"}', "stop" * 100, b"\xff\x00", "reload"],
)  # fmt: skip
async def test_and_nothing_else(payload: str | bytes, secured: Broker) -> None:
    async with started(secured.section()) as unit, secured.client("ward") as stopper:
        await there(unit, stopper)
        await stopper.publish("nmesd/u1/command", payload, qos=1)
        await stopper.publish("nmesd/u1/command", "disarm", qos=1)
        await unit.until(lambda: unit.acts)
        assert unit.acts == ["disarm"]
        assert unit.mqtt.refused == 1


async def test_a_command_that_was_left_behind_is_none(plain: Broker) -> None:
    """A retained stop of yesterday must not end the session of today for ever."""
    async with plain.client() as other:
        await other.publish("nmesd/u1/command", "stop", qos=1, retain=True)
    async with started(plain.section()) as unit:
        await unit.until(lambda: unit.mqtt.refused >= 1)
        assert unit.acts == []


async def test_who_may_only_read_cannot_stop(secured: Broker) -> None:
    async with started(secured.section()) as unit, secured.client("reader") as reader:
        await there(unit, reader)
        await reader.publish("nmesd/u1/command", "stop", qos=1)  # the broker drops it
        await asyncio.sleep(0.3)
        assert unit.acts == []


# paho drops a socket whose handshake failed without closing it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "change",
    [{"username": "u1", "password_file": "reader.secret"}, {"ca_file": ""}, {"tls": False}],
)
async def test_without_the_right_papers_there_is_no_connection(
    change: dict[str, Any], secured: Broker
) -> None:
    if "password_file" in change:
        change = {**change, "password_file": f"{secured.folder}/{change['password_file']}"}
    async with started(secured.section(**change)) as unit, secured.client("reader") as reader:
        await reader.subscribe("nmesd/u1/event")
        unit.mqtt.event({"event": "cue"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await heard(reader, "nmesd/u1/event")


async def test_a_broker_that_dies_is_found_again(
    plain: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "BACK_OFF_S", (0.05, 0.2))
    async with started(plain.section()) as unit:
        async with plain.client() as other:
            await other.subscribe("nmesd/u1/online")
            assert await heard(other, "nmesd/u1/online") == "1"
        plain.kill()
        for number in range(MOST_WAITING + 50):
            unit.mqtt.event({"n": number})
        assert len(unit.mqtt._outbox) == MOST_WAITING  # the oldest went
        await asyncio.to_thread(plain.start)
        async with plain.client() as other:
            await other.subscribe("nmesd/u1/event")
            await other.subscribe("nmesd/u1/online")
            unit.mqtt.event({"n": "last"})
            async with asyncio.timeout(20):
                while json.loads(await heard(other, "nmesd/u1/event"))["n"] != "last":
                    pass


async def test_the_last_will_tells_that_the_unit_is_gone(plain: Broker) -> None:
    async with plain.client() as other:
        await other.subscribe("nmesd/u1/online")
        unit = Unit(plain.section())
        client = unit.mqtt._client()
        await client.__aenter__()
        await client.publish("nmesd/u1/online", "1", qos=1, retain=True)
        assert await heard(other, "nmesd/u1/online") == "1"
        client._client._sock_close()  # as when the process is killed
        assert await heard(other, "nmesd/u1/online") == "0"


async def test_one_that_speaks_no_mqtt_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "BACK_OFF_S", (0.05, 0.2))
    monkeypatch.setattr(mqtt, "TIMEOUT_S", 0.3)
    calls = 0

    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.write(b"\x00\xff nonsense" * 1000)
        writer.close()

    port = free_port()
    server = await asyncio.start_server(babble, "127.0.0.1", port)
    section = {"enabled": True, "host": "127.0.0.1", "port": port, "tls": False}
    async with started(section) as unit:
        await unit.until(lambda: calls >= 3)
        assert unit.acts == []
    server.close()
    await server.wait_closed()


async def test_a_broker_that_sends_megabytes_against_its_word_is_borne() -> None:
    """One of 10 MB, though it was told that 1024 bytes are the most; then a stop."""

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def packet(kind: int, content: bytes) -> bytes:
            length, size = b"", len(content)
            while True:
                size, low = divmod(size, 128)
                length += bytes([low | 128 * (size > 0)])
                if not size:
                    return bytes([kind]) + length + content

        topic = (len(b"nmesd/u1/command")).to_bytes(2, "big") + b"nmesd/u1/command\0"
        writer.write(packet(0x20, b"\0\0\0"))  # CONNACK
        while True:
            header = await reader.readexactly(2)
            content = await reader.readexactly(header[1])  # none of ours so far is longer
            if header[0] == 0x82:  # SUBSCRIBE
                break
        writer.write(packet(0x90, content[:2] + b"\0\1"))
        writer.write(packet(0x30, topic + b"x" * 10_000_000))
        writer.write(packet(0x30, topic + b"stop"))
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    section = {"enabled": True, "host": "127.0.0.1", "port": port, "tls": False, "unit": "u1"}
    async with started(section) as unit:
        await unit.until(lambda: unit.acts)
        assert (unit.acts, unit.mqtt.refused) == (["stop"], 1)
    server.close()
    await server.wait_closed()


async def test_a_flood_and_megabytes_are_borne(plain: Broker) -> None:
    """The stop in the middle of it is heard; what is too large never comes."""
    async with started(plain.section()) as unit, plain.client() as other:
        await there(unit, other)
        await other.publish("nmesd/u1/command", b"x" * 10_000_000)
        began_s, longest_s, last_s = time.monotonic(), 0.0, time.monotonic()
        for number in range(3000):
            await other.publish("nmesd/u1/command", f"arm {number}")
            if number % 10 == 0:
                await asyncio.sleep(0)
            longest_s, last_s = max(longest_s, time.monotonic() - last_s), time.monotonic()
        await other.publish("nmesd/u1/command", "stop", qos=1)  # once: it does not drown
        await unit.until(lambda: unit.acts, 20)
        assert unit.acts == ["stop"]
        assert time.monotonic() - began_s < 60


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tls": False, "host": "broker.example", "username": "a", "password_file": "x"}, "in the clear"),
        ({"username": "a"}, "belong together"),
        ({"unit": "a/b"}, "unit"),
        ({"unit": "#"}, "unit"),
        ({"port": 0}, "port"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        MqttSection(**change)


@pytest.mark.parametrize("key", ["password_file", "ca_file", "certificate_file"])
def test_a_file_that_is_not_there_is_named(key: str) -> None:
    section = MqttSection(**{"username": "a", "password_file": "/dev/null", key: "/nowhere/file"})  # type: ignore[arg-type]

    async def act(_: str) -> None:
        """Never."""

    with pytest.raises(ConfigError, match=r"\[mqtt\] .*" + key.split("_", maxsplit=1)[0]):
        Mqtt(section, dict, lambda: None, act)
