"""The live pipeline over a file: decisions where attempts are, each channel on its own."""

import math
from typing import Any

import numpy as np
import pytest

from dsp.design import ChainSpec, design
from nmesd.errors import RecordError
from nmesd.sessions.detect import detect
from nmesd.sessions.recording import Recording

RATE_HZ = 1000
ONSETS_S = (25.0, 31.0, 37.0)
CAUSES = ("EMG_SETTLING", "EMG_NOT_FINITE", "EMG_FLAT", "EMG_POP")  # it jumps when it freezes


def recording(*ratios: float, seconds: float = 45.0) -> Recording:
    """Channels of noise of 4 uV, in attempts of 1.5 s so many times as strong."""
    rng = np.random.default_rng(1)
    columns = []
    for ratio in ratios:
        emg_uv = rng.normal(0, 4.0, round(seconds * RATE_HZ))
        for onset_s in ONSETS_S:
            emg_uv[round(onset_s * RATE_HZ) : round((onset_s + 1.5) * RATE_HZ)] *= ratio
        columns.append(emg_uv + 1000.0)
    labels = tuple(f"muscle {n}" for n in range(len(ratios)))
    return Recording(np.column_stack(columns), RATE_HZ, labels, (), "made")


def run(found: Recording, rest_s: tuple[float, float] | None = None, **more: Any) -> Any:
    coefficients = design(ChainSpec(rate_mhz=RATE_HZ * 1000, mains_hz=50, **more))
    return detect(found, coefficients, unit="false_per_min", value=0.2, rest_s=rest_s)


@pytest.mark.parametrize("rest_s", [(1.0, 24.0), None], ids=["stated", "found"])
@pytest.mark.parametrize("detector", ["cusum", "envelope"])
def test_each_attempt_once_soon_after_its_onset_with_the_onset_before_it(
    rest_s: tuple[float, float] | None, detector: str
) -> None:
    for channel in run(recording(8.0, 4.0), rest_s, detector=detector):
        assert len(channel.onsets) == 3
        for onset, true_s in zip(channel.onsets, ONSETS_S, strict=True):
            assert true_s < onset.decided_s < true_s + 0.15
            assert true_s - 0.03 < onset.onset_s < true_s + 0.03
            assert onset.onset_s < onset.decided_s


def test_each_channel_has_its_own_threshold_and_attempts() -> None:
    loud, quiet, none = run(recording(20.0, 5.0, 1.0))
    assert [len(c.onsets) for c in (loud, quiet, none)] == [3, 3, 0]
    assert loud.onsets[0].peak_uv > 3 * quiet.onsets[0].peak_uv > 3 * quiet.threshold_uv / 2
    assert loud.predicted_false_per_min == pytest.approx(0.2, rel=0.01)
    low, high = loud.predicted_range_per_min
    assert low < 0.2 < high
    assert all(b - a > 0 for a, b in none.rest_s)


def test_alone_or_beside_others_a_channel_is_the_same() -> None:
    both = recording(8.0, 4.0)
    alone = Recording(both.emg_uv[:, 1:], both.fs_hz, both.labels[1:], (), both.name)
    assert run(both)[1] == run(alone)[0]


def test_what_is_no_measurement_is_told_and_decides_nothing() -> None:
    bad = recording(8.0)
    bad.emg_uv[31_100:31_300, 0] = math.nan  # in the second attempt
    bad.emg_uv[15_000:15_400, 0] = 7.0
    (channel,) = run(bad)
    assert {i.reason for i in channel.inhibits} == set(CAUSES)
    (nan,) = [i for i in channel.inhibits if i.reason == "EMG_NOT_FINITE"]
    assert (nan.from_s, nan.to_s) == (31.1, 31.3)
    assert len(channel.onsets) == 3


def test_without_rest_it_says_so() -> None:
    with pytest.raises(RecordError, match=r"made, muscle 0: .* of clean rest"):
        run(recording(8.0, seconds=40.0), (0.5, 3.0))


def test_half_as_much_rest_does_with_shorter_blocks() -> None:
    (channel,) = run(recording(8.0), (20.0, 24.0))
    assert len(channel.onsets) == 3


def test_the_whole_is_plain_json() -> None:
    import json

    fields = json.loads(json.dumps(run(recording(8.0))[0].to_dict()))
    assert set(fields) >= {"label", "threshold_uv", "predicted_false_per_min", "onsets", "inhibits"}
    assert set(fields["onsets"][0]) == {"decided_s", "onset_s", "peak_uv"}
    assert set(fields["inhibits"][0]) == {"from_s", "to_s", "reason"}
