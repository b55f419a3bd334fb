"""As on a Raspberry Pi: arm64 programs, maybe under emulation. Does it install, does it hear EMG? Not: how fast.

The services are not started: no systemd boots under this emulation.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nmesd.daemon.engine_config import lsl_config
from nmesd.daemon.settings import LslSection
from tests.systemd.conftest import Tell
from tests.systemd.container import Container
from tests.systemd.roots import bundle, copy, emulated, needs, root

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(3000)]
MACHINE = "aarch64"
SLOW_S = 1800.0
PYTHON = "/opt/nmesd/bin/python"
LSL = ("env", "LSLAPICFG=/srv/bench/lsl_api.cfg")
SAMPLES = 500
# From an outlet to an inlet over TCP, without the search: the inlet is told where the outlet is.
PULL = f"""
import pylsl, time
from pylsl.lib import lib
outlet = pylsl.StreamOutlet(pylsl.StreamInfo("pull", "EMG", 1, 1000, "float32", "pull"))
where = outlet.get_info().as_xml().replace("<v4address />", "<v4address>127.0.0.1</v4address>")
where = where.replace("<v4address></v4address>", "<v4address>127.0.0.1</v4address>")
inlet = pylsl.StreamInlet(pylsl.StreamInfo(handle=lib.lsl_streaminfo_from_xml(where.encode())), recover=False)
inlet.open_stream(60)
outlet.wait_for_consumers(60)  # what is sent before is nobody's
for number in range({SAMPLES}):
    outlet.push_sample([float(number)])
got, until = [], time.monotonic() + 60
while len(got) < {SAMPLES} and time.monotonic() < until:
    got += inlet.pull_chunk(timeout=1.0)[0]
print(got == [[float(number)] for number in range({SAMPLES})])
"""
# liblsl's search sets it, and finds nothing where that fails.
SEARCHES = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
"""


class Pi(NamedTuple):
    """Installed on."""

    container: Container
    said: str
    root_s: float  # to have the root: made, or only found
    bundle_s: float
    install_s: float


@pytest.fixture(scope="module")
def pi(spoilt: Path, repo_root: Path) -> Iterator[Pi]:
    """A Debian for arm64 with nmesd from its bundle, no network, and a virtual patient that sends."""
    needs("debootstrap", "systemd-nspawn", "nsenter", "unshare", "setpriv", "make")
    emulated(MACHINE)
    began_s = time.monotonic()
    copied = copy(root(MACHINE), spoilt)
    root_s = time.monotonic() - began_s
    folder = spoilt / "bench"
    folder.mkdir()
    began_s = time.monotonic()
    shutil.copy(bundle(repo_root, MACHINE), folder / "bundle.tar.gz")
    bundle_s = time.monotonic() - began_s
    (folder / "lsl_api.cfg").write_text(lsl_config(LslSection()))
    with Container(copied, spoilt / "pi.log", {folder: "/srv/bench"}, boot=False) as container:
        container.say("tar", "-xzf", "/srv/bench/bundle.tar.gz", "-C", "/usr/src")
        began_s = time.monotonic()
        install = ("make", "-C", "/usr/src/nmesd", "install", "BUNDLE=wheels")
        said = container.say(*install, timeout_s=SLOW_S)
        install_s = time.monotonic() - began_s
        sends = (
            f"LSLAPICFG=/srv/bench/lsl_api.cfg {PYTHON} -m nmesd.sim.patient --name amplifier "
            "--source-id arm64 --chunk-ms 40 >/srv/bench/patient.log 2>&1 &"
        )
        container.say("sh", "-c", sends)
        yield Pi(container, said, root_s, bundle_s, install_s)


def test_installed_from_a_bundle_that_was_made_on_another_machine(pi: Pi, tell: Tell) -> None:
    assert "install:" in pi.said
    assert pi.container.say("uname", "-m") == MACHINE
    assert pi.container.say("readlink", "/usr/local/bin/nmesd") == "/opt/nmesd/bin/nmesd"
    for unit in ("nmesd-guard", "nmesd"):
        assert pi.container.say("systemctl", "is-enabled", unit) == "enabled"
    tell(
        f"root {pi.root_s:.0f} s, bundle {pi.bundle_s:.0f} s, make install {pi.install_s:.0f} s"
        f"{' under emulation' if os.uname().machine != MACHINE else ''}"
    )


def test_the_guard_verifies_zero_as_shipped(pi: Pi) -> None:
    said = pi.container.say("nmesd", "guard", "--zero", "/etc/nmesd/guard.toml", timeout_s=SLOW_S)
    assert "zero verified" in said


def test_the_doctor_finds_liblsl(pi: Pi, tell: Tell) -> None:
    """And that no service runs. The shipped nmesd.toml wants two channels, which this stream has not."""
    done = pi.container.run("nmesd", "doctor", "--json", timeout_s=SLOW_S)
    found = {one["name"]: one for one in json.loads(done.stdout.splitlines()[-1])}
    assert found["files"]["good"], found["files"]
    assert found["liblsl"]["good"], found["liblsl"]
    assert not found["daemon"]["good"]
    tell(f"liblsl {found['liblsl']['says']}, with the wheel of mne-lsl")


def test_samples_that_are_sent_arrive(pi: Pi, tell: Tell) -> None:
    said = pi.container.say(*LSL, PYTHON, "-c", PULL, timeout_s=SLOW_S)
    assert "True" in said.splitlines()
    tell(f"{SAMPLES} samples, each as it was sent")


def test_a_stream_is_listed(pi: Pi, tell: Tell) -> None:
    if "Protocol not available" in pi.container.run(PYTHON, "-c", SEARCHES).stdout:
        pytest.skip(
            "this emulator lacks IP_MULTICAST_IF, which liblsl's search needs (qemu 7.2 does)"
        )
    found: dict[str, Any] = {}
    for _ in range(5):  # the patient takes its time to start
        said = pi.container.say(
            *LSL, "nmesd", "streams", "--json", "--seconds", "10", timeout_s=SLOW_S
        )
        found = {one["name"]: one for one in json.loads(said.splitlines()[-1])}
        if "amplifier" in found:
            break
    assert found["amplifier"]["rate_hz"] == 1000
    tell("nmesd streams lists it")
