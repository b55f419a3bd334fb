"""Each process killed in mid-train: the train ends, systemd or the daemon starts it anew, and nothing resumes."""

import os
import signal

import pytest

from tests.systemd.booted.bench import Bench
from tests.systemd.conftest import Tell

STARTS = 9  # more than StartLimitBurst
UNITS = {
    "daemon": "nmesd",
    "guard": "nmesd-guard",
}  # which systemd starts anew; the daemon the engine


@pytest.mark.parametrize("who", ["engine", "daemon", "guard"])
def test_killed_in_mid_train_it_comes_back_disarmed(who: str, bench: Bench, tell: Tell) -> None:
    bench.ready()
    before = {one: bench.pid(one) for one in ("engine", "daemon", "guard")}
    restarts = {unit: int(bench.unit(unit, "NRestarts")) for unit in UNITS.values()}
    killed_ns = bench.strike(signal.SIGKILL, who)
    seen = bench.silence(killed_ns)

    bench.until(lambda: bench.status()["state"] == "TRIPPED", "trip")
    bench.until(lambda: bench.pid(who) not in ("0", before[who]), f"new {who}")
    for other, unit in UNITS.items():
        again = int(bench.unit(unit, "NRestarts")) - restarts[unit]
        assert again == (1 if other == who else 0), unit
    if who == "guard":
        assert bench.zeros_verified(killed_ns) == ["the stimulator itself"]
    bench.until(bench.answers, "daemon with a guard")
    now = bench.status()
    assert now["state"] == "TRIPPED"
    assert now["guard"] != "ARMED"
    bench.zero()
    tell(f"{seen}; {now['state']} {now['trip_reason']}, guard {now['guard']}; zero verified")


def test_a_guard_that_dies_again_and_again_is_left_dead(bench: Bench, tell: Tell) -> None:
    """Five starts in a minute, then somebody has to look. The stimulator is at zero each time."""

    def state() -> str:
        return bench.unit("nmesd-guard", "ActiveState")

    since_ns, deaths = bench.strike(signal.SIGKILL, "guard"), 1
    while state() != "failed" and deaths < STARTS:
        bench.until(lambda: state() in {"active", "failed"}, "start of the guard")
        if state() == "active":
            os.kill(bench.container.pid_here(bench.pid("guard")), signal.SIGKILL)
            deaths += 1
            bench.until(lambda: state() != "active", "end of the guard")
    bench.until(lambda: state() == "failed", "end of all starts")
    assert len(bench.zeros_verified(since_ns)) == deaths
    seen = bench.silence(since_ns)
    assert not bench.can_be_armed()
    bench.container.say("systemctl", "reset-failed", "nmesd-guard")
    bench.container.say("systemctl", "start", "nmesd-guard")
    bench.ready()
    tell(
        f"failed after {deaths} deaths, zero verified after each; {seen}; started by hand: DISARMED"
    )
