"""What a stimulator gives of what is asked: never more, and what is close enough is told from what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers import make_driver
from nmesd.wire import (
    ANY,
    CHANNELS,
    ZERO,
    Capabilities,
    ChannelOutput,
    Misfit,
    Output,
    coded,
    misfits,
)
from nmesd.wire.coding import TOLERANCE_PERCENT

GPIO = {"trigger_line": 17, "set_amplitude_ua": 10_000, "set_pulse_width_us": 250}
REAL: dict[str, Capabilities] = {
    "p24-low": make_driver("sciencemode4", "x").capabilities,
    "p24-mid": make_driver("sciencemode4", "x", {"mode": "mid"}).capabilities,
    "rehamove3": make_driver("sciencemode4", "x", {"model": "rehamove3"}).capabilities,
    "rehastim2-list": make_driver("sciencemode2", "x").capabilities,
    "rehastim2-single": make_driver("sciencemode2", "x", {"mode": "single"}).capabilities,
    "gpio": make_driver("gpio", "x", GPIO).capabilities,
    "sim": make_driver("sim", "x").capabilities,
}

ranges = st.tuples(st.integers(1, 5_000), st.integers(0, 100_000), st.integers(1, 3_000))


@st.composite
def imagined(draw: st.DrawFn) -> Capabilities:
    (a, a_more, a_step), (w, w_more, w_step), (p, p_more, p_step) = (draw(ranges) for _ in "awp")
    return Capabilities(
        draw(st.integers(1, CHANNELS)), 0, draw(st.booleans()),
        a, a + a_more, a_step, w, w + w_more, w_step, p, p + p_more, p_step,
    )  # fmt: skip


devices = st.sampled_from(list(REAL.values())) | imagined()
channels = st.builds(
    ChannelOutput,
    st.just(0) | st.integers(1, 140_000),
    st.integers(0, 5_000),
    st.integers(0, 200_000),
)
outputs: st.SearchStrategy[Output] = st.lists(channels, min_size=CHANNELS, max_size=CHANNELS).map(
    tuple
)


@given(outputs, devices)
def test_it_is_never_more_than_asked_in_amplitude_width_or_rate(
    output: Output, device: Capabilities
) -> None:
    for asked, given_ in zip(output, coded(output, device), strict=True):
        if given_.amplitude_ua:
            assert given_.amplitude_ua <= asked.amplitude_ua
            assert given_.pulse_width_us <= asked.pulse_width_us
            assert given_.period_us >= asked.period_us


@given(outputs, devices)
def test_what_is_coded_the_device_can(output: Output, device: Capabilities) -> None:
    for channel, given_ in enumerate(coded(output, device)):
        if not given_.amplitude_ua:
            continue
        assert channel < device.channels
        amplitude, width, period = given_
        assert device.amplitude_least_ua <= amplitude <= device.amplitude_most_ua
        assert device.width_least_us <= width <= device.width_most_us
        assert device.period_least_us <= period <= device.period_most_us
        assert (amplitude - device.amplitude_least_ua) % device.amplitude_step_ua == 0
        assert (width - device.width_least_us) % device.width_step_us == 0
        off_us = (period - device.period_least_us) % device.period_step_us
        assert off_us == 0 or period == device.period_most_us


@given(outputs, devices)
def test_coded_again_it_is_the_same(output: Output, device: Capabilities) -> None:
    once = coded(output, device)
    assert coded(once, device) == once


@given(outputs, devices)
def test_zero_stays_zero_and_what_is_given_was_asked_for(
    output: Output, device: Capabilities
) -> None:
    assert coded(ZERO, device) == ZERO or not any(one.amplitude_ua for one in coded(ZERO, device))
    for asked, given_ in zip(output, coded(output, device), strict=True):
        assert asked.amplitude_ua or not given_.amplitude_ua


@given(outputs, devices)
def test_a_channel_that_gives_nothing_is_all_zero(output: Output, device: Capabilities) -> None:
    for one in coded(output, device):
        assert one.amplitude_ua or one == ChannelOutput()


@given(outputs, devices.map(lambda device: device._replace(one_period=True)))
def test_one_period_is_one_and_the_slowest(output: Output, device: Capabilities) -> None:
    giving = [one for one in coded(output, device) if one.amplitude_ua]
    assert len({one.period_us for one in giving}) <= 1
    alone = [coded((*ZERO[:at], one, *ZERO[at + 1 :]), device)[at] for at, one in enumerate(output)]
    periods = [one.period_us for one in alone if one.amplitude_ua]
    assert all(one.period_us == max(periods) for one in giving)


@given(channels, devices, st.integers(0, CHANNELS - 1))
def test_it_fits_exactly_if_it_is_given_and_within_5_percent(
    wanted: ChannelOutput, device: Capabilities, channel: int
) -> None:
    near = coded((*ZERO[:channel], wanted, *ZERO[channel + 1 :]), device)[channel]
    fits = misfits(channel, wanted, device) == []
    if not wanted.amplitude_ua:
        assert fits
    elif not near.amplitude_ua:
        assert not fits
    else:
        pairs = zip(wanted, near, strict=True)
        assert fits == all(
            abs(got - asked) * 100 <= TOLERANCE_PERCENT * asked for asked, got in pairs
        )


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gpio", ChannelOutput(9_800, 250, 40_000)),  # set to 10 mA by hand
        ("gpio", ChannelOutput(10_100, 250, 40_000)),
        ("rehastim2-list", ChannelOutput(1_950, 250, 40_000)),
        ("rehastim2-list", ChannelOutput(10_000, 501, 40_000)),
        ("p24-low", ChannelOutput(130_400, 250, 40_000)),
    ],
)
def test_what_is_not_given_at_all_does_not_fit(name: str, wanted: ChannelOutput) -> None:
    assert coded((wanted, *ZERO[1:]), REAL[name]) == ZERO
    assert misfits(0, wanted, REAL[name]) != []


@pytest.mark.parametrize(
    ("name", "asked", "given_"),
    [
        ("p24-low", (10_999, 255, 33_333), (10_500, 255, 33_333)),
        ("p24-mid", (10_999, 255, 33_333), (10_500, 255, 33_500)),
        ("rehastim2-list", (10_999, 255, 33_333), (10_000, 255, 33_500)),
        ("p24-low", (130_000, 4095, 33_333), (130_000, 4095, 33_333)),
        ("p24-mid", (500, 10, 16_383_000), (500, 10, 16_383_000)),
        ("rehastim2-list", (10_999, 255, 5_000), (10_000, 255, 8_000)),
        ("rehastim2-single", (10_999, 255, 20_000), (10_000, 255, 25_000)),
        ("rehastim2-list", (1_999, 255, 33_333), (0, 0, 0)),  # a ramp begins with nothing
        ("rehastim2-list", (131_000, 255, 33_333), (0, 0, 0)),
        ("p24-low", (10_000, 9, 33_333), (0, 0, 0)),
        ("gpio", (9_999, 250, 33_333), (0, 0, 0)),
        ("sim", (10_999, 255, 33_333), (10_999, 255, 33_333)),
    ],
)
def test_examples(name: str, asked: tuple[int, int, int], given_: tuple[int, int, int]) -> None:
    assert coded((ChannelOutput(*asked), *ZERO[1:]), REAL[name])[0] == given_


@pytest.mark.parametrize(
    ("name", "periods"), [("rehastim2-list", (50_000, 50_000)), ("p24-low", (33_333, 50_000))]
)
def test_channels_have_one_period_where_the_device_has_one(
    name: str, periods: tuple[int, int]
) -> None:
    asked = (ChannelOutput(10_000, 250, 33_333), ChannelOutput(10_000, 250, 50_000), *ZERO[2:])
    given_ = coded(asked, REAL[name])
    assert tuple(one.period_us for one in given_[:2]) == periods
    assert given_[2:] == ZERO[2:]


def test_exactly_5_percent_off_is_within_the_tolerance() -> None:
    device = ANY._replace(amplitude_least_ua=95_000, amplitude_step_ua=95_000)
    assert misfits(0, ChannelOutput(100_000, 1, 1), device) == []
    assert misfits(0, ChannelOutput(100_001, 1, 1), device) == [
        Misfit("amplitude", 100_001, 95_000, "µA")
    ]


@pytest.mark.parametrize(
    ("name", "channel", "wanted", "found"),
    [
        ("rehamove3", 4, (10_000, 250, 40_000), [Misfit("channel", 5, 4, "")]),
        ("rehastim2-list", 0, (3_000, 250, 40_000), [Misfit("amplitude", 3_000, 2_000, "µA")]),
        ("rehastim2-single", 0, (10_000, 250, 20_000), [Misfit("period", 20_000, 25_000, "µs")]),
        ("p24-low", 0, (10_000, 9, 40_000), [Misfit("pulse width", 9, 10, "µs")]),
        (
            "gpio", 1, (12_000, 300, 1_000),
            [
                Misfit("channel", 2, 1, ""),
                Misfit("amplitude", 12_000, 10_000, "µA"),
                Misfit("pulse width", 300, 250, "µs"),
                Misfit("period", 1_000, 2_000, "µs"),
            ],
        ),
        ("gpio", 0, (10_000, 250, 40_000), []),
        ("gpio", 5, (0, 0, 0), []),
    ],
)  # fmt: skip
def test_a_misfit_names_the_nearest_that_can_be_given(
    name: str, channel: int, wanted: tuple[int, int, int], found: list[Misfit]
) -> None:
    assert misfits(channel, ChannelOutput(*wanted), REAL[name]) == found
