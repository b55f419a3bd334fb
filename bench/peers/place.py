"""Where all receivers are measured: one folder, one LSL session that nobody else is in, one sender."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.peers.judge import Times
from bench.peers.sender import stamps
from nmesd.daemon.engine_config import lsl_config
from nmesd.daemon.settings import LslSection
from nmesd.errors import NmesdError
from nmesd.sim.tied import tied

START_S = 60.0  # how long a process may take to come up, on a machine whose cores are all busy


class BenchError(NmesdError):
    """A process of the bench did not come up, or ended."""


class Stream(NamedTuple):
    """What is sent."""

    channels: int = 8
    rate_hz: float = 2000.0
    chunk: int = 2  # samples

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.channels} ch, {self.rate_hz / 1000:g} kHz, chunk {self.chunk}"


class Said:
    """A process whose JSON lines on stdout are waited for; what it writes on stderr goes to a file."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path, *fds: int) -> None:
        self._command, self._log = command, log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, env=env, pass_fds=fds, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=file, bufsize=0,
            )  # fmt: skip
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._rest = b""

    def wait_for(self, event: str, seconds: float = START_S) -> dict[str, Any]:
        """The next line of this event; others are passed over. Raises BenchError."""
        assert self.process.stdout is not None
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._rest += self.process.stdout.read() or b""
            while b"\n" in self._rest:
                line, self._rest = self._rest.split(b"\n", 1)
                if line.startswith(b'{"event"') and (found := json.loads(line))["event"] == event:
                    return dict(found)
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise BenchError(
            f"{' '.join(self._command[:4])} did not say {event!r} within {seconds:g} s\n"
            f"{self._log.read_text()[-2000:]}"
        )

    def end(self, seconds: float = START_S) -> int:
        """Wait for its end, which somebody else brought about. Raises BenchError if it does not come."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{' '.join(self._command[:4])} does not end") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """At once, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Place:
    """A folder, a session and the stream that is in it."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        self.folder, self.stream = folder, stream
        self.session = f"peers-{os.getpid()}-{folder.name}"
        self.source_id = f"sender-{os.getpid()}"
        (folder / "lsl_api.cfg").write_text(lsl_config(LslSection(session_id=self.session)))
        self.env = {
            **os.environ,
            "LSLAPICFG": str(folder / "lsl_api.cfg"),
            # One thread of BLAS, as the daemon gives the engine: at this size more of them only wait.
            **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }

    def sent_ns(self, from_ns: int, to_ns: int) -> Times:
        """Time stamps of the chunks that were sent in between."""
        all_ns = stamps(self.folder / "stamps")
        return all_ns[(all_ns >= from_ns) & (all_ns < to_ns)]


@contextlib.contextmanager
def place(stream: Stream, seconds: float) -> Iterator[Place]:
    """With its sender running, which has memory for so many seconds. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="nmesd-peers-") as folder:
        here = Place(Path(folder), stream)
        command = tied(
            sys.executable, "-m", "bench.peers.sender",
            *("--source-id", here.source_id, "--channels", str(stream.channels)),
            *("--rate-hz", str(stream.rate_hz), "--chunk", str(stream.chunk)),
            *("--seconds", str(seconds), "--stamps", str(here.folder / "stamps")),
        )  # fmt: skip
        sender = Said(command, here.env, here.folder / "sender.log")
        try:
            sender.wait_for("ready")
            yield here
            if sender.process.poll() is not None:
                raise BenchError(f"the sender had memory for {seconds:g} s and ended: too little")
        finally:
            sender.kill()
