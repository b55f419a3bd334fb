"""Telemetry to an MQTT broker, and from it nothing but `stop` and `disarm`. Off by default.

The broker may be gone, slow, flooding or hostile: everything here is bounded, and nothing waits for it.
Topics, below `nmesd/<unit>/`, each with its schema in `topics.py`:

    online       "1", or "0" as the last will; retained
    state        the daemon's status as JSON, when it changes, at least STATE_S apart; retained
    telemetry    envelope, threshold, counters, latencies, at least TELEMETRY_S apart
    event        cues, trials, changes of mode and threshold, as they come
    fault        trips, what begins or ceases to forbid arming, refused acts, as they come
    command      in: the text `stop` or `disarm`. Anything else is counted, and dropped
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from nmesd.daemon.roles import NEEDS, Role
from nmesd.daemon.settings import MqttSection
from nmesd.daemon.topics import Fault, RefusedFault, Telemetry
from nmesd.errors import ConfigError

# DESIGN.md rule 8: the network can stop, never start or raise.
ALLOWED: Final = tuple(command for command, role in NEEDS.items() if role is Role.NETWORK)
LONGEST: Final = 64  # bytes of a command
MOST_PACKET: Final = 1024  # bytes the broker may send at once: it is told so, and drops the rest
MOST_WAITING: Final = 1000  # events and faults the broker has not taken; then the oldest go
MOST_MINOR: Final = 500  # with more waiting than that, what matters less is not added
MOST_QUEUED: Final = 20  # commands not done yet
STATE_S: Final = 0.5
TELEMETRY_S: Final = 0.25
BACK_OFF_S: Final = (1.0, 60.0)  # first, and longest
TIMEOUT_S: Final = 5.0

Act = Callable[[str], Awaitable[object]]


class _Commands(asyncio.Queue[aiomqtt.Message]):
    """What was heard and is a command. Nothing else gets in, so that no flood of it can drown a stop."""

    def __init__(self, refuse: Callable[[aiomqtt.Message], None]) -> None:
        super().__init__()
        self._refuse = refuse

    def put_nowait(self, message: aiomqtt.Message) -> None:
        if message.retain or len(message.payload) > LONGEST or _text(message) not in ALLOWED:
            self._refuse(message)
        elif self.qsize() < MOST_QUEUED:  # of stops that wait, one more says nothing new
            super().put_nowait(message)


class Mqtt:
    """One connection at a time, tried again for ever."""

    def __init__(
        self,
        section: MqttSection,
        status: Callable[[], dict[str, Any]],
        telemetry: Callable[[], Telemetry | None],
        act: Act,
    ) -> None:
        """Raises ConfigError if a file it needs cannot be read."""
        self._section, self._status, self._telemetry, self._act = section, status, telemetry, act
        self._topic = f"nmesd/{section.unit}"
        self._outbox: deque[tuple[str, str]] = deque(maxlen=MOST_WAITING)  # topic, payload
        self._waiting = asyncio.Event()
        self._log = structlog.get_logger(room="mqtt")
        self._password = _password(section)
        self._tls = _tls(section)
        self.refused = 0  # commands that are none

    def event(self, event: dict[str, Any]) -> None:
        """An event, without waiting."""
        self._post("event", json.dumps(event, ensure_ascii=False))

    def fault(self, fault: Fault) -> None:
        """A fault, without waiting. Anybody can make refusals in any number: they push nothing else out."""
        if not isinstance(fault, RefusedFault) or len(self._outbox) < MOST_MINOR:
            self._post("fault", fault.model_dump_json())

    def _post(self, topic: str, payload: str) -> None:
        self._outbox.append((topic, payload))
        self._waiting.set()

    async def run(self) -> None:
        """Until cancelled."""
        wait_s, told = BACK_OFF_S[0], ""
        while True:
            try:
                async with self._client() as client:
                    self._log.info("broker connected", host=self._section.host)
                    wait_s, told = BACK_OFF_S[0], ""
                    await self._talk(client)
            except* (aiomqtt.MqttError, OSError, TimeoutError) as errors:
                error = str(errors.exceptions[0])
                if error != told:  # once, however long it is gone
                    self._log.warning("no broker", host=self._section.host, error=error)
                    told = error
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, BACK_OFF_S[1])

    def _client(self) -> aiomqtt.Client:
        section = self._section
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MOST_PACKET
        return aiomqtt.Client(
            section.host,
            section.port,
            username=section.username or None,
            password=self._password,
            identifier=f"nmesd-{section.unit}",
            protocol=aiomqtt.ProtocolVersion.V5,
            properties=properties,
            will=aiomqtt.Will(f"{self._topic}/online", "0", qos=1, retain=True),
            tls_context=self._tls,
            timeout=TIMEOUT_S,
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", self._commands),
            max_queued_outgoing_messages=MOST_WAITING,
        )

    def _commands(self, maxsize: int) -> _Commands:
        return _Commands(self._refuse)

    async def _talk(self, client: aiomqtt.Client) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear(client, tasks), name="mqtt commands")
            tasks.create_task(self._tell_waiting(client), name="mqtt events and faults")
            tasks.create_task(self._tell_state(client), name="mqtt state")
            tasks.create_task(self._tell_telemetry(client), name="mqtt telemetry")

    async def _hear(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        """Whoever sees that we are online can stop us; nobody waits for that to be acknowledged."""
        await client.subscribe(f"{self._topic}/command", qos=1)
        online = client.publish(f"{self._topic}/online", "1", qos=1, retain=True)
        tasks.create_task(online, name="mqtt online")
        async for message in client.messages:
            command = _text(message)
            self._log.info("command from the broker", command=command)
            await self._act(command)

    def _refuse(self, message: aiomqtt.Message) -> None:
        self.refused += 1
        if self.refused == 1:
            self._log.warning("not a command of MQTT", command=_text(message))

    async def _tell_waiting(self, client: aiomqtt.Client) -> None:
        while _goes_on():
            await self._waiting.wait()
            self._waiting.clear()
            while self._outbox and _goes_on():
                topic, payload = message = self._outbox[0]
                await client.publish(f"{self._topic}/{topic}", payload)
                if self._outbox and self._outbox[0] is message:  # a full one may have dropped it
                    self._outbox.popleft()

    async def _tell_state(self, client: aiomqtt.Client) -> None:
        before = b""
        while _goes_on():
            now = json.dumps(self._status(), ensure_ascii=False).encode()
            if now != before:
                await client.publish(f"{self._topic}/state", now, retain=True)
                before = now
            await asyncio.sleep(STATE_S)

    async def _tell_telemetry(self, client: aiomqtt.Client) -> None:
        before: Telemetry | None = None
        while _goes_on():
            now = self._telemetry()
            if now is not None and now != before:
                await client.publish(f"{self._topic}/telemetry", now.model_dump_json())
                before = now
            await asyncio.sleep(TELEMETRY_S)


def _goes_on() -> bool:
    """False once this task was cancelled: before Python 3.12 `wait_for`, which aiomqtt uses, may lose it."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


def _text(message: aiomqtt.Message) -> str:
    return message.payload[:LONGEST].decode("utf-8", "replace")


def _password(section: MqttSection) -> str | None:
    if not section.password_file:
        return None
    try:
        return Path(section.password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[mqtt] password_file = {section.password_file!r}: {error}") from None


def _tls(section: MqttSection) -> ssl.SSLContext | None:
    if not section.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=section.ca_file or None)
        if section.certificate_file:
            context.load_cert_chain(section.certificate_file, section.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[mqtt] ca_file, certificate_file or key_file: {error}") from None
    return context
