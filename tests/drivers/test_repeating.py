"""The estimate of what a device gives by itself, against a device whose delays are drawn."""

from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.pulses import PulseClock
from nmesd.drivers.repeating import RepeatingPulses
from nmesd.units import NS_PER_MS, charge_pc
from nmesd.wire import ZERO, ChannelOutput, Output

SLACK_NS = 20 * NS_PER_MS
ONE = ChannelOutput(10_000, 250, 20_000)
GIVING: Output = (ONE, *ZERO[1:])

channels = st.builds(
    ChannelOutput,
    st.sampled_from([0, 5_000, 10_000, 30_000]),
    st.sampled_from([100, 400]),
    st.sampled_from([10_000, 20_000, 33_000]),
)
commands = st.tuples(
    st.tuples(channels, channels).map(lambda two: (*two, *ZERO[2:])),
    st.integers(0, SLACK_NS - NS_PER_MS),  # from sending to obeying
    st.integers(0, 100 * NS_PER_MS),  # from the acknowledgement to the next command
)


@given(st.lists(commands, max_size=12))
def test_it_is_never_less_than_what_was_given(steps: list[tuple[Output, int, int]]) -> None:
    device, estimate = PulseClock(), RepeatingPulses(SLACK_NS)
    given_pulses = given_pc = pulses = charge = 0
    now_ns = 10**9
    for output, delay_ns, rest_ns in steps:
        estimate.change(output, now_ns)
        for until_ns, obeyed in ((now_ns + delay_ns, False), (now_ns + delay_ns + rest_ns, True)):
            if obeyed:
                device.set(output)
                estimate.settled(now_ns)
            while now_ns < until_ns:
                now_ns = min(until_ns, now_ns + NS_PER_MS // 2)
                for _, pulse in device.due(now_ns):
                    given_pulses += 1
                    given_pc += charge_pc(pulse.amplitude_ua, pulse.pulse_width_us)
                estimate.count(now_ns)
                more = estimate.take()
                pulses, charge = pulses + more[0], charge + more[1]
                assert pulses >= given_pulses
                assert charge >= given_pc


def test_it_is_exact_where_nothing_changes() -> None:
    estimate = RepeatingPulses(SLACK_NS)
    estimate.change(GIVING, 0)
    estimate.settled(0)
    estimate.count(10**9 - 1)
    assert estimate.take() == (50, 50 * 2_500_000)
    assert estimate.next_ns() == 10**9
    estimate.change(ZERO, 10**9 - 1)
    estimate.settled(10**9 - 1)
    estimate.count(10**10)
    assert estimate.take() == (0, 0)
    assert estimate.next_ns() == NEVER_NS


def test_until_a_stop_is_acknowledged_it_counts_on() -> None:
    estimate = RepeatingPulses(SLACK_NS)
    estimate.change(GIVING, 0)
    estimate.settled(0)
    estimate.change(ZERO, 1)
    estimate.count(40 * NS_PER_MS)
    assert estimate.take() == (3, 3 * 2_500_000)


def test_a_pulse_that_may_yet_come_is_counted_at_the_higher_charge() -> None:
    estimate = RepeatingPulses(SLACK_NS)
    estimate.change(GIVING, 0)
    estimate.count(0)
    estimate.change((ONE._replace(amplitude_ua=11_000), *ZERO[1:]), NS_PER_MS)
    assert estimate.take() == (1, 2_750_000)


def test_a_first_pulse_may_begin_at_once_and_after_a_stop_a_period_after_its_confirmation() -> None:
    slow: Output = (ONE, ONE._replace(period_us=33_000), *ZERO[2:])
    estimate = RepeatingPulses(SLACK_NS)
    assert estimate.may_begin_ns(GIVING) < 0
    estimate.change(ZERO, 0)  # a stop of what gave nothing
    estimate.settled(1)
    assert estimate.may_begin_ns(GIVING) < 0
    estimate.change(GIVING, 2)
    estimate.settled(3)
    estimate.change(ZERO, 30 * NS_PER_MS)
    estimate.settled(40 * NS_PER_MS)
    assert estimate.may_begin_ns(GIVING) == 60 * NS_PER_MS
    assert estimate.may_begin_ns(slow) == 73 * NS_PER_MS
    estimate.change(ZERO, 50 * NS_PER_MS)  # a stop again changes nothing
    estimate.settled(55 * NS_PER_MS)
    assert estimate.may_begin_ns(GIVING) == 60 * NS_PER_MS


@given(
    st.lists(
        st.tuples(channels, st.integers(0, SLACK_NS - NS_PER_MS), st.integers(0, 80 * NS_PER_MS)),
        max_size=8,
    )
)
def test_a_device_that_begins_at_once_gives_no_two_pulses_closer_than_a_period(
    trains: list[tuple[ChannelOutput, int, int]],
) -> None:
    """One that does not look back when it is started: the host waits, and that is enough."""
    estimate, last_ns, now_ns = RepeatingPulses(SLACK_NS), -NEVER_NS, 10**9
    for wanted, delay_ns, rest_ns in trains:
        if not wanted.amplitude_ua:
            continue
        output: Output = (wanted, *ZERO[1:])
        period_ns = wanted.period_us * 1000
        now_ns = max(now_ns, estimate.may_begin_ns(output))
        estimate.change(output, now_ns)
        first_ns = now_ns + delay_ns  # it takes the command, and gives at once
        assert first_ns - last_ns >= period_ns
        estimate.settled(now_ns + SLACK_NS)
        stop_ns = now_ns + SLACK_NS + rest_ns
        estimate.change(ZERO, stop_ns)
        stopped_ns = stop_ns + delay_ns  # the latest time at which it takes the stop
        last_ns = first_ns + (stopped_ns - first_ns) // period_ns * period_ns
        now_ns = stopped_ns
        estimate.settled(now_ns)
