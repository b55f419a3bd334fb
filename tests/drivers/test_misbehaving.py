"""A stimulator that does not behave: what the driver says of it, how soon, and that zero is always tried."""

import re
import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ZERO, ChannelOutput, Output
from tests.drivers.conftest import ACK_NS, TARGETS

PERIOD_NS = 40 * NS_PER_MS
ONE = ChannelOutput(10_000, 250, 40_000)
GIVING: Output = (ONE, ONE, *ZERO[2:])
BUSY_NS = NS_PER_S  # what a busy machine may add
LIVE_NS = 100 * NS_PER_MS  # of those that repeat; the others are told each pulse
P24 = ["p24-low", "p24-mid"]
REHASTIM2 = ["rehastim2-list", "rehastim2-single"]
ALL = [*P24, *REHASTIM2]
STARTED_ANEW = "has begun anew by itself"
GARBAGE = "(belong to no packet|packet without|damaged packet|no answer)"


class Fault(NamedTuple):
    """An order, and what the driver makes of it."""

    name: str
    order: dict[str, Any]
    reasons: tuple[Reason, ...]
    words: str
    value: int | None = None


def fault(name: str, order: str, reason: Reason, words: str, **more: Any) -> Fault:
    value = more.pop("value", None)
    # Random bytes may also look like the beginning of a packet that never ends.
    reasons = (reason, Reason.DEVICE_LATE) if order == "garbage" else (reason,)
    return Fault(name, {"order": order, **more}, reasons, words, value)


LATE = [
    fault(name, order, Reason.DEVICE_LATE, "no answer from the stimulator", **more)
    for name in ALL
    for order, more in (("silent", {}), ("late", {"ms": 800}), ("lost", {}))
]
# Twelve bytes at a time; on a slow machine it may be heard twice at once.
NOISE = "(12|24|36) bytes that belong to no packet"
ODD = [
    fault(name, order, Reason.DEVICE_ANSWER, words)
    for name in ALL
    for order, words in (("garbage", GARBAGE), ("noise", NOISE))
]
OF_THE_DEVICE = [
    *(
        fault(name, "electrode", Reason.DEVICE_ELECTRODE, "channel 2", channel=2, value=2)
        for name in P24
    ),
    *(
        fault(name, "electrode", Reason.DEVICE_ELECTRODE, "electrode error", channel=2)
        for name in REHASTIM2
    ),
    *(fault(name, "restart", Reason.DEVICE_ANSWER, "not initialised") for name in P24),
    *(fault(name, "restart", Reason.DEVICE_FAILED, STARTED_ANEW) for name in REHASTIM2),
    *(fault(name, "emergency", Reason.DEVICE_SWITCH, "emergency switch") for name in REHASTIM2),
    *(fault(name, "module", Reason.DEVICE_FAILED, "module has failed") for name in REHASTIM2),
    fault("p24-low", "busy", Reason.DEVICE_ANSWER, "did not give a pulse: busy"),
]

FAULTS = [*LATE, *ODD, *OF_THE_DEVICE]


def giving(make_bench: Callable[..., Any], name: str, *options: str) -> Any:
    """A bench whose device gives on two channels."""
    bench = make_bench(name, *options)
    bench.apply(GIVING)
    bench.until(lambda: {pulse.channel for pulse in bench.given} == {0, 1})
    return bench


@pytest.fixture(params=ALL)
def bench(request: pytest.FixtureRequest, make_bench: Callable[..., Any]) -> Any:
    return giving(make_bench, request.param)


def sleep_listening(bench: Any, span_ns: int) -> None:
    """No turn at all, but hear the pulses: the kernel queues about ten."""
    end_ns = time.monotonic_ns() + span_ns
    while time.monotonic_ns() < end_ns:
        time.sleep(0.005)
        assert bench.given


def gives_nothing_more(bench: Any) -> None:
    """What was commanded just now is obeyed after a moment, and then stays."""
    sleep_listening(bench, PERIOD_NS)
    before = len(bench.given)
    sleep_listening(bench, 3 * PERIOD_NS)
    assert len(bench.given) == before


def zero_is_taken(bench: Any) -> None:
    """Zero again whenever it fails, as the guard does, until the device has confirmed one."""
    end_ns = time.monotonic_ns() + 20 * NS_PER_S
    bench.zero()
    line = bench.driver._line
    while line.stop_owed or line.awaiting:
        assert time.monotonic_ns() < end_ns
        try:
            bench.turn()
        except DeviceError:
            bench.zero()


