"""Exactly one stream may fit, in everything; whatever does not is named."""

import math
from typing import Any

import numpy as np
import pytest

from nmesd.engine.ear import columns
from nmesd.engine.matching import (
    FLOAT32,
    StreamFacts,
    describe,
    match,
    mismatches,
    opened_mismatches,
    rivals,
)
from nmesd.engine.settings import StreamSpec
from nmesd.errors import Reason

SPEC = StreamSpec(
    name="Trigno",
    type="EMG",
    source_id="serial-1",
    host="amp",
    rate_mhz=2_148_148,
    labels=("flexor", "extensor"),
    columns=("extensor",),
)
FITS = StreamFacts(
    name="Trigno",
    type="EMG",
    source_id="serial-1",
    host="amp",
    channels=2,
    rate_hz=2148.148,
    format=FLOAT32,
    uid="u1",
)
OPENED = FITS._replace(labels=("flexor", "extensor"), units=("microvolts", "microvolts"))

WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "name": ({"name": "trigno"}, ("name", "'trigno'", "'Trigno'")),
    "type": ({"type": "EEG"}, ("type", "'EEG'", "'EMG'")),
    "source_id": ({"source_id": ""}, ("source_id", "''", "'serial-1'")),
    "host": ({"host": "amp2"}, ("host", "'amp2'", "'amp'")),
    "channels": ({"channels": 3}, ("3 channels", "2")),
    "rate": ({"rate_hz": 2000.0}, ("rate", "2000 Hz", "2148.15 Hz")),
    "rate by 1 mHz": ({"rate_hz": 2148.149}, ("rate",)),
    "no rate": ({"rate_hz": 0.0}, ("rate", "0 Hz")),
    "rate no number": ({"rate_hz": math.nan}, ("rate", "nan")),
    "rate without end": ({"rate_hz": math.inf}, ("rate", "inf")),
    "format": ({"format": 2}, ("float32",)),
}
WRONG_OPENED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no labels": ({"labels": ()}, ("labels", "[]", "'flexor'")),
    "order": ({"labels": ("extensor", "flexor")}, ("labels", "['extensor', 'flexor']")),
    "no units": ({"units": ()}, ("units", "[]", "microvolts")),
    "too few units": ({"units": ("uV",)}, ("units",)),
    "volts": ({"units": ("microvolts", "V")}, ("units", "'V'", "microvolts")),
    "millivolts": ({"units": ("mV", "mV")}, ("units", "'mV'")),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_mismatch_is_named(name: str) -> None:
    change, words = WRONG[name]
    (text,) = mismatches(SPEC, FITS._replace(**change))
    assert all(word in text for word in words)
    assert opened_mismatches(SPEC, OPENED._replace(**change))[0] == text


@pytest.mark.parametrize("name", WRONG_OPENED)
def test_every_mismatch_of_an_opened_stream_is_named(name: str) -> None:
    change, words = WRONG_OPENED[name]
    (text,) = opened_mismatches(SPEC, OPENED._replace(**change))
    assert all(word in text for word in words)
    assert mismatches(SPEC, OPENED._replace(**change)) == []


def test_all_mismatches_are_named_at_once() -> None:
    other = StreamFacts("a", "b", "c", "d", 9, 100.0, 2, "u2", ("x",), ("y",))
    assert len(opened_mismatches(SPEC, other)) == 9


def test_what_fits_fits() -> None:
    assert mismatches(SPEC, FITS) == []
    assert opened_mismatches(SPEC, OPENED) == []


@pytest.mark.parametrize("unit", ["uV", "µV", "μV", "microvolt", "Microvolts", "UV"])
def test_microvolts_have_many_spellings(unit: str) -> None:
    assert opened_mismatches(SPEC, OPENED._replace(units=(unit, unit))) == []


def test_an_empty_text_is_not_checked() -> None:
    spec = StreamSpec(
        name="Trigno",
        type="",
        source_id="",
        host="",
        rate_mhz=2_148_148,
        labels=("a", "b"),
        columns=("a",),
    )
    assert mismatches(spec, FITS._replace(type="?", source_id="?", host="?")) == []
    assert mismatches(spec, FITS._replace(name="?")) != []


