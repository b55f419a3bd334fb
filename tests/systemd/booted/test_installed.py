"""What `make install` leaves on a Debian that has no network: two services, and current only for who may."""

import json
import time

import pytest

from nmesd.units import UA_PER_MA
from tests.systemd.booted.bench import OPERATOR, TRIES, WATCHED_S, Bench
from tests.systemd.booted.conftest import Installed, summary
from tests.systemd.booted.files import AMPLITUDE_MA, BY_CLOCK, EMG, PERSON, STIMULATOR
from tests.systemd.conftest import Tell


def test_installed_offline_it_starts_nothing_by_itself(installed: Installed, tell: Tell) -> None:
    assert installed.active_at_once == "inactive inactive"
    assert "not started" in installed.said
    tell(summary(installed.said))


def test_as_shipped_both_services_come_up_and_nothing_is_armed(
    installed: Installed, tell: Tell
) -> None:
    assert installed.as_shipped == "active active"
    assert installed.shipped_state == "DISARMED"
    tell(f"is-active: {installed.as_shipped}; {installed.shipped_state}")


def test_set_up_both_services_are_active_with_real_time_rights(bench: Bench, tell: Tell) -> None:
    bench.ready()
    assert bench.container.say("systemctl", "is-active", "nmesd-guard", "nmesd") == "active\nactive"
    found = {
        one["name"]: one for one in json.loads(bench.container.run("nmesd", "doctor", "--json").stdout)
    }  # fmt: skip
    for name in ("files", "daemon", "guard", "guard's real-time rights", "stimulator", "liblsl"):
        assert found[name]["good"], found[name]
    tell(f"{found['stimulator']['says']}; liblsl {found['liblsl']['says']}")


def test_armed_by_an_operator_and_only_then_it_gives_trains(bench: Bench, tell: Tell) -> None:
    bench.ready()
    before = len(bench.given)
    time.sleep(WATCHED_S)
    assert len(bench.given) == before  # disarmed, nothing
    bench.train()
    given = bench.given[before:]
    assert {pulse.channel for pulse in given} == {0}
    assert max(pulse.amplitude_ua for pulse in given) <= AMPLITUDE_MA * UA_PER_MA
    bench.until(
        lambda: bench.given[-1].amplitude_ua == AMPLITUDE_MA * UA_PER_MA, "plateau of the train"
    )
    tell(f"{len(given)} pulses on channel 1 so far, then {AMPLITUDE_MA} mA")


def test_another_patient_s_code_is_refused(bench: Bench) -> None:
    bench.ready()
    done = bench.container.run(
        "runuser", "-u", OPERATOR, "--", "nmesd",
        "arm", "--operator", OPERATOR, "--patient", f"{PERSON}2", "--checked",
    )  # fmt: skip
    assert done.returncode
    assert bench.status()["state"] == "DISARMED"


def test_an_attempt_heard_over_lsl_earns_a_train(bench: Bench, tell: Tell) -> None:
    """In the closed unit, as shipped: discovery, samples, decision, train."""
    bench.container.say("systemctl", "start", "patient")
    bench.ready()
    bench.nmesd("reload", "--operator", OPERATOR, "--programme", EMG)
    try:
        before = len(bench.given)
        for _ in range(TRIES):  # a machine that stands still trips, for its EMG is late then
            bench.arm()
            bench.until(
                lambda: bench.status().get("trains", 0) > 0 or bench.status()["state"] == "TRIPPED",
                "train after an attempt",
            )
            bench.until(lambda: bench.status()["state"] != "STIMULATING", "end of the train")
            if len(bench.given) > before:
                break
        assert len(bench.given) > before
        now = bench.status()
        took = f"sample to lease {now['latency_ms']:.1f} ms"
        tell(f"{now['trains']} train, {len(bench.given) - before} pulses; {took}")
        bench.nmesd("disarm", "--operator", OPERATOR)
    finally:
        bench.nmesd("reload", "--operator", OPERATOR, "--programme", BY_CLOCK)
        bench.container.say("systemctl", "stop", "patient")


@pytest.mark.parametrize("user", ["nmesd", OPERATOR])
def test_nobody_but_the_guard_opens_the_stimulator(user: str, bench: Bench) -> None:
    opens = ("sh", "-c", f"exec 3<>{STIMULATOR}")
    done = bench.container.run("runuser", "-u", user, "--", *opens)
    assert "Permission denied" in done.stdout
    assert bench.container.run("runuser", "-u", "nmesd-guard", "--", *opens).returncode == 0


@pytest.mark.parametrize("user", ["nmesd", "nmesd-guard", OPERATOR])
def test_nobody_but_root_writes_the_limits(user: str, bench: Bench) -> None:
    writes = ("sh", "-c", "echo >> /etc/nmesd/guard.toml")
    done = bench.container.run("runuser", "-u", user, "--", *writes)
    assert "Permission denied" in done.stdout
