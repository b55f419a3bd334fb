"""Installs nmesd as two services: `make install`, as root. Again it upgrades. `make uninstall` takes it away.

/opt/nmesd           a link to the release that runs; the one before it is kept beside it
/etc/nmesd           configuration: made once, never overwritten
/var/lib/nmesd       sessions: never touched

It starts nothing that was not running, and refuses while anybody is armed. Standard library only: it runs before
there is an environment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
UNITS = ("nmesd-guard.service", "nmesd.service")
OPTIONAL = ("nmesd-monitor.service",)  # laid out, and restarted where somebody has started it
PLACES = {
    "nmesd.sysusers": "usr/lib/sysusers.d/nmesd.conf",
    "nmesd.tmpfiles": "usr/lib/tmpfiles.d/nmesd.conf",
}
# name, mode, group: root owns them all. The operator is in group nmesd and may not write guard.toml.
CONFIG = (
    ("guard.toml", 0o640, "nmesd"),
    ("nmesd.toml", 0o660, "nmesd"),
    ("patient.toml", 0o660, "nmesd"),
)
KEPT = 2  # releases
CONTROL = "run/nmesd/control.sock"
BOOTED = Path("/run/systemd/system")  # sd_booted(3)


def main() -> int:
    """Process entry."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("install", "uninstall"))
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="another root, for tests and images"
    )
    parser.add_argument(
        "--wheels", type=Path, help="folder of `make bundle`: nothing is downloaded"
    )
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("install: must be root: sudo make install")
    os.umask(0o022)  # the services are other users
    refuse_while_armed(options.root)
    if options.what == "install":
        install(options.root, options.wheels)
    else:
        uninstall(options.root)
    return 0


def install(root: Path, wheels: Path | None) -> None:
    """Or upgrade."""
    release = root / "opt" / "nmesd-releases" / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    try:
        build(release, wheels)
    except BaseException:  # half a release would be kept in the place of a good one
        shutil.rmtree(release, ignore_errors=True)
        raise
    lay_out(root)
    users(root)
    configure(root)
    activate(root, release)
    running = [
        unit
        for unit in (*UNITS, *OPTIONAL)
        if root == Path("/") and ask("systemctl", "is-active", "--quiet", unit)
    ]
    if root == Path("/") and shutil.which("systemctl"):
        if BOOTED.exists():  # not in a chroot, where an image is made
            run("systemctl", "daemon-reload")
        run("systemctl", "enable", "--quiet", *UNITS)
        if running:
            run("systemctl", "restart", *running)
    forget_old(release.parent)
    words = (
        "restarted, disarmed"
        if running
        else "not started: edit /etc/nmesd, then systemctl start nmesd"
    )
    say(f"install: {release.name} in /opt/nmesd; services {words}")


def refuse_while_armed(root: Path) -> None:
    """An upgrade in the middle of a session would stop it."""
    path = root / CONTROL
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(3)
        try:
            sock.connect(str(path))
            sock.sendall(b'{"command": "status"}\n')
            status = json.loads(sock.makefile().readline())
        except (OSError, ValueError):
            return  # a daemon that does not answer holds nobody
    if status.get("guard") == "ARMED":
        sys.exit(f"install: refused: {status['state']}, a session is on. `nmesd disarm` first.")


def build(release: Path, wheels: Path | None) -> None:
    """A virtual environment with what the lock file names, and nmesd in it."""
    env = {**os.environ, **({"NMESD_WHEELS": str(wheels)} if wheels else {})}
    run(sys.executable, str(SOURCE / ".ci" / "environment.py"), str(release), env=env)
    quiet = ("--disable-pip-version-check", "--no-input", "--quiet")
    pip = (str(release / "bin" / "python"), "-m", "pip", *quiet, "install")
    offline = ("--no-index", "--find-links", str(wheels)) if wheels else ()
    locked = ("--require-hashes", "--only-binary=:all:", "--requirement")
    run(*pip, *offline, *locked, str(SOURCE / "requirements.lock"))
    run(*pip, "--no-deps", "--no-build-isolation", "--no-index", str(SOURCE))
    shutil.copytree(SOURCE / "docs", release / "docs")


