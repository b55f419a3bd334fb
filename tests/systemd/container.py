"""A Debian root that runs: booted with its own systemd, or only kept open. No network but its loopback.

systemd-nspawn wants cgroup v2. Where this machine has v1, a mount namespace of its own gets v2 in its place.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.systemd.roots import needs

PREPARE = """
mount --make-rprivate /
if [ "$(stat --file-system --format %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount --lazy /sys/fs/cgroup 2>/dev/null
    mount -t cgroup2 none /sys/fs/cgroup || exit 1
fi
exec "$@"
"""
CLEAN = (
    *("env", "-i", "LANG=C.UTF-8"),
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
UP = ("running", "degraded")  # a container misses a kernel thing or two
UP_S = 90.0
END_S = 20.0
OFTEN_S = 0.2


class Container:
    """Of one root, from when it is up until `close`.

    bind: folders of this machine, and where they are inside.
    boot: with its own systemd; else there is nothing in it but what `run` starts.
    """

    def __init__(self, root: Path, log: Path, bind: Mapping[Path, str], *, boot: bool) -> None:
        needs("systemd-nspawn", "nsenter", "unshare", "setpriv")
        self.root = root
        self._log = log
        self.init = 0
        # Its systemd is not this machine's: it need not be known there, nor be there.
        unit = [] if Path("/run/systemd/system").exists() else ["--keep-unit"]
        self._command = [
            "setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "sh", "-c", PREPARE, "sh",
            "systemd-nspawn", "--quiet", "--directory", str(root), "--register=no", *unit,
            "--console=read-only", "--private-network", "--capability=all",
            "--resolv-conf=off", "--timezone=off",
            *(f"--bind={ours}:{place}" for ours, place in bind.items()),
            *(["--boot"] if boot else ["sleep", "infinity"]),
        ]  # fmt: skip
        self._start()
        if not self.init:
            self.close()
            pytest.skip(f"no container can be had here: {self._last_words()}")
        if boot:
            self._until(self._is_up, "boot")

    def run(self, *command: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """In it, as root, with a clean environment. Gives exit code and what it said, both outputs in one."""
        return subprocess.run(
            ["nsenter", "--target", str(self.init), *NAMESPACES, "--", *CLEAN, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=timeout_s,
        )  # fmt: skip

    def say(self, *command: str, timeout_s: float = 60.0) -> str:
        """What it says; it must succeed."""
        done = self.run(*command, timeout_s=timeout_s)
        if done.returncode:
            pytest.fail(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-4000:]}")
        return done.stdout.strip()

    def reboot(self) -> None:
        """By its own systemd, as an operator would; returns when it is up again."""
        before = self.init
        self.run("systemctl", "reboot")
        self._until(lambda: not Path(f"/proc/{before}").exists(), "end of the old boot")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nspawn.wait(
                END_S
            )  # where it keeps its unit it ends, and says 133: start me again
            self.init = 0
            self._start()
        self._until(lambda: _first(self._nspawn.pid) > 0, "container")
        self.init = _first(self._nspawn.pid)
        self._until(self._is_up, "boot")

    def pid_here(self, inside: str) -> int:
        """The number this machine has for a process inside."""
        namespace = Path(f"/proc/{self.init}/ns/pid").readlink()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):  # they come and go
                if (
                    entry.name.isdigit()
                    and (entry / "ns/pid").readlink() == namespace
                    and _names(int(entry.name))[-1] == inside
                ):
                    return int(entry.name)
        pytest.fail(f"no process {inside} in the container")

    def path(self, place: str) -> Path:
        """A place inside as this machine reaches it, also a socket."""
        return Path(f"/proc/{self.init}/root{place}")

    def close(self) -> None:
        """At once: its first process takes the others with it."""
        if self.init and self._nspawn.poll() is None:
            os.kill(self.init, signal.SIGKILL)
        try:
            self._nspawn.wait(END_S)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        """Its first process is `init`; 0 if there is none."""
        with self._log.open("ab") as file:
            self._nspawn = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )  # fmt: skip
        until_s = time.monotonic() + UP_S
        while not self.init and self._nspawn.poll() is None and time.monotonic() < until_s:
            time.sleep(OFTEN_S)
            self.init = _first(self._nspawn.pid)

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in UP

    def _until(self, true: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + UP_S
        while not true():
            if time.monotonic() > until_s:
                pytest.fail(f"no {what} within {UP_S:g} s\n{self._last_words()}", pytrace=False)
            time.sleep(OFTEN_S)

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-1000:].strip()


def _names(pid: int) -> list[str]:
    """The numbers of a process in each namespace, this machine's first."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in status if line.startswith("NSpid:")).split()[1:]


def _first(ancestor: int) -> int:
    """The process below `ancestor` that is number 1 to itself; 0: none yet."""
    with contextlib.suppress(OSError):  # they come and go
        for child in Path(f"/proc/{ancestor}/task/{ancestor}/children").read_text().split():
            ready = Path(f"/proc/{child}/exe").resolve().name != "systemd-nspawn"
            if ready and _names(int(child))[1:] == ["1"]:
                return int(child)
            if found := _first(int(child)):
                return found
    return 0
