from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.errors import ConfigError
from nmesd.sim.attempts import planned_attempts
from nmesd.sim.spec import PatientSpec, spec_from_json
from nmesd.sim.virtual_patient import VirtualPatient

# Attempts, spikes and pulses within the first seconds, so that short runs contain everything.
BUSY = PatientSpec(
    seed=7, channels=2, first_attempt_s=0.5, interval_s=2.5, interval_jitter_s=0.2,
    duration_s=1.0, duration_jitter_s=0.1, spikes_hz=8.0, offset_uv=77_000.0,
)  # fmt: skip
QUIET = PatientSpec(mains_uv=0.0, first_attempt_s=1e6)
PULSES = [(1200, 20_000, 300), (1230, 20_000, 300), (1231, 9_000, 2_000), (3000, 15_000, 250)]


def run(spec: PatientSpec, cuts: list[int]) -> tuple[np.ndarray, tuple[object, ...]]:
    patient = VirtualPatient(spec)
    for pulse in PULSES:
        patient.hear(*pulse)
    return np.concatenate([patient.generate(n) for n in cuts]), patient.attempts


WHOLE = run(BUSY, [4000])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 600), max_size=20))
def test_chunks_change_no_bit(cuts: list[int]) -> None:
    cuts = [n for i, n in enumerate(cuts) if sum(cuts[: i + 1]) <= 4000]
    emg, attempts = run(BUSY, [*cuts, 4000 - sum(cuts)])
    assert np.array_equal(emg, WHOLE[0])
    assert attempts == WHOLE[1]


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 50))
def test_hearing_a_pulse_in_time_is_as_good_as_knowing_it(chunk: int) -> None:
    patient, pieces, left = VirtualPatient(BUSY), [], list(PULSES)
    while patient.position < 4000:
        n = min(chunk, 4000 - patient.position)
        while left and left[0][0] < patient.position + n:
            patient.hear(*left.pop(0))
        pieces.append(patient.generate(n))
    assert np.array_equal(np.concatenate(pieces), WHOLE[0])
    assert patient.attempts == WHOLE[1]


def test_the_seed_is_the_patient() -> None:
    again, other = VirtualPatient(BUSY), VirtualPatient(replace(BUSY, seed=8))
    first = VirtualPatient(BUSY).generate(2000)
    assert np.array_equal(first, again.generate(2000))
    assert not np.array_equal(first, other.generate(2000))


def test_rest_has_its_rms_and_the_offset() -> None:
    emg = VirtualPatient(replace(QUIET, channels=2, offset_uv=-500.0)).generate(60_000)
    assert emg.shape == (60_000, 2)
    assert np.std(emg, axis=0) == pytest.approx(3.0, rel=0.03)
    assert np.mean(emg, axis=0) == pytest.approx(-500.0, abs=0.1)
    assert abs(np.mean((emg[:, 0] + 500) * (emg[:, 1] + 500))) < 0.05 * 9


def test_mains_is_there_within_its_tolerance() -> None:
    emg = VirtualPatient(replace(QUIET, mains_uv=5.0)).generate(60_000)[:, 0]
    power = np.abs(np.fft.rfft(emg * np.hanning(60_000))) ** 2
    hz = np.fft.rfftfreq(60_000, 1e-3)
    near = (hz > 45) & (hz < 55)
    assert 49.8 <= hz[near][np.argmax(power[near])] <= 50.2
    assert emg.var() == pytest.approx(9 + 12.5 * (1 + 0.04 + 0.09), rel=0.05)


def test_emg_has_the_spectrum_of_emg() -> None:
    loud = replace(QUIET, first_attempt_s=0, duration_s=100, interval_s=200, attempt_db=40)
    emg = VirtualPatient(loud).generate(60_000)[1000:, 0]
    power = np.abs(np.fft.rfft(emg)) ** 2
    hz = np.fft.rfftfreq(len(emg), 1e-3)
    median = hz[int(np.searchsorted(np.cumsum(power), power.sum() / 2))]
    assert 70 < median < 130
    assert power[hz < 5].sum() < 0.01 * power.sum()


def test_attempts_stand_as_far_above_rest_as_ordered() -> None:
    spec = PatientSpec(mains_uv=0.0, attempt_db=12.0, attempt_spread_db=0.0)
    emg = VirtualPatient(spec).generate(200_000)[:, 0]
    plateaus = [emg[a.onset + a.rise : a.offset - 100] for a in planned_attempts(spec, 190)]
    assert len(plateaus) > 20
    ratio = np.concatenate(plateaus).var() / 9.0
    assert 10 * np.log10(ratio - 1) == pytest.approx(12.0, abs=0.5)


def test_attempts_are_known_beforehand_and_within_their_ranges() -> None:
    spec = PatientSpec()
    planned = planned_attempts(spec, 100)
    patient = VirtualPatient(spec)
    patient.generate(100_000)
    assert patient.attempts == planned
    assert planned[0].onset_s == 5.0
    assert [a.number for a in planned] == list(range(1, len(planned) + 1))
    for attempt in planned:
        assert 1.25 <= attempt.offset_s - attempt.onset_s <= 1.75
        assert 50 <= attempt.rise <= 200
    gaps = np.diff([a.onset_s for a in planned])
    assert (gaps >= 6.5).all()
    assert (gaps <= 9.5).all()


