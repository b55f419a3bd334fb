"""`nmesd doctor`: is everything there that a session needs? A line each: good, or what is wrong and what to do."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from nmesd.daemon.client import ask
from nmesd.daemon.engine_config import engine_settings, lsl_config
from nmesd.daemon.files import Files, read_files
from nmesd.engine.matching import match
from nmesd.engine.settings import EngineSettings
from nmesd.errors import EXPLAIN, NmesdError, Reason
from nmesd.realtime import real_time_granted
from nmesd.sessions import disk
from nmesd.units import NS_PER_US

HOTTEST_C: Final = (
    80.0  # a Raspberry Pi slows down from 80 degrees on (its documentation on temperature)
)
LISTEN_S: Final = 2.0
THERMAL: Final = Path("/sys/class/thermal/thermal_zone0/temp")
CLOCK: Final = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


class Finding(NamedTuple):
    """One line."""

    name: str
    good: bool
    says: str
    remedy: str = ""


def findings(config: Path) -> Iterator[Finding]:
    """One after the other, as they are found. Nothing is started, stopped or armed."""
    yield _clock()
    yield _rights()
    yield temperature()
    yield throttled()
    try:
        files = read_files(config)
        engine = engine_settings(files)
    except NmesdError as error:
        yield Finding("files", good=False, says=str(error), remedy="`nmesd check` says more")
        return
    yield Finding("files", good=True, says=f"{files.name} for {files.patient.code}")
    yield from _liblsl_and_stream(engine, files)
    yield from _daemon(files)
    yield _disk(files)
    if files.settings.mqtt.enabled:
        yield _broker(files.settings.mqtt.host, files.settings.mqtt.port)


def _clock() -> Finding:
    resolution_ns = round(time.clock_getres(time.CLOCK_MONOTONIC) * 1e9)
    source = _read(CLOCK) or "unknown"
    return Finding(
        "clock", resolution_ns <= NS_PER_US, f"monotonic to {resolution_ns} ns, from {source}",
        "use a kernel with high-resolution timers",
    )  # fmt: skip


def _rights() -> Finding:
    good = real_time_granted()
    return Finding(
        "real-time rights", good, "granted" if good else "not granted to this user",
        "run it as the service does: LimitRTPRIO and LimitMEMLOCK in the units",
    )  # fmt: skip


def temperature() -> Finding:
    """Of the processor, where there is a sensor."""
    text = _read(THERMAL)
    if not text or not text.lstrip("-").isdigit():
        return Finding("temperature", good=True, says="no sensor")
    degrees = int(text) / 1000
    return Finding("temperature", degrees < HOTTEST_C, f"{degrees:.0f} °C", "cool the computer")


def throttled() -> Finding:
    """Of a Raspberry Pi: under-voltage or heat slowed it down, now or since it started."""
    command = shutil.which("vcgencmd")
    if command is None:
        return Finding("throttling", good=True, says="no Raspberry Pi")
    done = subprocess.run(
        [command, "get_throttled"], capture_output=True, text=True, check=False, timeout=5
    )
    value = done.stdout.strip().partition("=")[2]
    return Finding(
        "throttling",
        value == "0x0",
        value or "no answer",
        "use the power supply made for it, and cool it",
    )


def _liblsl_and_stream(engine: EngineSettings, files: Files) -> Iterator[Finding]:
    try:
        import pylsl  # noqa: PLC0415 - its library may be missing: that is what is looked for
    except (ImportError, RuntimeError, OSError) as error:
        yield Finding(
            "liblsl",
            good=False,
            says=str(error).splitlines()[0],
            remedy="name its file in PYLSL_LIB",
        )
        return
    yield Finding("liblsl", good=True, says=f"version {pylsl.library_version() / 100:g}")
    if engine.stream is None:
        yield Finding("stream", good=True, says=f"{files.name} hears no EMG")
        return
    from nmesd.engine.inlet import Search  # noqa: PLC0415 - needs liblsl

    pylsl.util.set_config_content(lsl_config(files.settings.lsl))
    search = Search()
    time.sleep(LISTEN_S)
    found = match(engine.stream, [facts for facts, _ in search.results()], seen_before=False)
    if found.stream is not None:
        yield Finding("stream", good=True, says=found.found[0])
        return
    words = EXPLAIN[Reason(found.reason)]
    yield Finding(
        "stream", good=False, says="; ".join((words.text, *found.found)), remedy=words.remedy
    )


def _daemon(files: Files) -> Iterator[Finding]:
    """What the daemon knows of guard and stimulator: the guard lets nobody else in."""
    try:
        status = ask(files.settings.control.socket, "status", timeout_s=2.0)
    except NmesdError as error:
        yield Finding(
            "daemon", good=False, says=str(error), remedy="start nmesd.service, then ask again"
        )
        return
    yield Finding("daemon", good=True, says=f"{status['state']}: {status['text']}")
    guard = str(status.get("guard", "NOT CONNECTED"))
    yield Finding(
        "guard", guard != "NOT CONNECTED", guard, "start nmesd-guard.service; see its log"
    )
    yield Finding(
        "guard's real-time rights", bool(status.get("guard_real_time")),
        "granted" if status.get("guard_real_time") else "not granted", "see LimitRTPRIO in nmesd-guard.service",
    )  # fmt: skip
    cannot = status.get("stimulator_cannot") or []
    device = str(status.get("stimulator") or "none")
    yield Finding(
        "stimulator", device != "none" and not cannot, "; ".join((device, *cannot)),
        "`nmesd check --guard guard.toml` says what would fit",
    )  # fmt: skip


def _disk(files: Files) -> Finding:
    folder = Path(files.settings.record.folder or "/")
    free = disk.free_bytes(folder)
    what = files.settings.record.folder or "no record"
    return Finding(
        "disk", free >= disk.LOW_BYTES, disk.warning(free) or f"{free / 1e9:.1f} GB free for {what}",
        f"move sessions away: {disk.LOW_BYTES / 1e9:g} GB at least",
    )  # fmt: skip


def _broker(host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return Finding(
            "broker",
            good=False,
            says=f"{host}:{port}: {error}",
            remedy="see host and port in [mqtt]",
        )
    return Finding("broker", good=True, says=f"{host}:{port} answers")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def report(config: Path, show: Callable[[Finding], None]) -> list[dict[str, Any]]:
    """All of them, each shown as it is found."""
    found = []
    for finding in findings(config):
        show(finding)
        found.append(finding._asdict())
    return found
