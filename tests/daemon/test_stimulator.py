"""What the daemon makes of the stimulator behind the guard."""

from typing import Any

import pytest

from nmesd.core.values import CoreSettings, Kind, Muscle, OutputSettings, Programme
from nmesd.daemon.stimulator import cannot, facts
from nmesd.wire import ANY

CORE = CoreSettings(
    rate_mhz=1_000_000,
    hop_samples=1,
    muscles=(
        Muscle(0, 2, 1, 1, 2, (OutputSettings(1, 15_000, 250),)),
        Muscle(1, 2, 1, 1, 2, ()),
    ),
    programme=Programme(Kind.TRIGGERED, 28_572, 1, 1, 1, 1, 1),
)
NOTHING = CORE.muscles[0]._replace(outputs=(OutputSettings(1, 0, 250),))
COARSE = ANY._replace(
    amplitude_least_ua=2000,
    amplitude_step_ua=2000,
    period_least_us=8000,
    period_step_us=500,
    payload="RehaStim 2, µ".encode(),
)


def test_the_record_has_who_it_is_its_steps_and_what_it_gives_for_what_was_asked() -> None:
    kept = facts(COARSE, CORE)
    assert kept["stimulator"] == "RehaStim 2, µ"
    assert kept["capabilities"]["amplitude_step_ua"] == 2000
    asked = {"amplitude_ua": 15_000, "pulse_width_us": 250, "period_us": 28_572}
    given = {"amplitude_ua": 14_000, "pulse_width_us": 250, "period_us": 29_000}
    assert kept["plateaus_wanted"] == [
        {2: asked},
        {},
    ]  # of each muscle, by channel as on the device
    assert kept["plateaus_coded"] == [{2: given}, {}]


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({}, []),
        ({"channels": 1}, ["channel 2: it has 1"]),
        ({"amplitude_most_ua": 10_000}, ["amplitude_ma = 15: the nearest is 10 mA"]),
        ({"width_least_us": 300}, ["pulse_width_us = 250: the nearest is 300 µs"]),
        ({"period_least_us": 40_000}, ["rate_hz = 35.00: the nearest is 25.00 Hz"]),
    ],
)
def test_what_it_cannot_give_is_told_with_the_nearest(
    device: dict[str, Any], words: list[str]
) -> None:
    assert cannot(ANY._replace(**device), CORE) == words


def test_no_current_asked_for_is_always_possible() -> None:
    assert cannot(ANY._replace(channels=0), CORE._replace(muscles=(NOTHING,))) == []
