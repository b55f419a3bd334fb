"""`make install` again, and `make uninstall`, which is the last: it takes away what the others need."""

import time

from tests.systemd.booted.bench import ARMED, OPERATOR, Bench
from tests.systemd.booted.conftest import INSTALL, INSTALL_S, summary
from tests.systemd.booted.files import CONFIG
from tests.systemd.conftest import Tell

UNINSTALL = ("make", "-C", "/usr/src/nmesd", "uninstall")


def release(bench: Bench) -> str:
    return bench.container.say("readlink", "/opt/nmesd")


def test_refused_while_armed_and_the_session_goes_on(bench: Bench, tell: Tell) -> None:
    bench.train()
    before, given = release(bench), len(bench.given)
    for command in (INSTALL, UNINSTALL):
        done = bench.container.run(*command, timeout_s=INSTALL_S)
        assert done.returncode
        assert "refused" in done.stdout
        tell(summary(done.stdout))
    assert release(bench) == before
    bench.until(lambda: len(bench.given) > given, "train that goes on")
    assert bench.status()["state"] in ARMED


def test_upgraded_it_keeps_the_configuration_and_comes_back_disarmed(
    bench: Bench, tell: Tell
) -> None:
    bench.ready()
    before = release(bench), bench.pid("guard"), bench.pid("daemon")
    sessions = bench.container.say("ls", "/var/lib/nmesd/sessions").split()
    began_ns = time.monotonic_ns()
    said = summary(bench.container.say(*INSTALL, timeout_s=INSTALL_S))
    took_s = (time.monotonic_ns() - began_ns) / 1e9
    assert "restarted, disarmed" in said
    after = release(bench), bench.pid("guard"), bench.pid("daemon")
    assert not set(before) & set(after)
    assert len(bench.container.say("ls", "/opt/nmesd-releases").split()) == 2
    for name, text in CONFIG.items():
        assert bench.container.path(f"/etc/nmesd/{name}").read_text() == text
    assert set(sessions) <= set(bench.container.say("ls", "/var/lib/nmesd/sessions").split())
    bench.until(bench.can_be_armed, "readiness")
    assert bench.silence(began_ns, began_ns)
    bench.train()  # it works, and an arm is what it takes
    bench.nmesd("disarm", "--operator", OPERATOR)
    tell(f"{said}, in {took_s:.0f} s; files of /etc/nmesd unchanged; then armed: a train")


def test_uninstalled_programs_and_units_are_gone_and_what_is_somebody_s_stays(
    bench: Bench, tell: Tell
) -> None:
    bench.ready()
    said = bench.container.say(*UNINSTALL)
    done = bench.container.run("systemctl", "is-active", "nmesd-guard", "nmesd").stdout.split()
    assert done == ["inactive", "inactive"]
    for place in ("/opt/nmesd", "/usr/local/bin/nmesd", "/etc/systemd/system/nmesd.service"):
        assert not bench.container.path(place).is_symlink()
        assert not bench.container.path(place).exists()
    for name, text in CONFIG.items():
        assert bench.container.path(f"/etc/nmesd/{name}").read_text() == text
    assert bench.container.say("ls", "/var/lib/nmesd/sessions")
    tell(summary(said))
