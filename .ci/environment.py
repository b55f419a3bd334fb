"""Makes a virtual environment from nothing but Python: `python3 .ci/environment.py .venv`.

Debian's python3 brings neither pip nor ensurepip, and installing them needs root. So pip comes as
its wheel from PyPI, pinned by its hash, and by the same path on every system. On arm64 pylsl comes
without liblsl; it is taken from the wheel of mne-lsl and put where pylsl looks (`<prefix>/lib`).
Standard library only.
"""

import hashlib
import http.client
import os
import platform
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

PYPI = "https://files.pythonhosted.org/packages/"
PIP = (
    PYPI + "07/25/ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/"
    "pip-26.3-py3-none-any.whl",
    "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
)
MNE_LSL_ARM64 = (
    PYPI + "b8/84/4017abe2010d81caea28a31510f7fcddfeaa335b1339f24fe52176c4b059/"
    "mne_lsl-1.14.0-cp311-abi3-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
    "493fda6bb2131e2cc916f1a67af875959110514dff4f8a5f635acba9a5fa8c5d",
)
LIBLSL_IN_WHEEL = "mne_lsl/lsl/lib/liblsl.so.1.17.7"
PYTHONS = ((3, 11), (3, 14))  # from, below: requires-python in pyproject.toml
TRIES = 3
TIMEOUT_S = 60


def download(url: str) -> bytes:
    """Follow the environment's proxies and the system's certificates, and try more than once."""
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310, all https
                return bytes(answer.read())
        except (OSError, http.client.HTTPException) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                sys.exit(
                    f"setup: no certificate authority here vouches for {url}\n"
                    "Install the package ca-certificates, or set SSL_CERT_FILE to the file with "
                    "your network's certificate."
                )
            print(f"setup: attempt {attempt} of {TRIES}: {error}", file=sys.stderr)
    sys.exit(f"setup: cannot download {url}\nIs there a network, or is a proxy needed?")


def fetch(url: str, sha256: str, folder: Path) -> Path:
    """Download into `folder` under the name the file has; refuse it if the hash is another."""
    local = Path(os.environ.get("NMESD_WHEELS", "/nowhere")) / url.rpartition("/")[2]
    data = local.read_bytes() if local.exists() else download(url)
    if (got := hashlib.sha256(data).hexdigest()) != sha256:
        sys.exit(f"setup: {url}\nhas sha256 {got}, expected {sha256}. Not installed.")
    path = folder / url.rpartition("/")[2]
    path.write_bytes(data)
    return path


def add_pip(folder: Path) -> None:
    """Let the pinned wheel install itself."""
    wheel = fetch(*PIP, folder)
    subprocess.run(
        [folder / "bin" / "python", wheel / "pip", "install", "--quiet", "--no-index", wheel],
        check=True,
    )
    wheel.unlink()


def add_liblsl(folder: Path) -> None:
    """Put liblsl where pylsl looks last, so that one the system brings goes first."""
    wheel = fetch(*MNE_LSL_ARM64, folder)
    with zipfile.ZipFile(wheel) as archive:
        (folder / "lib" / "liblsl.so").write_bytes(archive.read(LIBLSL_IN_WHEEL))
    wheel.unlink()


def main(folder: Path) -> None:
    """Make the environment anew."""
    if not PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        sys.exit(
            f"setup: Python {platform.python_version()} at {sys.executable}; needed is 3.11, 3.12 "
            "or 3.13. Name one: make PYTHON=python3.11 ..."
        )
    if sys.maxsize < 2**32:
        sys.exit("setup: a 64-bit system is needed: numpy and scipy have no 32-bit ARM wheels.")
    print(f"setup: {folder} with Python {platform.python_version()}", flush=True)
    venv.create(folder, clear=True, symlinks=True)
    add_pip(folder)
    if platform.machine() == "aarch64":
        add_liblsl(folder)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--fetch", into, *machine]:  # for `make bundle`: what main() would download there
            fetch(*PIP, Path(into))
            if (machine or [platform.machine()]) == ["aarch64"]:
                fetch(*MNE_LSL_ARM64, Path(into))
        case [into]:
            main(Path(into).resolve())
        case _:
            sys.exit("usage: environment.py FOLDER, or --fetch FOLDER [MACHINE]")
