"""Making a certificate: idle, then loaded, then the checksum."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nmesd.certificate.machine import machine
from nmesd.certificate.part import measure
from nmesd.certificate.refusing import refuse, refuse_while_armed
from nmesd.certificate.setup import Setup
from nmesd.certificate.signature import signed
from nmesd.certificate.verdict import HELD

ASK_S: Final = 2.0  # how often the unit's own daemon is asked whether somebody armed it
PARTS: Final = ("idle", "loaded")
Tell = Callable[[str, str, float], None]
"""Told which part it is, what is done, and the seconds of measuring that are over."""


def certify(setup: Setup, seconds: float, tell: Tell) -> dict[str, Any]:
    """The certificate. Raises NmesdError."""
    refuse(setup)
    unit = machine(setup, seconds)
    with tempfile.TemporaryDirectory(prefix=".nmesd-certificate-", dir=_disk(setup)) as folder:
        parts = {
            name: measure(
                setup, seconds, Path(folder),
                lambda text, done_s, name=name: tell(name, text, done_s),  # type: ignore[misc]
                _Unarmed(setup.files.settings.control.socket),
                loaded=name == "loaded",
            )
            for name in PARTS
        }  # fmt: skip
    seen = {"stimulator": parts["idle"]["stimulator"], "disk": _disk(setup) or "of temporary files"}
    return signed({**parts, "unit": {**unit, **seen}})


def held(certificate: dict[str, Any]) -> bool:
    """Both parts."""
    return all(certificate[name]["verdict"] == HELD for name in PARTS)


def _disk(setup: Setup) -> str | None:
    """Where sessions are recorded, if that may be written to; else where temporary files go."""
    folder = setup.files.settings.record.folder
    return folder if folder and os.access(folder, os.W_OK) else None


class _Unarmed:
    """Ends the certificate as soon as a session of this unit is armed."""

    def __init__(self, control_socket: str) -> None:
        self._socket = control_socket
        self._next_s = 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + ASK_S
            refuse_while_armed(self._socket)
