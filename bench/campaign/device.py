"""Faults of the stimulator: an emulated one on a pty, which repeats its pulses by itself as real ones do."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from bench.campaign.bench import PERIOD_MS, Bench, Setup
from bench.campaign.fault import LEASE_OVER_MS, Fault, names, now

# What is wrong with answers shows with the next: a keep-alive is sent every 100 ms at least, and may take 50 ms
# to be answered (LIVE_NS and ACK_NS in drivers/sim_device.py). Then a pulse may just be on its way.
ANSWER_MS = 100 + 50 + LEASE_OVER_MS + PERIOD_MS
DEVICE = Setup(driver="sim_device", train_s=1.0)
LATE_MS = 80  # over the 50 the driver waits for an answer


def _order(**order: Any) -> Callable[[Bench], int]:
    def inject(bench: Bench) -> int:
        assert bench.rig.device is not None
        seen = len(bench.rig.device.events)
        bench.rig.device.order(**order)
        return int(bench.event(bench.rig.device, "order", seen)["at_ns"])

    return inject


def _kill(bench: Bench) -> int:
    assert bench.rig.device is not None
    at_ns = now()
    bench.rig.device.signal(signal.SIGKILL)
    return at_ns


def _restart(bench: Bench) -> None:
    bench.rig.restart_device()
    bench.restart_guard()


def _heal(bench: Bench) -> None:
    assert bench.rig.device is not None
    bench.rig.device.order(order="healthy")


def _fault(
    name: str,
    about: str,
    inject: Callable[[Bench], int],
    budget_ms: float,
    *reasons: str,
    mend: Callable[[Bench], None] = _heal,
) -> Fault:
    return Fault(
        name=f"device_{name}",
        about=about,
        inject=inject,
        mend=mend,
        setup=DEVICE,
        budget_ms=budget_ms,
        expect=names(*reasons),
    )


FAULTS = (
    _fault("gone", "SIGKILL to the device", _kill, PERIOD_MS, "DEVICE_FAILED", mend=_restart),
    _fault(
        "silent", "obeys, but answers no more", _order(order="silent"), ANSWER_MS, "DEVICE_LATE"
    ),
    _fault(
        "late",
        f"answers {LATE_MS} ms late",
        _order(order="late", ms=LATE_MS),
        ANSWER_MS,
        "DEVICE_LATE",
    ),
    _fault(
        "garbage", "answers with random bytes", _order(order="garbage"), ANSWER_MS, "DEVICE_ANSWER"
    ),
    _fault(
        "electrode",
        "reports an electrode error, and stops that channel by itself",
        _order(order="electrode", channel=1),
        PERIOD_MS,
        "DEVICE_ELECTRODE",
    ),
)
