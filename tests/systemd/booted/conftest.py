"""One Debian, booted and installed on, for all tests here. Each leaves it as it likes: the next arms anew."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nmesd.daemon.engine_config import lsl_config
from nmesd.daemon.settings import LslSection
from tests.systemd.booted.bench import OPERATOR, VISITOR, Bench
from tests.systemd.booted.files import CONFIG, P24, PTY, RIGHTS, VIRTUAL_PATIENT
from tests.systemd.container import Container
from tests.systemd.roots import bundle, copy, may_raise_limits, needs, root

# By a root who lets nobody else read: what the services need must be given all the same.
INSTALL = ("sh", "-c", "umask 077; make -C /usr/src/nmesd install BUNDLE=wheels")
INSTALL_S = 600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Minutes of setting up are in the first one's time."""
    for item in items:
        item.add_marker("root")
        item.add_marker("slow")
        item.add_marker(pytest.mark.timeout(3000))


class Installed(NamedTuple):
    """What was seen on the way."""

    bench: Bench
    said: str  # by `make install`
    active_at_once: str  # `systemctl is-active` of both after it
    as_shipped: str  # and of both once started with the files as they are shipped
    shipped_state: str  # of the daemon then


@pytest.fixture(scope="session")
def installed(spoilt: Path, repo_root: Path) -> Iterator[Installed]:
    """Debian up, nmesd installed from its bundle without a network, started as shipped, then set up."""
    needs("debootstrap", "systemd-nspawn", "nsenter", "unshare", "setpriv", "make")
    copied = copy(root(os.uname().machine), spoilt)
    (copied / "var/log/journal").mkdir(exist_ok=True)  # kept over a reboot
    folder = spoilt / "bench"
    folder.mkdir()
    folder.chmod(0o777)  # stimulator and patient are users inside
    shutil.copy(bundle(repo_root, os.uname().machine), folder / "bundle.tar.gz")
    with Container(copied, spoilt / "boot.log", {folder: "/srv/bench"}, boot=True) as container:
        container.say("tar", "-xzf", "/srv/bench/bundle.tar.gz", "-C", "/usr/src")
        said = container.say(*INSTALL, timeout_s=INSTALL_S)
        at_once = _active(container)
        container.run("systemctl", "start", "nmesd")
        as_shipped = _active(container)
        container.say("useradd", "--groups", "nmesd", OPERATOR)
        container.say("useradd", VISITOR)
        bench = Bench(container, folder)
        try:
            bench.until(lambda: bench.status()["state"] != "STARTING", "state as shipped")
            state = bench.status()["state"]
            _set_up(bench, folder)
            yield Installed(bench, said, at_once, as_shipped, state)
        finally:
            bench.close()


@pytest.fixture
def bench(installed: Installed) -> Bench:
    """The unit, set up."""
    return installed.bench


def _active(container: Container) -> str:
    return " ".join(container.run("systemctl", "is-active", "nmesd-guard", "nmesd").stdout.split())


def _set_up(bench: Bench, folder: Path) -> None:
    """The engineer's part: files, a stimulator, a person."""
    write(bench, {f"/etc/nmesd/{name}": text for name, text in CONFIG.items()})
    systemd = "/etc/systemd/system"
    units = {
        f"{systemd}/p24.service": P24,
        f"{systemd}/patient.service": VIRTUAL_PATIENT,
        f"{systemd}/nmesd-guard.service.d/pty.conf": PTY,
    }
    if not may_raise_limits():
        for unit in ("nmesd-guard", "nmesd"):
            units[f"{systemd}/{unit}.service.d/rights.conf"] = RIGHTS
    write(bench, units)
    (folder / "lsl_api.cfg").write_text(lsl_config(LslSection()))
    say = bench.container.say
    say("systemctl", "daemon-reload")
    say("systemctl", "enable", "--quiet", "--now", "p24")
    say("systemctl", "restart", "nmesd-guard", "nmesd")


def summary(said: str) -> str:
    """Of `make install` or `make uninstall`: its own last word."""
    return [line for line in said.splitlines() if line.startswith(("install:", "uninstall:"))][-1]


def write(bench: Bench, files: dict[str, str]) -> None:
    """Whole files of the container. Rights of one that is there stay."""
    for place, text in files.items():
        path = bench.container.path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