def gives_only_when_applied_again(bench: Any) -> None:
    zero_is_taken(bench)
    before = len(bench.given)
    bench.turn_for(3 * PERIOD_NS)
    assert len(bench.given) == before
    bench.apply(GIVING)
    bench.until(lambda: len(bench.given) >= before + 4)


class TestOrders:
    @pytest.mark.parametrize("fault", FAULTS, ids=lambda one: f"{one.name} {one.order['order']}")
    def test_a_fault_is_named_in_time_and_zero_still_works(
        self, make_bench: Callable[..., Any], fault: Fault
    ) -> None:
        bench = giving(make_bench, fault.name)
        at_ns = bench.emulator.order(**fault.order)
        error = bench.fails()
        took_ns = time.monotonic_ns() - at_ns
        assert error.reason in fault.reasons
        assert re.search(fault.words, str(error))
        assert took_ns < max(LIVE_NS, PERIOD_NS) + ACK_NS + BUSY_NS
        if error.reason is Reason.DEVICE_LATE:
            assert ACK_NS == error.limit < error.value < ACK_NS + BUSY_NS
        if fault.value is not None:
            assert error.value == fault.value
        bench.zero()  # it hears, whatever it answers
        gives_nothing_more(bench)
        bench.emulator.order("healthy")  # to be closed soon

    @pytest.mark.parametrize("name", ALL)
    def test_a_device_that_is_well_again_gives_after_zero_and_a_new_apply(
        self, make_bench: Callable[..., Any], name: str
    ) -> None:
        """After any fault of its own, one after the other."""
        bench = giving(make_bench, name)
        for fault in FAULTS:
            if fault.name == name:
                bench.emulator.order(**fault.order)
                bench.fails()
                bench.zero()
                bench.emulator.order("healthy")
                gives_only_when_applied_again(bench)
        assert bench.net_pc == 0

    def test_a_zero_that_is_not_answered_counts_as_not_taken(self, bench: Any) -> None:
        bench.emulator.order("silent")
        for _ in range(3):
            bench.zero()
            assert bench.fails().reason is Reason.DEVICE_LATE
        bench.apply(GIVING)
        sent = bench.driver._line._number
        bench.driver.tick(time.monotonic_ns())
        assert bench.driver._line._number == sent  # and without it nothing is given
        bench.emulator.order("healthy")

    def test_answers_that_come_byte_by_byte_are_no_fault(self, bench: Any) -> None:
        bench.emulator.order("split")
        before = len(bench.given)
        bench.until(lambda: len(bench.given) >= before + 8)
        bench.zero()
        bench.turn_for(2 * PERIOD_NS)
        gives_nothing_more(bench)

    @pytest.mark.parametrize("name", ["p24-mid", *REHASTIM2])
    def test_an_electrode_error_stops_it_by_itself(
        self, make_bench: Callable[..., Any], name: str
    ) -> None:
        """Before anybody commands it; and of what a P24 is sent pulse by pulse nothing flows there."""
        bench = giving(make_bench, name)
        at_ns = bench.emulator.order("electrode", channel=1)
        sleep_listening(bench, 4 * PERIOD_NS)  # no turn meanwhile
        assert [pulse for pulse in bench.given if pulse.given_ns > at_ns + 2 * PERIOD_NS] == []
        if bench.target.repeats:
            assert bench.emulator.event("stopped")["why"] == "electrode"
        assert bench.fails().reason is Reason.DEVICE_ELECTRODE

    def test_an_electrode_error_stops_that_output_alone_and_by_itself(
        self, make_bench: Callable[..., Any]
    ) -> None:
        """Low level of a P24: a pulse each, so the other channel goes on until the guard hears of it."""
        bench = giving(make_bench, "p24-low")
        at_ns = bench.emulator.order("electrode", channel=1)
        assert bench.fails().reason is Reason.DEVICE_ELECTRODE
        assert {pulse.channel for pulse in bench.given if pulse.given_ns > at_ns} <= {1}

    def test_a_mid_level_that_is_busy_refuses_a_change_in_words(
        self, make_bench: Callable[..., Any]
    ) -> None:
        bench = giving(make_bench, "p24-mid")
        bench.emulator.order("busy")
        bench.apply((ONE._replace(amplitude_ua=9_000), *ZERO[1:]))
        error = bench.fails()
        assert error.reason is Reason.DEVICE_ANSWER
        assert "busy" in str(error)
        bench.zero()  # a stop is taken
        assert bench.emulator.event("stopped")["why"] == "command"

    def test_a_list_that_stays_busy_is_an_error_also_when_zero_is_wanted(
        self, make_bench: Callable[..., Any]
    ) -> None:
        bench = giving(make_bench, "rehastim2-list")
        bench.emulator.order("busy")
        bench.apply(ZERO)  # the end of a train; it goes on giving
        error = bench.fails()
        assert error.reason is Reason.DEVICE_ANSWER
        assert "does not obey (answer 33): busy" in str(error)
        bench.zero()
        assert bench.emulator.event("stopped")["why"] == "command"
        bench.emulator.order("healthy")
        gives_only_when_applied_again(bench)

    def test_a_list_that_is_busy_for_a_moment_is_told_again(
        self, make_bench: Callable[..., Any]
    ) -> None:
        bench = giving(make_bench, "rehastim2-list")
        bench.emulator.order("busy")
        bench.apply((ONE._replace(amplitude_ua=8_000), ONE, *ZERO[2:]))
        bench.tick()
        bench.turn_for(30 * NS_PER_MS)
        bench.emulator.order("healthy")
        bench.until(lambda: any(pulse.amplitude_ua == 8_000 for pulse in bench.given))
        bench.zero()
        bench.turn_for(2 * PERIOD_NS)
        gives_nothing_more(bench)

    def test_single_pulses_that_are_refused_as_busy_are_not_given_later(
        self, make_bench: Callable[..., Any]
    ) -> None:
        bench = giving(make_bench, "rehastim2-single")
        bench.emulator.order("busy")
        bench.turn_for(3 * PERIOD_NS)
        before = len(bench.given)
        healthy_ns = bench.emulator.order("healthy")
        bench.until(lambda: len(bench.given) >= before + 4)
        spans = (time.monotonic_ns() - healthy_ns) // PERIOD_NS
        assert len(bench.given) - before <= 2 * (spans + 2)

    @pytest.mark.parametrize("name", REHASTIM2)
    @pytest.mark.parametrize("order", ["emergency", "module"])
    def test_what_lasts_is_said_at_every_new_try(
        self, make_bench: Callable[..., Any], name: str, order: str
    ) -> None:
        bench = giving(make_bench, name)
        bench.emulator.order(order)
        reason = bench.fails().reason
        zero_is_taken(bench)
        before = len(bench.given)
        bench.apply(GIVING)
        assert bench.fails().reason is reason
        bench.zero()
        gives_nothing_more(bench)
        assert len(bench.given) == before