@pytest.mark.parametrize("seen_before", [False, True])
def test_the_one_that_fits_is_chosen_among_others(seen_before: bool) -> None:
    others = [FITS._replace(uid=f"u{n}", host=f"h{n}") for n in range(3)]
    chosen = match(SPEC, [*others, FITS], seen_before=seen_before)
    assert (chosen.stream, chosen.reason) == (FITS, Reason.NONE)
    assert [text.endswith("fits") for text in chosen.found] == [False, False, False, True]


@pytest.mark.parametrize("seen_before", [False, True])
def test_two_that_fit_are_refused_and_listed(seen_before: bool) -> None:
    twin = FITS._replace(uid="u2")
    for streams in ([FITS, twin], [FITS, FITS], [FITS, FITS._replace(name="x"), twin]):
        chosen = match(SPEC, streams, seen_before=seen_before)
        assert (chosen.stream, chosen.reason) == (None, Reason.EMG_AMBIGUOUS)
        assert len(chosen.found) == len(streams)
        assert sum(text.endswith("fits") for text in chosen.found) == 2
        for text in chosen.found:
            assert "source_id 'serial-1'" in text
            assert "'amp'" in text


@pytest.mark.parametrize("seen_before", [False, True])
def test_nothing_and_nothing_of_that_name_is_no_stream(seen_before: bool) -> None:
    assert match(SPEC, [], seen_before=seen_before) == (None, Reason.EMG_NO_STREAM, ())
    other = match(SPEC, [FITS._replace(name="Myo")], seen_before=seen_before)
    assert other.reason is Reason.EMG_NO_STREAM
    assert "'Myo'" in other.found[0]
    assert "wanted 'Trigno'" in other.found[0]


@pytest.mark.parametrize(("change", "words"), [w for n, w in WRONG.items() if n != "name"])
def test_of_that_name_but_wrong(change: dict[str, Any], words: tuple[str, ...]) -> None:
    streams = [FITS._replace(**change)]
    first = match(SPEC, streams, seen_before=False)
    again = match(SPEC, streams, seen_before=True)
    assert (first.stream, first.reason) == (None, Reason.EMG_MISMATCH)
    assert (again.stream, again.reason) == (None, Reason.EMG_STREAM_CHANGED)
    assert all(word in first.found[0] for word in words)


# ---- beside an open one ---------------------------------------------------------------------------


def test_a_rival_fits_and_is_another() -> None:
    """Also one that says it is the same device: two of one source_id are still two senders."""
    another = FITS._replace(uid="u2")
    third = FITS._replace(uid="u3")
    assert rivals(SPEC, [], "u1") == []
    assert rivals(SPEC, [FITS], "u1") == []
    assert rivals(SPEC, [FITS, another, third], "u1") == [another, third]
    assert rivals(SPEC, [another], "u1") == [another]  # ours is not heard of at the moment


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_no_rival(name: str) -> None:
    assert rivals(SPEC, [FITS, FITS._replace(uid="u2", **WRONG[name][0])], "u1") == []


def test_every_stream_is_described_in_a_line() -> None:
    lines = describe(SPEC, [FITS, FITS._replace(channels=3)])
    assert [line.rsplit(": ", 1)[1] for line in lines] == ["fits", "3 channels, wanted 2"]


@pytest.mark.parametrize(
    ("channels", "picked"),
    [([0], slice(0, 1)), ([2, 3, 4], slice(2, 5)), ([0, 2], [0, 2]), ([1, 0], [1, 0])],
)
def test_neighbouring_columns_are_picked_without_a_copy(
    channels: list[int], picked: slice | list[int]
) -> None:
    assert columns(channels) == picked
    samples = np.arange(15.0, dtype=np.float32).reshape(3, 5)
    assert samples[:, columns(channels)].tolist() == samples[:, channels].tolist()
