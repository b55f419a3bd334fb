"""A receiver of LSL that runs: its process, and the one that stamps what it writes."""

from __future__ import annotations

import contextlib
import functools
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pylsl.lib

from bench.peers.frame import SIZE
from bench.peers.judge import Decisions
from bench.peers.place import BenchError, Place, Said
from bench.peers.rights import without
from nmesd.realtime import ENGINE_PRIORITY, GUARD_PRIORITY

_SOURCE = Path(__file__).with_name("floor.c")


class Running(Protocol):
    """Started, and deciding."""

    missing_rights: list[str]  # in words

    def watch(self) -> None:
        """Called often while it is measured."""

    def end(self) -> Decisions:
        """End it; all that it decided."""

    def facts(self) -> dict[str, Any]:
        """What else there is to tell."""


class Pair:
    """Two processes of ours, or one of C that becomes two."""

    def __init__(self, out: Path, rights: list[str], receiver: Said, sink: Said | None) -> None:
        self._out, self.missing_rights = out, rights
        self._receiver, self._sink = receiver, sink

    def watch(self) -> None:
        """See Running."""
        if self._receiver.process.poll() is not None:
            raise BenchError("a receiver ended while it was measured")

    def end(self) -> Decisions:
        """See Running."""
        if self._sink is None:
            self._receiver.process.terminate()
            code = self._receiver.end()
        else:
            self._receiver.kill()
            code = self._sink.end()
        if code:
            raise BenchError(f"what was received could not be saved: exit code {code}")
        return Decisions.of(self._out.read_bytes())

    def facts(self) -> dict[str, Any]:
        """See Running."""
        return {}

    def kill(self) -> None:
        """Both, if they still run."""
        for one in (self._receiver, self._sink):
            if one is not None:
                one.kill()


@contextlib.contextmanager
def python_receiver(
    place: Place, module: str, *more: str, real_time: bool
) -> Iterator[Running]:  # fmt: skip
    """One of bench/peers/receivers, until it has decided for the first time. Raises BenchError."""
    rights = ["--real-time"] if real_time else []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    out, log = place.folder / "rows", place.folder / f"{module}.log"
    python = [sys.executable, "-m"]
    with ours, theirs:
        sink_command = [
            *python,
            "bench.peers.sink",
            *("--fd", str(theirs.fileno()), "--out", str(out), *rights),
        ]
        command = [
            *python,
            f"bench.peers.receivers.{module}",
            *("--fd", str(ours.fileno()), "--source-id", place.source_id),
            *("--channels", str(place.stream.channels), "--rate-hz", str(place.stream.rate_hz)),
            *rights,
            *more,
        ]
        if not real_time:
            sink_command, command = without(*sink_command), without(*command)
        sink = Said(sink_command, place.env, place.folder / "sink.log", theirs.fileno())
        receiver = Said(command, place.env, log, ours.fileno())
    try:
        missing = receiver.wait_for("rights")["missing"]
        _wait_for_first(sink, receiver)
        pair = Pair(out, missing, receiver, sink)
    except BaseException:
        receiver.kill()
        sink.kill()
        raise
    try:
        yield pair
    finally:
        pair.kill()


def _wait_for_first(sink: Said, receiver: Said) -> None:
    try:
        sink.wait_for("heard")
    except BenchError:
        receiver.wait_for("nothing", 0.1)  # its own error says more
        raise


@contextlib.contextmanager
def c_floor(place: Place, *, real_time: bool) -> Iterator[Running]:
    """`floor.c`, until it has received for the first time. Raises BenchError."""
    out = place.folder / "rows"
    command = [
        str(compiled()), place.source_id, str(place.stream.channels), str(place.stream.rate_hz),
        str(SIZE), str(out), str(int(real_time)), str(ENGINE_PRIORITY), str(GUARD_PRIORITY),
    ]  # fmt: skip
    command = command if real_time else without(*command)
    said = Said(command, place.env, place.folder / "floor.log")
    try:
        missing = said.wait_for("rights")["missing"]
        said.wait_for("heard")
        yield Pair(out, missing, said, None)
    finally:
        said.kill()


def no_compiler() -> str:
    """Why the floor in C cannot be measured here, empty if it can."""
    return "" if shutil.which("cc") else "no C compiler here (cc): apt-get install gcc"


@functools.cache
def compiled() -> Path:
    """The floor's program, linked against the liblsl that pylsl uses. Raises BenchError."""
    folder = tempfile.TemporaryDirectory(prefix="nmesd-floor-")
    _kept.append(folder)
    program = Path(folder.name) / "floor"
    library = Path(pylsl.lib.libpath).resolve()
    done = subprocess.run(
        ["cc", "-O2", "-Wall", "-Wextra", "-o", program, _SOURCE, library,  # noqa: S607
         f"-Wl,-rpath,{library.parent}", "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"floor.c does not compile: {done.stderr}")
    return program


_kept: list[tempfile.TemporaryDirectory[str]] = []
