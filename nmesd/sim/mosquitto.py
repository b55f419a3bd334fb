"""A mosquitto on a free port of loopback, where this machine has one; ends with whoever started it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nmesd.errors import NmesdError
from nmesd.sim.tied import tied

READY_S = 10.0


def found() -> str | None:
    """Its path; None if there is none."""
    return shutil.which("mosquitto", path="/usr/sbin:/usr/bin")


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """Gives its port. Lets nobody in but this machine. Raises NmesdError."""
    program = found()
    if program is None:
        raise NmesdError("mosquitto is not installed: sudo apt-get install mosquitto")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="nmesd-mosquitto-") as folder:
        # Another user of its own would untie it from us.
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
        )
        process = subprocess.Popen(tied(program, "-c", str(config)), stderr=subprocess.DEVNULL)
        try:
            _wait_for(process, port)
            yield port
        finally:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    until_s = time.monotonic() + READY_S
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > until_s:
            raise NmesdError(f"mosquitto did not start within {READY_S:g} s")
        time.sleep(0.02)
