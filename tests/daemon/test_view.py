"""The state as people and scripts get it."""

from typing import Any

import pytest

from nmesd.core.values import Mode
from nmesd.daemon.view import view
from nmesd.errors import EXPLAIN, Reason
from nmesd.wire import GuardState, Snapshot

NUMBERS = ("trip_value", "trip_limit", "trip_unit", "trip_channel")


def snapshot(**values: Any) -> Snapshot:
    fields: dict[str, Any] = {
        "mode": Mode.DISARMED,
        "guard_state": GuardState.DISARMED,
        "hop": 0,
        "inhibits": 0,
        "envelope_nv": 1500,
        "on_nv": 12_000,
        "off_nv": 8000,
        "amplitude_ua": 0,
        "trip_reason": 0,
        "trip_value": 0,
        "trip_limit": 0,
        "trip_channel": -1,
        "trains": 3,
        "pulses": 4,
        "charge_pc": 5_000_000,
        "latency_first_ns": 0,
        "latency_guard_ns": 0,
        "step_max_ns": 0,
        "dropped": 0,
        "guard_connected": 1,
        "guard_real_time": 1,
        "guard_simulated": 1,
        "limits_hash": 10,
    }
    return Snapshot(**{**fields, **values})


def tripped(reason: Reason, value: int = 0, limit: int = 0, channel: int = -1) -> dict[str, Any]:
    trip = {
        "trip_reason": reason,
        "trip_value": value,
        "trip_limit": limit,
        "trip_channel": channel,
    }
    return view(snapshot(mode=Mode.TRIPPED, **trip), [], 1, {})


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason])
def test_a_trip_is_told_with_its_numbers(reason: Reason) -> None:
    seen = tripped(reason, 31_000_000, 30_000_000, 1)
    assert seen["state"] == "TRIPPED"
    assert seen["trip_reason"] == reason.name
    unit = EXPLAIN[reason].unit
    assert tuple(seen[name] for name in NUMBERS) == (31_000_000, 30_000_000, unit, 2)
    assert seen["text"].startswith(EXPLAIN[reason].text)


def test_a_trip_of_no_channel_names_none() -> None:
    assert tripped(Reason.OPERATOR_STOP)["trip_channel"] is None


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.TRIPPED])
def test_without_a_trip_there_are_no_numbers(mode: Mode) -> None:
    seen = view(snapshot(mode=mode, trip_value=3, trip_channel=2), [], 1, {})
    assert [seen[name] for name in ("trip_reason", *NUMBERS)] == [None] * 5
