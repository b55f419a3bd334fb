"""The train's time course: rises, stays, falls, one step a pulse."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.core.machine import (
    train_amplitude,
    train_ns,
)
from nmesd.core.values import (
    CoreSettings,
    Why,
)
from nmesd.units import NS_PER_US
from tests.core.situations import S


def _part(t_ns: int, train: CoreSettings) -> Why:
    lengths_ns = (train.ramp_up_ns, train.plateau_ns, train.ramp_down_ns)
    for part, length_ns in zip((Why.RAMP_UP, Why.PLATEAU, Why.RAMP_DOWN), lengths_ns, strict=True):
        if t_ns < length_ns:
            return part
        t_ns -= length_ns
    return Why.TRAIN_OVER


durations_ns = st.one_of(st.just(0), st.integers(0, 2_000_000_000), st.integers(0, 50_000_000))
trains = st.builds(
    S._replace,
    amplitude_ua=st.integers(1, 130_000),
    period_us=st.integers(10_000, 200_000),
    ramp_up_ns=durations_ns,
    plateau_ns=durations_ns,
    ramp_down_ns=durations_ns,
)


@settings(max_examples=150, deadline=None)
@given(trains, st.lists(st.integers(0, 6_000_000_000), max_size=60).map(sorted))
def test_a_train_rises_stays_and_falls(train: CoreSettings, more_ns: list[int]) -> None:
    up_ns, down_ns = train.ramp_up_ns, train.ramp_up_ns + train.plateau_ns
    over_ns = train_ns(train)
    edges = {up_ns - 1, up_ns, down_ns - 1, down_ns, over_ns - 1, over_ns, over_ns + 1}
    period_ns = train.period_us * NS_PER_US
    pulses = set(range(0, over_ns + 1, period_ns))
    times_ns = sorted({*more_ns, *pulses, *(t for t in edges if t >= 0)})
    course = [(t, *train_amplitude(t, train)) for t in times_ns]

    assert all(0 <= amplitude_ua <= train.amplitude_ua for _, amplitude_ua, _ in course)
    if down_ns > 0:
        assert train_amplitude(0, train)[0] > 0  # the first pulse
    for (t_ns, amplitude_ua, _), (later_ns, later_ua, _) in pairwise(course):
        if later_ns < down_ns:
            assert later_ua >= amplitude_ua
        if t_ns >= down_ns:
            assert later_ua <= amplitude_ua
    for t_ns, amplitude_ua, why in course:
        assert why is _part(t_ns, train)
        if why is Why.PLATEAU:
            assert amplitude_ua == train.amplitude_ua
        if why is Why.TRAIN_OVER:
            assert amplitude_ua == 0
    if train.ramp_down_ns:
        assert train_amplitude(over_ns - 1, train)[0] == 0
    if up_ns:
        assert train_amplitude(up_ns - 1, train)[0] == train.amplitude_ua


@settings(max_examples=100, deadline=None)
@given(trains, st.floats(2, 100), st.floats(2, 100))
def test_no_step_of_a_ramp_is_over_its_share(
    train: CoreSettings, up_pulses: float, down_pulses: float
) -> None:
    """Up and down go in equal steps, to a microampere: no jump where a ramp begins or ends."""
    period_ns = train.period_us * NS_PER_US
    train = train._replace(
        ramp_up_ns=int(up_pulses * period_ns), ramp_down_ns=int(down_pulses * period_ns)
    )
    up = [train_amplitude(t, train)[0] for t in range(0, train.ramp_up_ns, period_ns)]
    most = train.amplitude_ua // (train.ramp_up_ns // period_ns) + 1
    assert all(b - a <= most for a, b in pairwise([0, *up, train.amplitude_ua]))
    start = train.ramp_up_ns + train.plateau_ns
    down = [train_amplitude(start + t, train)[0] for t in range(0, train.ramp_down_ns, period_ns)]
    most = train.amplitude_ua // (train.ramp_down_ns // period_ns) + 1
    assert all(a - b <= most for a, b in pairwise([train.amplitude_ua, *down, 0]))
