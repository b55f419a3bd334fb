"""EMG with something else in it: the state names it, nothing can be armed on it, nothing is given."""

from collections.abc import Callable
from typing import Any

import pytest

from nmesd.errors import EXPLAIN, Reason


@pytest.mark.slow
def test_hum_has_its_name_and_forbids_arming(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    patient = bench.patient(first_attempt_s=1.0, mains_uv=400.0)
    try:
        state = bench.inhibited("EMG_MAINS")
        assert state["state"] == "DISARMED"
        answer = bench.rig.ask("arm", operator="test")
        assert answer["ok"] is False
        assert answer["reason"] == "EMG_MAINS"
        assert EXPLAIN[Reason.EMG_MAINS].text in answer["text"]
        assert not bench.rig.currents()
    finally:
        patient.end()
