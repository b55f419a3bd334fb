"""Processes that stand still in mid-train: lease or device end the train, the watchdog ends the process."""

import signal
import time

import pytest

from nmesd.units import NS_PER_S
from tests.systemd.booted.bench import Bench
from tests.systemd.conftest import Tell

WATCHDOG_S = 60.0  # longer than WatchdogSec and the end of either unit
FROZEN = (("engine",), ("guard",), ("guard", "engine"), ("daemon", "engine"))


@pytest.mark.parametrize("who", FROZEN, ids=" and ".join)
def test_frozen_in_mid_train_it_is_ended_and_comes_back_disarmed(
    who: tuple[str, ...], bench: Bench, tell: Tell
) -> None:
    bench.ready()
    before = {one: bench.pid(one) for one in ("engine", "daemon", "guard")}
    restarts = int(bench.unit("nmesd-guard", "NRestarts"))
    frozen_ns = bench.strike(signal.SIGSTOP, *who)
    seen = bench.silence(frozen_ns)

    for one in who:
        bench.until(lambda: bench.pid(one) not in ("0", before[one]), f"new {one}", WATCHDOG_S)  # noqa: B023
    anew_s = (time.monotonic_ns() - frozen_ns) / NS_PER_S
    bench.until(bench.answers, "daemon with a guard")
    if "guard" in who:
        assert int(bench.unit("nmesd-guard", "NRestarts")) == restarts + 1
        assert bench.zeros_verified(frozen_ns) == ["the stimulator itself"]
    now = bench.status()
    # A trip is kept by whoever lives through it. Where neither does, both begin disarmed.
    assert now["state"] == ("DISARMED" if set(who) == {"guard", "engine"} else "TRIPPED")
    assert now["guard"] != "ARMED"
    again = bench.silence(frozen_ns)
    bench.zero()
    tell(
        f"{seen}; new within {anew_s:.0f} s: {now['state']} {now['trip_reason'] or ''}, {again}; zero verified"
    )
