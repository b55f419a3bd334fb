import json

import numpy as np
import pytest

from nmesd.errors import ConfigError
from nmesd.sim.faults import Distortions, Fault, parse_fault

EMG = np.arange(1.0, 41.0).reshape(20, 2)


def distort(fault: Fault, first: int, cut: int) -> tuple[np.ndarray, np.ndarray]:
    distortions = Distortions(rail_uv=500.0)
    distortions.order(fault, first)
    pieces = [distortions.apply(EMG[:cut], 0), distortions.apply(EMG[cut:], cut)]
    return np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces])


@pytest.mark.parametrize("cut", [0, 5, 7, 12, 20])
@pytest.mark.parametrize("kind", ["gap", "nan", "rail", "flat"])
def test_the_ordered_samples_and_no_others_are_distorted(kind: str, cut: int) -> None:
    out, sent = distort(Fault(kind, 6), 5, cut)
    hit = slice(5, 11)
    untouched = np.r_[0:5, 11:20]
    assert np.array_equal(out[untouched], EMG[untouched])
    assert sent[untouched].all()
    assert sent[hit].any() == (kind != "gap")
    if kind == "nan":
        assert np.isnan(out[hit]).all()
    if kind == "rail":
        assert (out[hit] == 500.0).all()
    if kind == "flat":
        assert (out[hit] == EMG[4]).all()


def test_flat_from_the_very_first_sample_holds_that() -> None:
    out, _ = distort(Fault("flat", 3), 0, 10)
    assert (out[:3] == EMG[0]).all()


def test_the_input_stays_as_it_was() -> None:
    before = EMG.copy()
    distort(Fault("rail", 6), 5, 10)
    assert np.array_equal(EMG, before)


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ({"fault": "gap", "samples": 50}, Fault("gap", 50)),
        ({"fault": "gap", "seconds": 0.1}, Fault("gap", 200)),
        ({"fault": "nan"}, Fault("nan", 1)),
        ({"fault": "rail"}, Fault("rail", 1000)),
        ({"fault": "rate", "factor": 0.95}, Fault("rate", 0, 0.95)),
        ({"fault": "stall", "seconds": 0.2}, Fault("stall", 400)),
        ({"fault": "end"}, Fault("end")),
        ({"fault": "duplicate", "seconds": 0.5}, Fault("duplicate", 1000)),
    ],
)
def test_orders_are_understood(order: dict[str, object], fault: Fault) -> None:
    assert parse_fault(json.dumps(order), 2000.0) == fault


@pytest.mark.parametrize(
    "line",
    [
        "gap", "[]", "{}", '{"fault": "gapp"}', '{"fault": ["gap"]}', '{"fault": "gap", "n": 1}',
        '{"fault": "gap", "samples": 0}', '{"fault": "gap", "samples": "x"}',
        '{"fault": "gap", "seconds": Infinity}', '{"fault": "rate", "factor": 0}',
        '{"fault": "rate", "factor": NaN}',
    ],
)  # fmt: skip
def test_what_is_not_an_order_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="fault"):
        parse_fault(line, 1000.0)
