"""Whose certificate it is: versions, kernel, processor, governor, heat, and checksums of the unit's files."""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pylsl

from nmesd.certificate.bench import CHUNK_MS
from nmesd.certificate.setup import Setup
from nmesd.daemon.record import now_utc
from nmesd.doctor import temperature, throttled

PACKAGES: Final = ("numpy", "scipy", "pylsl")
_CPUS: Final = Path("/sys/devices/system/cpu")
_CPUINFO: Final = Path("/proc/cpuinfo")
_MODELS: Final = (Path("/proc/device-tree/model"), Path("/sys/class/dmi/id/product_name"))
NOT_MEASURED: Final = (
    "the amplifier: EMG came from a virtual one on this unit in chunks of 1 ms; a real one adds its own delay",
    "the current: what was commanded is known, what a stimulator gives takes an oscilloscope",
    "another unit, another configuration, another load",
)


def machine(setup: Setup, seconds: float) -> dict[str, Any]:
    """Everything a figure depends on."""
    stream = setup.files.settings.stream
    return {
        "made": now_utc().isoformat(timespec="seconds"),
        "unit": setup.files.settings.mqtt.unit,
        "machine_id": machine_id(),
        "model": model(),
        "virtual": virtual(),
        "cores": len(os.sched_getaffinity(0)),
        "governor": governor(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "preempt_rt": preempt_rt(),
        "temperature": temperature().says,
        "throttling": throttled().says,
        "nmesd": version("nmesd"),
        "commit": commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "liblsl": pylsl.library_version() / 100,
        "files_sha256": _files_sha256(setup),
        "device": setup.device,
        "amplitude_ma": setup.amplitude_ma,
        "lease_ms": setup.lease_ms,
        "rate_hz": stream.rate_hz if stream else 0,
        "channels": len(setup.labels),
        "muscles": len(setup.files.patient.muscle),
        "chunk_ms": CHUNK_MS,
        "seconds": seconds,
        "not_measured": [*NOT_MEASURED, *_of_device(setup.device)],
    }


def _of_device(device: str) -> list[str]:
    if device == "real":
        return []
    return ["the stimulator and its cable: it was simulated, a process on this unit"]


def _files_sha256(setup: Setup) -> dict[str, str]:
    named: dict[str, str] = setup.files.facts()["sha256"]
    guard = hashlib.sha256(setup.guard_path.read_bytes()).hexdigest()
    return {**named, setup.guard_path.name: guard}


def machine_id() -> str:
    """Names this machine to whoever has it, and to nobody else; see machine-id(5)."""
    text = _read(Path("/etc/machine-id"))
    return (
        hmac.new(text.encode(), b"nmesd certificate", "sha256").hexdigest()[:16]
        if text
        else "unknown"
    )


def model() -> str:
    """Of the computer, and of its processor where that is told."""
    found = [_read(path).strip("\0 ") for path in _MODELS]
    lines = _read(_CPUINFO).splitlines()
    found += [line.partition(":")[2].strip() for line in lines if line.startswith("model name")][:1]
    return ", ".join(one for one in found if one) or "unknown"


def virtual() -> bool:
    """Is there a host below this system? Processors of the x86 kind say so."""
    return any("hypervisor" in line.split() for line in _read(_CPUINFO).splitlines())


def governor() -> str:
    """How the frequency of the cores is chosen."""
    found = {_read(path) for path in _CPUS.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""}
    return ", ".join(sorted(found)) or ("none: virtual machine" if virtual() else "none")


def preempt_rt() -> bool:
    """Does the kernel say that it is one of these?"""
    return "PREEMPT_RT" in platform.version() or _read(Path("/sys/kernel/realtime")) == "1"


def commit() -> str:
    """Of the checkout that runs, with + if it was changed; empty where it was installed from a release."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],  # noqa: S607
            cwd=root, capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except OSError:
        return ""
    return said.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
