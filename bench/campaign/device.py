"""Faults of an emulated stimulator on its pty."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from bench.campaign.bench import PERIOD_MS, Bench, Setup
from bench.campaign.devices import DEVICES
from bench.campaign.fault import LEASE_OVER_MS, Fault, names, now

LATE_MS = 500  # over what any driver waits for an answer
SHORT_S, LONG_S = 1.0, 1.5


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


def faults(name: str) -> list[Fault]:
    """Those of this device."""
    device = DEVICES[name]
    if device.unanswered_ms == 0:
        return []
    setup = Setup(device=name, train_s=LONG_S)
    unanswered_ms = device.unanswered_ms + LEASE_OVER_MS + PERIOD_MS + device.obeys_ms
    at_once_ms = PERIOD_MS + device.obeys_ms
    rows: tuple[tuple[str, str, Callable[[Bench], int], float, str], ...] = (
        ("gone", "SIGKILL to the device", _kill, at_once_ms, "DEVICE_FAILED"),
        (
            "unplugged",
            "its cable is pulled",
            _order(order="unplug"),
            at_once_ms + device.goes_on_ms,
            "DEVICE_FAILED",
        ),
        (
            "silent",
            "obeys, but answers no more",
            _order(order="silent"),
            unanswered_ms,
            "DEVICE_LATE",
        ),
        (
            "late",
            f"answers {LATE_MS} ms late",
            _order(order="late", ms=LATE_MS),
            unanswered_ms,
            "DEVICE_LATE",
        ),
        (
            "garbage",
            "answers with random bytes",
            _order(order="garbage"),
            unanswered_ms,
            "DEVICE_ANSWER",
        ),
        (
            "noise",
            "random bytes before each answer",
            _order(order="noise"),
            unanswered_ms,
            "DEVICE_ANSWER",
        ),
        (
            "electrode",
            "an electrode comes off",
            _order(order="electrode", channel=1),
            unanswered_ms,
            "DEVICE_ELECTRODE",
        ),
        *(
            (
                (
                    "switch",
                    "its emergency switch is pressed",
                    _order(order="emergency"),
                    at_once_ms,
                    "DEVICE_SWITCH",
                ),
            )
            if device.driver == "sciencemode2"
            else ()
        ),
    )
    return [
        Fault(
            name=f"device_{what}",
            about=about,
            inject=inject,
            mend=_restart if what in ("gone", "unplugged") else _heal,
            setup=setup
            if what != "unplugged"
            else setup._replace(train_s=SHORT_S + device.goes_on_ms / 1000),
            budget_ms=budget_ms,
            # One sent every pulse is silent as soon as an answer is missing, and the guard trips for it later.
            hold_s=(unanswered_ms / 1000, unanswered_ms / 1000 + 0.1),
            expect=names(reason),
        )
        for what, about, inject, budget_ms, reason in rows
    ]
