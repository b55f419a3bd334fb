"""A Debian of its own in a folder, made once by debootstrap and kept; and the bundle that is installed there.

Roots lie in NMESD_ROOTS, or ~/.cache/nmesd. What cannot be had here is skipped, with what would help.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What README.md asks for, and a systemd. A bundle fits one version of Python: that of whoever makes it.
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "make", "ca-certificates")
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # Debian's names
BINFMT = Path("/proc/sys/fs/binfmt_misc")
MAKING_S = 1800.0
CAP_SYS_RESOURCE = 24  # linux/capability.h


def cache() -> Path:
    """Where roots are kept."""
    return Path(os.environ.get("NMESD_ROOTS") or Path.home() / ".cache" / "nmesd").resolve()


def needs(*commands: str) -> None:
    """Skip where containers cannot be had at all."""
    if os.geteuid():
        pytest.skip("needs root: sudo make, or a container's root")
    for command in commands:
        if shutil.which(command) is None:
            pytest.skip(f"no {command} here: apt-get install debootstrap systemd-container")


def emulated(machine: str) -> None:
    """Skip where programs for `machine` do not run."""
    handler = BINFMT / f"qemu-{machine}"
    if machine != platform.machine() and not (
        handler.exists() and handler.read_text().startswith("enabled")
    ):
        pytest.skip(
            f"programs for {machine} do not run here: apt-get install qemu-user-static binfmt-support; "
            f"mount -t binfmt_misc binfmt_misc {BINFMT}; update-binfmts --enable qemu-{machine}"
        )


def root(machine: str) -> Path:
    """The untouched root for `machine`, made if it is not there."""
    suite = SUITES.get(sys.version_info[:2])
    if suite is None:
        ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
        pytest.skip(f"no Debian has this Python, {ours}: make PYTHON=python3.11, or python3.13")
    architecture = MACHINES[machine]
    path = cache() / f"{suite}-{architecture}"
    if path.exists():
        return path
    half = path.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["debootstrap", f"--arch={architecture}", "--variant=minbase",
         f"--include={','.join(PACKAGES)}", suite, str(half)],
        capture_output=True, text=True, check=False, timeout=MAKING_S,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        pytest.skip(
            f"debootstrap cannot make {suite} for {architecture}, is there a network? {last}"
        )
    half.rename(path)
    return path


def copy(of: Path, folder: Path) -> Path:
    """One to spoil."""
    path = folder / "root"
    subprocess.run(["cp", "--archive", "--reflink=auto", str(of), str(path)], check=True)
    return path


def bundle(repo_root: Path, machine: str) -> Path:
    """What `make bundle` makes of the last commit."""
    foreign = machine != platform.machine()
    done = subprocess.run(
        ["make", "--no-print-directory", "bundle", f"PYTHON={sys.executable}",
         *([f"MACHINE={machine}"] if foreign else [])],
        cwd=repo_root, capture_output=True, text=True, check=False, timeout=MAKING_S,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(f"make bundle: {done.stderr[-2000:]}", pytrace=False)
    return repo_root / "dist" / f"nmesd-bundle{f'-{machine}' if foreign else ''}.tar.gz"


def may_raise_limits() -> bool:
    """Has this machine the right to give a service LimitRTPRIO and LimitMEMLOCK?"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return False
