"""The train's time course: rises, stays, falls, one step a pulse."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.core.train import (
    Dose,
    advanced,
    begun,
    falling_ua,
    period_ns,
    pulse_of,
    rising_ua,
    targets_ua,
)
from nmesd.core.values import Programme, Why
from tests.core.situations import EXTENSOR, PROGRAMME

durations_ns = st.one_of(st.just(0), st.integers(0, 2_000_000_000), st.integers(0, 50_000_000))
programmes = st.builds(
    PROGRAMME._replace,
    period_us=st.integers(10_000, 200_000),
    ramp_up_ns=durations_ns,
    ramp_down_ns=durations_ns,
)
amplitudes_ua = st.integers(1, 130_000)


@settings(max_examples=150, deadline=None)
@given(programmes, amplitudes_ua)
def test_a_train_rises_to_its_amplitude(programme: Programme, target_ua: int) -> None:
    pulses = range(0, programme.ramp_up_ns + 2 * period_ns(programme), period_ns(programme))
    course = [rising_ua(target_ua, t_ns, programme) for t_ns in pulses]
    assert course[0] > 0  # the first pulse is one
    assert all(a <= b for a, b in pairwise(course))
    assert all(
        ua == target_ua for ua, t in zip(course, pulses, strict=True) if t >= programme.ramp_up_ns
    )
    steps = max(1, programme.ramp_up_ns // period_ns(programme))
    assert all(b - a <= -(-target_ua // steps) for a, b in pairwise(course))


@settings(max_examples=150, deadline=None)
@given(programmes, amplitudes_ua)
def test_a_train_falls_to_nothing(programme: Programme, from_ua: int) -> None:
    pulses = range(0, max(programme.ramp_down_ns, 1), period_ns(programme))
    course = [falling_ua(from_ua, t_ns, programme) for t_ns in pulses]
    assert course[0] < from_ua  # falls from its first pulse on
    assert all(a >= b >= 0 for a, b in pairwise(course))
    assert falling_ua(from_ua, max(programme.ramp_down_ns, 1), programme) == 0
    if programme.ramp_down_ns:
        assert falling_ua(from_ua, programme.ramp_down_ns - 1, programme) == 0


def test_the_steps_of_a_ramp_are_equal() -> None:
    ms = 1_000_000
    assert [rising_ua(10_000, t * ms, PROGRAMME) for t in range(0, 120, 20)] == [
        2000, 4000, 6000, 8000, 10_000, 10_000,
    ]  # fmt: skip
    assert [falling_ua(10_000, t * ms, PROGRAMME) for t in range(0, 100, 20)] == [
        8000, 6000, 4000, 2000, 0,
    ]  # fmt: skip
    assert rising_ua(10_000, 39 * ms, PROGRAMME) == 4000  # a step lasts a period


def test_a_session_warms_up_trial_by_trial() -> None:
    warm = PROGRAMME._replace(warm_up_trials=4, warm_up_from_permille=500)
    course = [targets_ua(EXTENSOR, warm, trial) for trial in (0, 1, 3, 4, 40)]
    assert course == [(5000, 2500), (6250, 3125), (8750, 4375), (10_000, 5000), (10_000, 5000)]
    assert targets_ua(EXTENSOR, PROGRAMME, 0) == (10_000, 5000)


def test_a_pulse_counts_on_every_channel_that_gives() -> None:
    both = 10_000 * 250 + 5_000 * 300
    assert pulse_of((10_000, 5_000), EXTENSOR, PROGRAMME) == Dose(2, both, 20_000_000)
    assert pulse_of((10_000, 0), EXTENSOR, PROGRAMME) == Dose(1, 10_000 * 250, 20_000_000)
    assert pulse_of((0, 0), EXTENSOR, PROGRAMME) == Dose(0, 0, 0)
    assert Dose(1, 2, 3).plus(Dose(10, 20, 30)) == Dose(11, 22, 33)


def test_amplitudes_are_whole_and_rounded_towards_safety() -> None:
    """Up on the way up, so that the first pulse is one; down everywhere else."""
    uneven = PROGRAMME._replace(ramp_up_ns=60_000_000, ramp_down_ns=60_000_000)  # three pulses
    rising = [rising_ua(10_000, t, uneven) for t in (0, 20_000_000, 40_000_000, 60_000_000)]
    falling = [falling_ua(10_000, t, uneven) for t in (0, 20_000_000, 40_000_000)]
    assert rising == [3334, 6667, 10_000, 10_000]
    assert falling == [6666, 3333, 0]
    short = PROGRAMME._replace(
        ramp_up_ns=10_000_000, ramp_down_ns=50_000_000
    )  # less than a period; two and a half
    assert rising_ua(9, 0, short) == 9
    assert [falling_ua(9, t, short) for t in (0, 20_000_000, 40_000_000)] == [4, 0, 0]
    warm = PROGRAMME._replace(warm_up_trials=3, warm_up_from_permille=333)
    assert [targets_ua(EXTENSOR, warm, trial)[0] for trial in range(4)] == [
        3330,
        5550,
        7770,
        10_000,
    ]
    everything = (*rising, *falling, *targets_ua(EXTENSOR, warm, 1))
    assert all(type(ua) is int for ua in everything)


def test_a_train_knows_in_which_part_it_is() -> None:
    train, parts = begun(0, (10_000, 5_000), 0, PROGRAMME), []
    for t_ns in range(20_000_000, 440_000_000, 20_000_000):
        train, why = advanced(train, 0, t_ns, PROGRAMME)
        parts.append(why)
    assert parts == (
        [Why.RAMP_UP] * 4 + [Why.PLATEAU] * 10 + [Why.RAMP_DOWN] * 5 + [Why.TRAIN_OVER] * 2
    )  # fmt: skip