class TestTheDevice:
    def test_gone_is_said_once_and_zero_says_it_each_time(self, bench: Any) -> None:
        bench.emulator.process.kill()
        error = bench.fails()
        assert error.reason is Reason.DEVICE_FAILED
        assert "is gone" in str(error)
        assert bench.driver.fileno() == -1
        bench.driver.listen(time.monotonic_ns())
        for _ in range(3):
            with pytest.raises(DeviceError, match="not connected"):
                bench.zero()
        bench.driver.close()

    def test_unplugged_it_stays_gone_when_it_is_plugged_in_again(self, bench: Any) -> None:
        bench.emulator.order("unplug")
        error = bench.fails()
        assert error.reason is Reason.DEVICE_FAILED
        assert "is gone" in str(error)
        bench.emulator.order("replug")
        for _ in range(2):
            with pytest.raises(DeviceError, match="not connected: restart the guard"):
                bench.zero()
        before = len(bench.given)
        bench.driver.close()
        another = bench.another()
        another.open()  # a guard started anew; it stops what goes on by itself
        opened = len(bench.given)
        assert another.tick(time.monotonic_ns()).pulses == 0
        sleep_listening(bench, 4 * PERIOD_NS)
        assert len(bench.given) == opened
        assert bench.target.repeats or opened == before
        another.close()

    def test_frozen_is_late_and_it_stops_before_it_goes_on(self, bench: Any) -> None:
        bench.emulator.process.send_signal(signal.SIGSTOP)
        try:
            assert bench.fails().reason is Reason.DEVICE_LATE
            before = len(bench.given)
            bench.zero()
        finally:
            bench.emulator.process.send_signal(signal.SIGCONT)
        zero_is_taken(bench)
        # It may have been frozen just as it gave these two, or with one command for each unread.
        assert len(bench.given) <= before + 2
        gives_nothing_more(bench)

    @pytest.mark.parametrize(
        ("name", "words"),
        [("p24-mid", "stimulation timeout"), ("rehastim2-list", STARTED_ANEW)],
    )
    def test_that_it_stopped_by_itself_is_noticed(
        self, make_bench: Callable[..., Any], name: str, words: str
    ) -> None:
        bench = giving(make_bench, name, "--dead-man-ms", "400")
        bench.emulator.event("stopped")  # no turn meanwhile
        assert words in str(bench.fails())
        zero_is_taken(bench)
        bench.driver.tick(time.monotonic_ns())
        given = bench.pulses
        bench.turn_for(5 * PERIOD_NS)
        assert bench.pulses == given  # nor does the estimate run on

    @pytest.mark.parametrize(
        ("name", "order"),
        [
            *((name, "silent") for name in ALL),
            ("p24-low", "garbage"),
            ("rehastim2-list", "garbage"),
        ],
    )
    def test_one_that_does_not_answer_is_not_opened(
        self,
        make_bench: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        order: str,
    ) -> None:
        monkeypatch.setattr("nmesd.drivers.sciencemode2.MEET_NS", 700 * NS_PER_MS)
        monkeypatch.setattr("nmesd.drivers.sciencemode4.OPEN_NS", 300 * NS_PER_MS)
        bench = make_bench(name, opened=False)
        bench.emulator.order(order)
        with pytest.raises(DeviceError, match=r"no (answer|Init)") as caught:
            bench.driver.open()
        assert caught.value.reason is Reason.DEVICE_LATE
        assert bench.driver.fileno() == -1
        bench.emulator.order("healthy")
        monkeypatch.undo()
        another = bench.another()
        another.open()  # the port was let go
        another.close()

    @pytest.mark.parametrize("order", ["noise", "split"])
    def test_noise_on_the_line_does_not_keep_it_from_being_opened(
        self, make_bench: Callable[..., Any], order: str
    ) -> None:
        for name in ("p24-low", "rehastim2-list"):
            bench = make_bench(name, opened=False)
            bench.emulator.order(order)
            bench.driver.open()
            assert bench.port in bench.driver.identify()

    @pytest.mark.parametrize("name", ALL)
    def test_an_answer_to_an_earlier_guard_is_not_taken_for_ours(
        self, make_bench: Callable[..., Any], name: str
    ) -> None:
        bench = giving(make_bench, name)
        bench.emulator.order("late", ms=150)
        bench.driver.close()
        another = bench.another()
        another.open()
        assert bench.port in another.identify()
        bench.emulator.order("healthy")
        another.close()

    @pytest.mark.parametrize("name", ALL)
    def test_another_version_is_not_opened(self, make_bench: Callable[..., Any], name: str) -> None:
        bench = make_bench(name, "--version", "2", opened=False)
        with pytest.raises(DeviceError, match=r"(version 2, 1|ScienceMode 4) is needed") as caught:
            bench.driver.open()
        assert caught.value.reason is Reason.DEVICE_ANSWER
        assert bench.driver.fileno() == -1

    @pytest.mark.parametrize("name", ["p24-low", "rehamove3"])
    def test_another_model_is_not_opened(self, make_bench: Callable[..., Any], name: str) -> None:
        bench = make_bench(name, opened=False)
        other = "rehamove3" if name == "p24-low" else "p24"
        bench.target = bench.target._replace(options={"model": other})
        driver = bench.another()
        with pytest.raises(DeviceError, match="is needed: correct model") as caught:
            driver.open()
        assert caught.value.reason is Reason.DEVICE_ANSWER
        assert driver.fileno() == -1

    @pytest.mark.parametrize("name", sorted(one for one in TARGETS if TARGETS[one].emulated))
    def test_one_that_was_never_opened_takes_no_zero_and_can_be_closed(
        self, make_bench: Callable[..., Any], name: str
    ) -> None:
        driver = make_bench(name, opened=False).driver
        assert driver.fileno() == -1
        assert driver.identify() == "not open"
        driver.listen(0)
        with pytest.raises(DeviceError, match="not connected"):
            driver.zero(0)
        driver.close()

    def test_greetings_of_a_device_that_nobody_keeps_alive_are_answered(
        self, make_bench: Callable[..., Any]
    ) -> None:
        """Disarmed, a RehaStim 2 says Init again and again; armed, it has no reason to."""
        bench = make_bench("rehastim2-list", "--dead-man-ms", "200")
        said: list[str] = []
        bench.driver._line.trace = lambda _, what, __: said.append(what)
        bench.turn_for(NS_PER_S, lease=False)
        assert said[:2] == ["INIT", "INIT_ACK"]
        assert 2 <= said.count("INIT") <= 5  # every 200 ms, at most
        assert said.count("INIT_ACK") in (said.count("INIT"), said.count("INIT") - 1)
        zero_is_taken(bench)
        assert "STOP_LIST_ACK" in said