def test_effort_begins_with_the_onset_sample() -> None:
    spec = PatientSpec(attempt_db=60.0, attempt_spread_db=0.0)
    rest = VirtualPatient(replace(spec, first_attempt_s=1e6)).generate(8000)[:, 0]
    effort = VirtualPatient(spec).generate(8000)[:, 0] - rest
    (attempt,) = planned_attempts(spec, 8)
    where = np.flatnonzero(effort)
    assert (where[0], where[-1]) == (attempt.onset, attempt.offset - 1)


def response(spec: PatientSpec, sample: int, amplitude_ua: int, width_us: int) -> np.ndarray:
    heard, deaf = VirtualPatient(spec), VirtualPatient(spec)
    heard.hear(sample, amplitude_ua, width_us)
    return heard.generate(1000) - deaf.generate(1000)


def test_a_pulse_leaves_artefact_then_m_wave_at_their_samples() -> None:
    left = response(replace(QUIET, channels=2), 100, 20_000, 300)
    assert not left[:100].any()
    assert left[100] == pytest.approx(20_000)
    assert left[101] == pytest.approx(-20_000)
    assert left[102] == pytest.approx(5_000)
    assert left[104] == pytest.approx(5_000 * np.exp(-1))
    # the M-wave is the target muscle's alone, from 5 ms on for 12 ms
    wave = left[:, 0] - left[:, 1]
    assert np.flatnonzero(np.abs(wave) > 1)[[0, -1]].tolist() == [105, 116]
    assert 0.9 * 6300 * 0.84 < wave.max() < 6300 * 0.85  # 20 mA recruit 84 %
    assert not left[150:].any()


def test_the_m_wave_grows_with_current_and_saturates() -> None:
    spec = replace(QUIET, artefact_uv_per_ma=0.0)
    peaks = [response(spec, 100, ma * 1000, 300).max() for ma in (5, 10, 15, 20, 40, 80)]
    assert peaks == sorted(peaks)
    assert peaks[0] < 0.05 * peaks[-1]
    assert peaks[-1] == pytest.approx(peaks[-2], rel=0.01)


def test_the_amplifier_rails() -> None:
    left = VirtualPatient(replace(QUIET, rail_uv=1000.0))
    left.hear(10, 20_000, 300)
    emg = left.generate(100)
    assert emg.max() == 1000.0
    assert emg.min() == -1000.0


def test_a_pulse_heard_late_is_still_seen_and_zero_is_none() -> None:
    patient, deaf = VirtualPatient(QUIET), VirtualPatient(QUIET)
    patient.generate(50)
    deaf.generate(50)
    patient.hear(10, 20_000, 300)
    patient.hear(60, 0, 300)
    patient.hear(60, 20_000, 0)
    left = patient.generate(100) - deaf.generate(100)
    assert left[0, 0] == pytest.approx(20_000)
    assert np.abs(left[40:]).max() == 0


def test_an_attempt_waits_for_the_stimulator_and_puts_off_the_next() -> None:
    spec = PatientSpec(first_attempt_s=1.0)
    free = planned_attempts(spec, 30)
    patient = VirtualPatient(spec)
    for sample in range(800, 3001, 30):
        patient.hear(sample, 20_000, 300)
    for _ in range(30_000 // 4):
        patient.generate(4)
    last = 800 + (3000 - 800) // 30 * 30
    assert patient.attempts[0].onset == last + 800
    moved = patient.attempts[0].onset - free[0].onset
    assert patient.attempts[1].onset == free[1].onset + moved
    assert patient.attempts[0].rms_uv == free[0].rms_uv


def test_an_attempt_does_not_wait_when_told_not_to() -> None:
    spec = PatientSpec(first_attempt_s=1.0, defer_after_pulse_s=0.0)
    patient = VirtualPatient(spec)
    patient.hear(900, 20_000, 300)
    patient.generate(1500)
    assert patient.attempts[0].onset == 1000


def test_an_attempt_under_way_goes_on_under_stimulation() -> None:
    spec = PatientSpec(first_attempt_s=1.0)
    patient = VirtualPatient(spec)
    patient.generate(1100)
    before = patient.attempts
    patient.hear(1100, 20_000, 300)
    patient.generate(2000)
    assert patient.attempts == before == planned_attempts(spec, 2)


def test_spikes_come_as_often_as_ordered() -> None:
    spec = replace(QUIET, spikes_hz=8.0, spike_uv=1000.0)
    emg = VirtualPatient(spec).generate(60_000)[:, 0]
    above = emg > 500
    count = int((above[1:] & ~above[:-1]).sum())
    assert 6 * 60 < count < 10 * 60


def test_a_spec_comes_from_json() -> None:
    assert spec_from_json('{"seed": 3, "rest_uv": 5}') == PatientSpec(seed=3, rest_uv=5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"sead": 1}', "no field 'sead'"),
        ('{"seed": 1.5}', "whole number"),
        ('{"rest_uv": "3"}', "rest_uv"),
        ('{"rest_uv": 0}', "above 0"),
        ('{"rest_uv": NaN}', "finite"),
        ('{"mains_uv": -1}', "at least 0"),
        ('{"channels": 0}', "channels"),
        ('{"rate_hz": 50}', "rate_hz"),
        ('{"rise_min_s": 0.5}', "rise_min_s"),
        ('{"interval_s": 2}', "interval_s"),
        ('{"duration_s": 0.3}', "duration_s"),
    ],
)
def test_an_impossible_spec_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        spec_from_json(text)
