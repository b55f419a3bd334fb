"""A stimulator set by hand: what is configured, what it can give, how it is opened."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers import driver_from_config, make_driver
from nmesd.drivers.base import NEVER_NS
from nmesd.errors import ConfigError, DeviceError, Reason
from nmesd.units import NS_PER_US
from nmesd.wire import ZERO, ChannelOutput, Output
from nmesd.wire.coding import coded
from tests.drivers.fake_lines import FakeLines
from tests.drivers.gpio_bench import (
    BOTH,
    CHARGE_PC,
    CHIP,
    GATE,
    GATED,
    GIVING,
    ONE,
    PROPERTY,
    SET,
    START,
    TRIGGER,
    TRIGGER_NS,
    TRIGGERED,
    Make,
)


class TestWhatIsConfigured:
    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({}, "trigger_line = gate_line = -1: give at least one"),
            ({"trigger_line": 4, "gate_line": 4}, "not the same line for both"),
            ({"gate_line": 4}, "set_rate_mhz = 0: say at which rate"),
            ({"trigger_line": 4, "set_rate_mhz": 30_000}, "must be 0 with a trigger_line"),
            (
                {"trigger_line": 4, "set_rate_mhz": 999},
                "set_rate_mhz = 999 mHz: must be 1000 to 100000",
            ),
            ({"trigger_line": 512}, "trigger_line = 512: must be the line's number"),
            ({"trigger_line": 4, "trigger_us": 99}, "trigger_us = 99 µs: must be 100 to 5000 µs"),
            (
                {"trigger_line": 4, "gate_toggle_ms": 11},
                "gate_toggle_ms = 11 ms: must be 1 to 10 ms",
            ),
            ({"trigger_line": 4, "set_amplitude_ua": 20.0}, "say what the stimulator is set to"),
            ({"trigger_line": 4, "set_amplitude_ua": 130_001}, "1 to 130000 µA"),
            ({"trigger_line": 4, "set_pulse_width_us": 501}, "1 to 500 µs"),
            ({"trigger_line": 4, "pin": 4}, "pin = .*: there is no such key"),
        ],
    )
    def test_what_is_wrong_or_contradicts_itself_is_refused(
        self, wrong: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(ConfigError, match=words):
            make_driver("gpio", CHIP, SET | wrong)

    @pytest.mark.parametrize("key", SET)
    def test_what_it_is_set_to_must_be_said(self, key: str) -> None:
        options = {k: v for k, v in TRIGGERED.items() if k != key}
        with pytest.raises(ConfigError, match=f"{key} is missing: say what"):
            make_driver("gpio", CHIP, options)

    def test_a_chip_must_be_named(self) -> None:
        with pytest.raises(ConfigError, match="by its label"):
            make_driver("gpio", "", TRIGGERED)

    def test_it_says_what_it_is_set_to_and_where_it_hangs(self) -> None:
        assert make_driver("gpio", CHIP, BOTH).identify() == (
            "stimulator set by hand to 20 mA, 250 µs; trigger on line 17, gate on line 27, "
            "toggled every 5 ms of pinctrl-fake"
        )
        assert (
            "20 mA, 250 µs, 50 Hz; gate on line 27" in make_driver("gpio", CHIP, GATED).identify()
        )
        assert (
            make_driver("gpio", CHIP, TRIGGERED)
            .identify()
            .endswith("trigger on line 17 of pinctrl-fake")
        )
        assert make_driver("gpio", CHIP, BOTH).capabilities.simulated is False

    def test_below_full_level_nothing_moves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = FakeLines()
        lines.wire_to(monkeypatch)
        driver = driver_from_config({"driver": "gpio", "port": CHIP, **BOTH}, None)
        driver.open()
        driver.apply(GIVING, START)
        driver.tick(START)
        assert lines[CHIP, TRIGGER].claimed
        assert lines[CHIP, TRIGGER].changes == lines[CHIP, GATE].changes == []


class TestWhatItCanGive:
    @given(
        wanted=st.builds(
            ChannelOutput,
            st.integers(0, 40_000) | st.integers(19_999, 20_001),
            st.integers(0, 500) | st.integers(249, 251),
            st.integers(0, 100_000) | st.integers(1999, 2001),
        ),
        channel=st.integers(0, 7),
    )
    @PROPERTY
    def test_it_gives_what_it_is_set_to_or_nothing(
        self, make: Make, wanted: ChannelOutput, channel: int
    ) -> None:
        bench = make(BOTH)
        output = list(ZERO)
        output[channel] = wanted
        given = coded(tuple(output), bench.driver.capabilities)
        gives = channel == 0 and wanted[:2] == ONE[:2]
        least_us = 2 * TRIGGER_NS // NS_PER_US
        slower = ONE._replace(period_us=max(wanted.period_us, least_us))
        assert given == ((slower, *ZERO[1:]) if gives else ZERO)
        bench.apply(given)
        assert bench.tick()[:2] == (gives, gives * CHARGE_PC)
        assert bench.trigger.high is bench.gate.high is gives

    def test_at_exactly_what_it_is_set_to(self, make: Make) -> None:
        bench = make(BOTH)
        assert coded(GIVING, bench.driver.capabilities) == GIVING
        bench.apply()
        assert bench.tick()[:2] == (1, CHARGE_PC)

    @pytest.mark.parametrize(
        ("output", "reason", "value", "limit"),
        [
            (
                (ONE._replace(amplitude_ua=20_001), *ZERO[1:]),
                Reason.LIMIT_AMPLITUDE,
                20_001,
                20_000,
            ),
            ((ONE._replace(pulse_width_us=251), *ZERO[1:]), Reason.LIMIT_PULSE_WIDTH, 251, 250),
            ((ONE._replace(amplitude_ua=19_999), *ZERO[1:]), Reason.DEVICE_FAILED, 0, 0),
            ((ONE._replace(period_us=1999), *ZERO[1:]), Reason.DEVICE_FAILED, 0, 0),
            ((ONE, ONE, *ZERO[2:]), Reason.LIMIT_CHANNEL, 2, 0),
            ((*ZERO[:7], ONE), Reason.LIMIT_CHANNEL, 8, 0),
        ],
    )
    def test_anything_else_is_refused(
        self, make: Make, output: Output, reason: Reason, value: int, limit: int
    ) -> None:
        bench = make(BOTH)
        with pytest.raises(DeviceError) as caught:
            bench.apply(output)
        error = caught.value
        assert (error.reason, error.value, error.limit) == (reason, value, limit)
        assert bench.tick() == (0, 0, 0, NEVER_NS)
        assert bench.low

    def test_a_gate_alone_has_one_rate(self, make: Make) -> None:
        can = make(GATED | {"set_rate_mhz": 30_000}).driver.capabilities
        assert can.period_least_us == can.period_most_us == 33_334  # as the daemon rounds 30 Hz
        for period_us, given_us in ((33_334, 33_334), (10_000, 33_334), (33_335, 0)):
            output = coded((ONE._replace(period_us=period_us), *ZERO[1:]), can)
            assert output[0].period_us == given_us


class TestOpening:
    def test_both_lines_are_let_go_if_one_cannot_be_had(self, make: Make) -> None:
        bench = make(BOTH)
        another = make_driver("gpio", CHIP, BOTH | {"gate_line": 5})
        with pytest.raises(DeviceError, match="line 17 of pinctrl-fake: another program has this"):
            another.open()
        assert not bench.lines[CHIP, 5].claimed
        bench.apply()
        assert bench.tick().pulses == 1  # and the first does not notice

    def test_two_on_one_chip(self, make: Make) -> None:
        bench = make(TRIGGERED)
        another = make_driver("gpio", CHIP, TRIGGERED | {"trigger_line": 5})
        another.open()
        bench.apply()
        bench.tick()
        another.close()
        assert bench.trigger.high

    def test_closed_it_gives_nothing_and_can_be_opened_again(self, make: Make) -> None:
        bench = make(BOTH)
        bench.driver.close()
        bench.driver.close()
        bench.zero()
        with pytest.raises(DeviceError, match="not open"):
            bench.apply()
        assert bench.tick() == (0, 0, 0, NEVER_NS)
        assert bench.driver.fileno() == -1
        bench.driver.listen(START)
        bench.driver.open()
        bench.apply()
        assert bench.tick().pulses == 1
