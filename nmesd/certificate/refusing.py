"""When no certificate is made: it loads the machine, and a session must not be disturbed."""

from __future__ import annotations

import socket

from nmesd.certificate.setup import Setup
from nmesd.core.values import ARMED_MODES
from nmesd.daemon.client import ask
from nmesd.errors import ConfigError, LinkError
from nmesd.wire import listens

ARMED = {mode.name for mode in ARMED_MODES}


def refuse(setup: Setup) -> None:
    """Raises ConfigError with what to do."""
    refuse_while_armed(setup.files.settings.control.socket)
    guard_socket = setup.guard.config.socket
    if setup.device == "real" and listens(guard_socket):
        raise ConfigError(
            f"the unit's guard at {guard_socket} holds the stimulator: sudo systemctl stop nmesd nmesd-guard first"
        )


def refuse_while_armed(control_socket: str) -> None:
    """Raises ConfigError while a session of this unit is armed, or nobody can say whether it is."""
    if not _somebody(control_socket):
        return
    try:
        state = ask(control_socket, "status", timeout_s=2.0)["state"]
    except LinkError as error:
        raise ConfigError(
            f"is a session of this unit armed? {error}: the certificate loads the machine: "
            "end the session, restart nmesd"
        ) from None
    if state in ARMED:
        raise ConfigError(
            f"a session of this unit is armed ({state}): the certificate loads the machine: `nmesd disarm` first"
        )


def _somebody(path: str) -> bool:
    """Is anybody there? A daemon that hangs is, and one that we may not ask."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(2.0)
        try:
            sock.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
        return True
