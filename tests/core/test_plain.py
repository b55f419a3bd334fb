"""Settings of the core through JSON."""

import json

import pytest

from nmesd.core.plain import core_settings, to_plain
from nmesd.core.values import Kind, OnMiss, Trial
from tests.core.situations import with_programme

SETTINGS = with_programme(
    kind=Kind.HOLD, on_miss=OnMiss.ASSIST, schedule=(Trial.GO, Trial.SHAM), set_pause_ns=7
)


def test_they_come_back_as_they_were() -> None:
    back = core_settings(json.loads(json.dumps(to_plain(SETTINGS))))
    assert back == SETTINGS
    assert back.programme.kind is Kind.HOLD
    assert back.programme.schedule[1] is Trial.SHAM
    assert type(back.muscles[0]) is type(SETTINGS.muscles[0])
    assert type(back.muscles[0].outputs[0]) is type(SETTINGS.muscles[0].outputs[0])


def test_they_are_read_by_people_too() -> None:
    plain = to_plain(SETTINGS)
    assert plain["programme"]["kind"] == "HOLD"
    assert plain["programme"]["schedule"] == ["GO", "SHAM"]
    assert plain["muscles"][0]["outputs"][0]["amplitude_ua"] == 10_000


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.update(colour=3),
        lambda plain: plain.pop("muscles"),
        lambda plain: plain["programme"].update(kind="ENDLESS"),
        lambda plain: plain["muscles"][0].update(on_nv="much"),
    ],
)
def test_anything_else_is_refused(change: object) -> None:
    plain = json.loads(json.dumps(to_plain(SETTINGS)))
    change(plain)  # type: ignore[operator]
    with pytest.raises((KeyError, TypeError, ValueError)):
        core_settings(plain)
