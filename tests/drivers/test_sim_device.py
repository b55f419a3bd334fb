"""A stimulator that does not behave: what the driver says of it, how soon, and that zero is always tried."""

import os
import pty
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmesd.drivers import make_driver
from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.sim_device import ACK_NS, LIVE_NS, SPEED, SimulatedDevice
from nmesd.drivers.sim_lines import sealed, unsealed
from nmesd.drivers.tty import Tty
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ZERO, ChannelOutput, Output

ONE = ChannelOutput(10_000, 250, 20_000)
GIVING: Output = (ONE, ONE, *ZERO[2:])
BUSY_NS = NS_PER_S // 2  # what a busy machine may add


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    bench = make_bench("sim_device")
    bench.apply(GIVING)
    bench.until(lambda: bench.pulses >= 4)
    return bench


def zero_is_taken(bench: Any) -> None:
    """Zero again whenever it fails, as the guard does, until a while goes by without complaint."""
    quiet_since_ns = time.monotonic_ns()
    end_ns = quiet_since_ns + 10 * NS_PER_S
    bench.zero()
    while time.monotonic_ns() - quiet_since_ns < 2 * bench.ack_ns:
        assert time.monotonic_ns() < end_ns
        try:
            bench.turn()
        except DeviceError:
            quiet_since_ns = time.monotonic_ns()
            bench.zero()


class TestOrders:
    @pytest.mark.parametrize(
        ("order", "reason", "words"),
        [
            ({"order": "silent"}, Reason.DEVICE_LATE, "no answer"),
            ({"order": "late", "ms": 500}, Reason.DEVICE_LATE, "no answer"),
            ({"order": "garbage"}, Reason.DEVICE_ANSWER, "cannot be understood"),
            ({"order": "electrode", "channel": 2}, Reason.DEVICE_ELECTRODE, "channel 2"),
        ],
        ids=lambda value: value.get("order") if isinstance(value, dict) else "",
    )
    def test_a_fault_is_named_in_time_and_zero_still_works(
        self, bench: Any, order: dict[str, Any], reason: Reason, words: str
    ) -> None:
        at_ns = bench.emulator.order(**order)
        error = bench.fails()
        took_ns = time.monotonic_ns() - at_ns
        assert error.reason is reason
        assert words in str(error)
        assert took_ns < LIVE_NS + bench.ack_ns + BUSY_NS
        if reason is Reason.DEVICE_LATE:
            assert bench.ack_ns == error.limit < error.value < bench.ack_ns + BUSY_NS
        if reason is Reason.DEVICE_ELECTRODE:
            assert error.value == 2
        bench.zero()  # it hears, whatever it answers
        assert bench.emulator.event("stopped")["why"] == "command"
        stopped_ns = bench.emulator.events[-1]["at_ns"]
        time.sleep(0.1)
        assert max(pulse.given_ns for pulse in bench.given) <= stopped_ns

    @pytest.mark.parametrize("order", ["silent", "late", "garbage"])
    def test_a_device_that_is_well_again_gives_after_zero_and_a_new_apply(
        self, bench: Any, order: str
    ) -> None:
        bench.emulator.order(order, **({"ms": 400} if order == "late" else {}))
        bench.fails()
        bench.zero()
        bench.emulator.order("healthy")
        zero_is_taken(bench)
        before = len(bench.given)
        bench.turn_for(100 * NS_PER_MS)
        assert len(bench.given) == before
        bench.apply(GIVING)
        bench.until(lambda: len(bench.given) >= before + 4)

    def test_a_zero_that_is_not_answered_counts_as_not_taken(self, bench: Any) -> None:
        bench.emulator.order("silent")
        for _ in range(3):
            bench.zero()
            assert bench.fails().reason is Reason.DEVICE_LATE
        bench.apply(GIVING)
        sent = bench.driver._number
        bench.driver.tick(time.monotonic_ns())
        assert bench.driver._number == sent  # and without it nothing is given

    def test_an_electrode_error_stops_that_output_alone_and_by_itself(self, bench: Any) -> None:
        at_ns = bench.emulator.order("electrode", channel=1)
        later: list[int] = []
        end_ns = time.monotonic_ns() + 10 * NS_PER_S
        while len(later) < 4 and time.monotonic_ns() < end_ns:  # the kernel queues ten datagrams
            later = [pulse.channel for pulse in bench.given if pulse.given_ns > at_ns]
        assert set(later) == {1}


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

    def test_frozen_is_late_and_it_stops_before_it_goes_on(self, bench: Any) -> None:
        bench.emulator.process.send_signal(signal.SIGSTOP)
        assert bench.fails().reason is Reason.DEVICE_LATE
        before = len(bench.given)
        bench.zero()
        bench.emulator.process.send_signal(signal.SIGCONT)
        zero_is_taken(bench)
        assert len(bench.given) <= before + 2  # it may have been frozen just as it gave these two

    def test_that_it_stopped_by_itself_is_noticed(self, make_bench: Callable[..., Any]) -> None:
        bench = make_bench("sim_device", dead_man_ms=100)
        bench.apply(GIVING)
        bench.until(lambda: bench.pulses >= 2)
        bench.emulator.event("stopped")  # no turn meanwhile
        assert "stopped by itself" in str(bench.fails())
        zero_is_taken(bench)
        bench.driver.tick(time.monotonic_ns())
        given = bench.pulses
        bench.turn_for(200 * NS_PER_MS)
        assert bench.pulses == given  # nor does the estimate run on

    def test_what_the_device_refuses_is_said(self, bench: Any) -> None:
        bench.apply((ONE._replace(period_us=1000), *ZERO[1:]))
        error = bench.fails()
        assert error.reason is Reason.DEVICE_ANSWER
        assert "range" in str(error)

    @pytest.mark.parametrize("order", ["silent", "garbage"])
    def test_one_that_does_not_answer_is_not_opened(self, bench: Any, order: str) -> None:
        bench.driver.close()
        bench.emulator.order(order)
        another = make_driver("sim_device", bench.port)
        with pytest.raises(DeviceError, match="no answer to stop"):
            another.open()
        bench.emulator.order("healthy")
        another = make_driver("sim_device", bench.port)
        another.open()  # the port was let go
        another.close()

    def test_an_answer_to_an_earlier_guard_is_not_taken_for_ours(self, bench: Any) -> None:
        bench.emulator.order("late", ms=400)
        bench.driver.close()
        another = make_driver("sim_device", bench.port)
        another.open()
        assert "dead-man 1200 ms" in another.identify()
        another.close()

    def test_one_that_was_never_opened_takes_no_zero_and_can_be_closed(self) -> None:
        driver = make_driver("sim_device", "/dev/null")
        assert driver.fileno() == -1
        driver.listen(0)
        with pytest.raises(DeviceError, match="not connected"):
            driver.zero(0)
        driver.close()

    def test_one_without_dead_man_is_not_opened(self, make_bench: Callable[..., Any]) -> None:
        bench = make_bench("sim_device", dead_man_ms=0, opened=False)
        with pytest.raises(DeviceError, match="without dead-man"):
            bench.driver.open()
        assert bench.driver.fileno() == -1


