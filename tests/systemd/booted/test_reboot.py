"""The computer goes down in mid-train and comes up again."""

import time

from tests.systemd.booted.bench import ARMED, Bench
from tests.systemd.conftest import Tell


def test_after_a_reboot_both_are_active_and_nothing_is_armed(bench: Bench, tell: Tell) -> None:
    bench.train()
    typed_ns = time.monotonic_ns()
    bench.container.reboot()
    up_ns = time.monotonic_ns()
    bench.until(bench.can_be_armed, "readiness")
    seen = bench.silence(typed_ns, up_ns)
    last_ns = bench.given[-1].given_ns
    assert last_ns < up_ns
    assert bench.container.say("systemctl", "is-active", "nmesd-guard", "nmesd") == "active\nactive"
    now = bench.status()
    assert now["state"] not in ARMED
    assert bench.zeros_verified(typed_ns)[:1] == ["the stimulator itself"]
    bench.zero()
    tell(f"{seen}; {now['state']}; zero verified on the way down")