def lay_out(root: Path) -> None:
    """Units and what makes users and folders."""
    units = root / "etc" / "systemd" / "system"
    units.mkdir(parents=True, exist_ok=True)
    for unit in (*UNITS, *OPTIONAL):
        shutil.copy(SOURCE / "systemd" / unit, units / unit)
    for name, place in PLACES.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / "systemd" / name, root / place)


def users(root: Path) -> None:
    """Make them and the folders, by systemd's own tools."""
    for command, name in (
        ("systemd-sysusers", "nmesd.sysusers"),
        ("systemd-tmpfiles", "nmesd.tmpfiles"),
    ):
        create = ["--create"] if command.endswith("tmpfiles") else []
        run(command, *create, f"--root={root}", str(root / PLACES[name]))


def configure(root: Path) -> None:
    """Example files where there are none. What is there is somebody's."""
    folder = root / "etc" / "nmesd"
    folder.mkdir(parents=True, exist_ok=True)
    group = _group(root, "nmesd")
    for name, mode, _ in CONFIG:
        path = folder / name
        if path.exists():
            continue
        text = (SOURCE / "config" / name).read_text()
        if name == "guard.toml":  # as a service the engine is another user's
            text = text.replace('# client_user = "nmesd" ', 'client_user = "nmesd"   ')
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, 0, group)
    programmes = folder / "programmes"
    programmes.mkdir(exist_ok=True)
    for path in sorted((SOURCE / "config" / "programmes").glob("*.toml")):
        if not (programmes / path.name).exists():
            shutil.copy(path, programmes / path.name)


def activate(root: Path, release: Path) -> None:
    """The link changes in one step: there is no moment without a release."""
    link, fresh = root / "opt" / "nmesd", root / "opt" / ".nmesd-new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path("/") / release.relative_to(root))
    fresh.replace(link)
    command = root / "usr" / "local" / "bin" / "nmesd"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.unlink(missing_ok=True)
    command.symlink_to("/opt/nmesd/bin/nmesd")


def forget_old(releases: Path) -> None:
    """Keep the last few."""
    for old in sorted(releases.iterdir())[:-KEPT]:
        shutil.rmtree(old)


def uninstall(root: Path) -> None:
    """Programs and units go; configuration and sessions stay."""
    if root == Path("/") and shutil.which("systemctl"):
        for unit in (*OPTIONAL, *reversed(UNITS)):  # the daemon first: the guard ends at zero
            ask("systemctl", "disable", "--now", "--quiet", unit)
    units = [root / "etc" / "systemd" / "system" / unit for unit in (*UNITS, *OPTIONAL)]
    others = [root / place for place in ("usr/local/bin/nmesd", "opt/nmesd", *PLACES.values())]
    for path in (*units, *others):
        path.unlink(missing_ok=True)
    shutil.rmtree(root / "opt" / "nmesd-releases", ignore_errors=True)
    say(
        "uninstall: done. /etc/nmesd and /var/lib/nmesd are left, and the users nmesd and nmesd-guard."
    )


def say(text: str) -> None:
    """To whoever installs it."""
    sys.stdout.write(text + "\n")


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """Run, or end with what it said."""
    if subprocess.run(command, check=False, env=env).returncode:
        sys.exit(f"install: failed: {' '.join(command)}")


def ask(*command: str) -> bool:
    """Whether it says yes."""
    return (
        shutil.which(command[0]) is not None and not subprocess.run(command, check=False).returncode
    )


def _group(root: Path, name: str) -> int:
    for line in (root / "etc" / "group").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split(":")[2])
    sys.exit(f"install: no group {name}: systemd-sysusers did not make it")


if __name__ == "__main__":
    sys.exit(main())
