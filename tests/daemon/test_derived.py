"""From the engine's frames to samples: envelope in microvolts, and what a stimulator makes of a command."""

from array import array
from typing import Any

import numpy as np

from nmesd.core.values import SetOutput, Why
from nmesd.daemon.derived import Derived
from nmesd.daemon.engine_config import Config, engine_settings
from nmesd.sim.session_files import files_of, one_muscle
from nmesd.wire import ANY, Hops

STREAM = {"name": "x", "rate_hz": 1000, "labels": ["calf"]}


def config(**more: Any) -> Config:
    person = one_muscle("calf", {"on_uv": 10, "off_uv": 7}, {"channel": 3, "amplitude_ma": 10})
    files = files_of({"stream": STREAM, **person, **more})
    return Config(files, engine_settings(files).to_json())


def test_hops_become_rows_in_microvolts_at_the_time_of_the_emg() -> None:
    derived = Derived(config(), "host")
    payload = array("q", [10_000, 7_000, 5_000_000_000, 5_001_000_000, 6, 0, 2_269, 2, 64, 9_999])
    stamps_s, rows = derived.hops(Hops(1, 2, 1, payload.tobytes()))
    assert stamps_s.tolist() == [5.0, 5.001]
    assert rows.dtype == np.float32
    expected = np.array([[6, 0, 2.269, 10, 7], [2, 64, 9.999, 10, 7]], np.float32)
    np.testing.assert_array_equal(rows, expected)
    envelope = derived.streams[0]
    assert len(envelope.channels) == rows.shape[1]
    assert envelope.rate_hz == 1000
    assert envelope.source_id == "nmesd-envelope-host"


def given(ua: int) -> SetOutput:
    return SetOutput(0, 2, ua, 250, 28_571, Why.RAMP_UP, 0, 0)


def test_a_command_stands_beside_what_the_stimulator_makes_of_it() -> None:
    derived = Derived(config(), "host")
    unknown = derived.output(given(3_333))
    assert unknown is not None
    np.testing.assert_allclose(unknown, [[3.333, 250, 28_571, 0, 0, 0]], rtol=1e-6)
    derived.device(ANY._replace(amplitude_least_ua=0, amplitude_step_ua=500))
    known = derived.output(given(6_666))
    assert known is not None
    np.testing.assert_allclose(known, [[6.666, 250, 28_571, 6.5, 250, 28_571]], rtol=1e-6)
    labels = [channel["label"] for channel in derived.streams[1].channels]
    assert labels[0] == "3 amplitude"  # as on the device
    assert len(labels) == known.shape[1]


def test_a_programme_that_gives_nothing_has_no_output() -> None:
    programme = {"purpose": "x", "kind": "biofeedback", "session": {"trials": 3}}
    derived = Derived(config(programme=programme), "host")
    assert [stream.name for stream in derived.streams] == ["nmesd-envelope", "nmesd-events"]
    assert derived.output(given(1_000)) is None
