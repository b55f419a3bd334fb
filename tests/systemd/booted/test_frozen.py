"""Processes that stand still in mid-train: lease or device end the train, the watchdog ends the process."""

import signal

import pytest

from tests.systemd.booted.bench import Bench
from tests.systemd.conftest import Tell

WATCHDOG_S = 40.0  # WatchdogSec of either unit, and its end


@pytest.mark.parametrize(
    "who", [("engine",), ("guard",), ("guard", "engine"), ("daemon", "engine")]
)
def test_frozen_in_mid_train_it_is_ended_and_comes_back_disarmed(
    who: tuple[str, ...], bench: Bench, tell: Tell
) -> None:
    bench.train()
    before = {one: bench.pid(one) for one in ("engine", "daemon", "guard")}
    frozen_ns = bench.signal(signal.SIGSTOP, *(before[one] for one in who))
    seen = bench.silence(frozen_ns)

    for one in who:
        bench.until(lambda: bench.pid(one) not in ("0", before[one]), f"new {one}", WATCHDOG_S)  # noqa: B023
    bench.until(lambda: bench.status().get("guard", "NOT CONNECTED") != "NOT CONNECTED", "guard")
    if "guard" in who:
        assert bench.unit("nmesd-guard", "NRestarts") != "0"
        assert bench.zeros_verified(frozen_ns)[:1] == ["the stimulator itself"]
    now = bench.status()
    assert now["state"] == "TRIPPED"
    assert now["guard"] != "ARMED"
    again = bench.silence(frozen_ns)
    bench.zero()
    tell(f"{seen}; {now['state']} {now['trip_reason']}; once it was back: {again}; zero verified")