class Fake:
    """The driver on a pty whose other end the test holds; opening was left out."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.driver = SimulatedDevice(os.ttyname(self.slave))
        self.driver._port = Tty(os.ttyname(self.slave), SPEED)
        self.driver._dead_man_ns = NS_PER_S

    def sent(self) -> list[str]:
        """What the driver has said since the last call."""
        try:
            data = os.read(self.master, 65536)
        except BlockingIOError:
            return []
        return [unsealed(line) for line in data.split(b"\n") if line]

    def say(self, data: bytes, now_ns: int) -> None:
        os.write(self.master, data)
        self.driver.listen(now_ns)

    def close(self) -> None:
        assert self.driver._port
        self.driver._port.close()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def fake() -> Iterator[Fake]:
    fake = Fake()
    yield fake
    fake.close()


def number(text: str) -> int:
    return int(text.split(maxsplit=1)[0])


def flood(fake: Fake) -> None:
    for _ in range(10_000):
        fake.driver.zero(0)


class TestTheLine:
    """In made-up time."""

    def test_an_output_waits_for_the_answer_to_the_last_and_zero_for_none(self, fake: Fake) -> None:
        driver = fake.driver
        driver.apply(GIVING, 0)
        assert driver.tick(0) == (2, 5_000_000, 0, 20 * NS_PER_MS)
        (first,) = fake.sent()
        assert first.split()[1:] == [
            "give",
            "1",
            "10000",
            "250",
            "20000",
            "2",
            "10000",
            "250",
            "20000",
        ]
        less: Output = (ONE, *ZERO[1:])
        driver.apply(less, 1)
        assert driver.tick(1).next_ns == 1 + NS_PER_MS  # to look again
        assert fake.sent() == []
        fake.say(sealed(f"ok {number(first)}"), 2)
        driver.tick(3)
        (second,) = fake.sent()
        assert second.endswith("give 1 10000 250 20000")
        driver.zero(4)
        (stop,) = fake.sent()
        assert stop.endswith(" stop")
        driver.apply(GIVING, 5)
        driver.tick(6)
        fake.say(sealed(f"ok {number(second)}"), 7)
        driver.tick(8)
        assert fake.sent() == []  # not before the stop is confirmed
        fake.say(sealed(f"ok {number(stop)}"), 9)
        driver.tick(10)
        assert len(fake.sent()) == 1

    def test_the_keep_alive_comes_only_with_ticks_and_only_while_giving(self, fake: Fake) -> None:
        driver = fake.driver
        assert driver.tick(0).next_ns == NEVER_NS
        driver.apply(GIVING, 0)
        driver.tick(0)
        fake.say(sealed(f"ok {number(fake.sent()[0])}"), 1)
        driver.listen(LIVE_NS)
        assert fake.sent() == []
        driver.tick(LIVE_NS - 1)
        assert fake.sent() == []
        driver.tick(LIVE_NS)
        assert fake.sent()[0].endswith(" live")
        driver.zero(LIVE_NS + 1)
        driver.tick(10 * LIVE_NS)
        assert [text.split()[1] for text in fake.sent()] == ["stop"]

    def test_an_answer_may_take_the_limit_and_no_longer(self, fake: Fake) -> None:
        fake.driver.zero(0)
        fake.driver.listen(ACK_NS)
        with pytest.raises(DeviceError) as caught:
            fake.driver.listen(ACK_NS + 1)
        assert (caught.value.reason, caught.value.value) == (Reason.DEVICE_LATE, ACK_NS + 1)
        fake.say(sealed(f"ok {number(fake.sent()[0])}"), ACK_NS + 2)  # late, which was said

    def test_an_answer_read_late_is_not_the_device_s_fault(self, fake: Fake) -> None:
        fake.driver.zero(0)
        fake.say(sealed(f"ok {number(fake.sent()[0])}"), 10 * ACK_NS)

    def test_an_answer_in_two_parts_is_one(self, fake: Fake) -> None:
        fake.driver.zero(0)
        answer = sealed(f"ok {number(fake.sent()[0])}")
        fake.say(answer[:3], 1)
        fake.say(answer[3:], 2)
        assert not fake.driver._answers.awaited

    @pytest.mark.parametrize(
        "said",
        [
            sealed("ok 99999999"),
            sealed("ok"),
            sealed("ok x"),
            sealed("hello"),
            sealed("error electrode x"),
            sealed("error range 1"),
            b"ok 1*0000\n",
            b"ok 1\n",
            b"\n",
            b"\xff",
            b"\x00",
            b"a" * 500,
        ],
    )
    def test_what_nobody_asked_for_is_an_error_each_time(self, fake: Fake, said: bytes) -> None:
        for _ in range(2):
            with pytest.raises(DeviceError) as caught:
                fake.say(said, 0)
            assert caught.value.reason is Reason.DEVICE_ANSWER
        fake.driver.zero(0)
        fake.say(sealed(f"ok {number(fake.sent()[0])}"), 0)

    @settings(
        max_examples=200,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(said=st.binary(min_size=1, max_size=600))
    def test_no_bytes_make_it_speak_or_raise_anything_else(self, fake: Fake, said: bytes) -> None:
        try:
            fake.say(said, 0)
        except DeviceError as error:
            assert error.reason is Reason.DEVICE_ANSWER  # noqa: PT017  it need not raise
        assert fake.sent() == []

    def test_a_line_that_is_full_fails_and_the_next_stop_is_whole(self, fake: Fake) -> None:
        with pytest.raises(DeviceError, match="does not take what is sent"):
            flood(fake)
        fake.driver.zero(1)
        while True:
            try:
                data = os.read(fake.master, 65536)
            except BlockingIOError:
                break
            last = data.split(b"\n")[-2]
        assert unsealed(last).endswith(" stop")
        fake.say(sealed(f"ok {number(unsealed(last))}"), 1)
        assert fake.driver._stop_owed is None
