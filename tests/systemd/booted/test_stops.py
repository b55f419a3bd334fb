"""What people do in mid-train: stop, reload, stop a unit, restart it. Output comes back by a new arm alone."""

import time

import pytest

from tests.systemd.booted.bench import ARMED, LATE_NS, OPERATOR, VISITOR, WATCHED_S, Bench
from tests.systemd.booted.files import PERSON
from tests.systemd.conftest import Tell


def test_stop(bench: Bench, tell: Tell) -> None:
    said, typed_ns, done_ns = bench.ask_for(lambda: bench.nmesd("stop"))
    assert "STOPPED at the guard" in said
    seen = bench.silence(typed_ns, done_ns)
    now = bench.status()
    assert (now["state"], now["trip_reason"]) == ("TRIPPED", "OPERATOR_STOP")
    bench.zero()
    tell(f"{seen}; {now['state']} {now['trip_reason']}; zero verified")


def test_anybody_may_stop_and_only_an_operator_arms_again(bench: Bench, tell: Tell) -> None:
    visitor = ("runuser", "-u", VISITOR, "--", "nmesd")
    _, typed_ns, done_ns = bench.ask_for(lambda: bench.container.say(*visitor, "stop"))
    seen = bench.silence(typed_ns, done_ns)
    assert bench.status()["trip_reason"] == "OPERATOR_STOP"
    for command in (("reset",), ("arm", "--patient", PERSON, "--checked")):
        if command[0] == "arm":
            bench.ready()
        done = bench.container.run(*visitor, *command, "--operator", VISITOR)
        assert done.returncode
        assert bench.status()["state"] == ("TRIPPED" if command[0] == "reset" else "DISARMED")
    tell(f"{seen}; by a visitor, whose reset and arm were refused")


def test_disarm(bench: Bench, tell: Tell) -> None:
    _, typed_ns, done_ns = bench.ask_for(lambda: bench.nmesd("disarm", "--operator", OPERATOR))
    seen = bench.silence(typed_ns, done_ns)
    assert bench.status()["state"] == "DISARMED"
    bench.zero()
    tell(f"{seen}; DISARMED; zero verified")


def test_after_a_reload_no_output_without_an_arm_in_force(bench: Bench, tell: Tell) -> None:
    _, typed_ns, done_ns = bench.ask_for(
        lambda: bench.container.say("systemctl", "reload", "nmesd")
    )
    not_armed_ns = 0  # since when no arm is in force
    while time.monotonic_ns() - done_ns < WATCHED_S * 1e9:
        if bench.status()["state"] not in ARMED:
            not_armed_ns = not_armed_ns or time.monotonic_ns()
        elif not_armed_ns:
            pytest.fail("armed again, and nobody armed")
        time.sleep(0.02)
    if not_armed_ns:
        assert [one for one in bench.given if one.given_ns > not_armed_ns + LATE_NS] == []
        tell(f"not armed from {(not_armed_ns - typed_ns) / 1e6:.0f} ms on, no pulse after it")
    else:
        tell("the arm stays in force")


@pytest.mark.parametrize("unit", ["nmesd-guard", "nmesd"])
@pytest.mark.parametrize("act", ["stop", "restart"])
def test_a_unit_ended_in_mid_train(act: str, unit: str, bench: Bench, tell: Tell) -> None:
    _, typed_ns, done_ns = bench.ask_for(lambda: bench.container.say("systemctl", act, unit))
    seen = bench.silence(typed_ns, done_ns)
    assert bench.unit(unit, "Result") == "success"
    if unit == "nmesd-guard":
        assert bench.zeros_verified(typed_ns)[:1] == ["the stimulator itself"]
    if act == "stop":
        assert bench.unit(unit, "ActiveState") == "inactive"
        bench.container.say("nmesd", "guard", "--zero", "/etc/nmesd/guard.toml")
        bench.container.say("systemctl", "start", unit)
    bench.until(bench.answers, "daemon with a guard")
    now = bench.status()
    assert now["state"] not in ARMED
    assert now["guard"] != "ARMED"
    again = bench.silence(typed_ns, done_ns)
    tell(f"{seen}; back: {now['state']} {now['trip_reason'] or ''}, {again}")
