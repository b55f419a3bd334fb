"""The driver of RehaStim 2, in made-up time: what it says to the byte, and when."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nmesd.drivers import sciencemode2_packets as sm2
from nmesd.drivers.hasomed_bytes import Packet
from nmesd.drivers.sciencemode2 import ACK_NS, MEET_NS, MET_NS
from nmesd.drivers.sciencemode2_list import DEAD_MAN_NS, LIVE_NS
from nmesd.drivers.sciencemode2_packets import Command
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS
from nmesd.wire import ZERO, ChannelOutput, Output
from tests.drivers.hasomed_vectors import VECTORS_2
from tests.drivers.held_line import GIVING, ONE, PC, PERIOD_NS, START_NS, HeldLine, vector

# Two channels at 50 Hz, as in the vectors.
TWO: Output = (ONE, ChannelOutput(30_000, 250, 20_000), *ZERO[2:])
SINGLE: Output = (ChannelOutput(15_000, 300, 40_000), *ZERO[1:])
BUSY, WRONG_MODE, PARAMETER = b"\xf8", b"\xfd", b"\xfe"
START_ZERO = bytes.fromhex("00 00 14 00")  # 20 µs, current 0


@pytest.fixture
def lists() -> Iterator[HeldLine]:
    line = HeldLine("sciencemode2", first=2, parity="none")
    yield line
    line.close()


@pytest.fixture
def single() -> Iterator[HeldLine]:
    line = HeldLine("sciencemode2", first=6, parity="none", mode="single")
    yield line
    line.close()


@pytest.fixture(params=["list", "single"])
def either(request: pytest.FixtureRequest) -> Iterator[HeldLine]:
    line = HeldLine("sciencemode2", parity="none", mode=request.param)
    yield line
    line.close()


def begun(line: HeldLine, output: Output = GIVING, now_ns: int = START_NS) -> None:
    """Armed and giving this as a list, all acknowledged."""
    line.driver.apply(output, now_ns)
    line.driver.tick(now_ns)
    assert line.answer_all(now_ns) == [Command.INIT_LIST]
    line.driver.tick(now_ns)
    assert line.answer_all(now_ns) == [Command.START_LIST]


class TestList:
    def test_every_command_is_as_in_the_vectors(self, lists: HeldLine) -> None:
        lists.driver.apply(TWO, START_NS)
        assert lists.raw() == b""  # only a tick
        lists.driver.tick(START_NS)
        assert lists.raw() == vector(
            VECTORS_2, "InitChannelListMode #2: ch1+ch2, main 38 (=20 ms, 50 Hz), exec 0"
        )
        lists.say(vector(VECTORS_2, "InitChannelListModeAck #2 ok"), START_NS)
        assert lists.driver.tick(START_NS)[:3] == (2, PC + 30_000 * 250, 0)
        assert lists.raw() == vector(
            VECTORS_2, "StartChannelListMode #3: two channels 200 µs 20 mA / 250 µs 30 mA"
        )
        lists.say(vector(VECTORS_2, "StartChannelListModeAck #3 ok"), START_NS)
        lists.driver.zero(START_NS)
        raw = lists.raw()
        stop = vector(VECTORS_2, "StopChannelListMode #5")
        assert raw.endswith(stop)  # in the same write, after it
        assert raw[: -len(stop)] == sm2.encode(Packet(4, Command.START_LIST, 2 * START_ZERO))

    def test_the_keep_alive_is_as_in_the_vectors_and_comes_only_with_ticks(
        self, lists: HeldLine
    ) -> None:
        begun(lists)
        lists.numbers_from(4)
        for _ in range(3):
            lists.driver.listen(START_NS + DEAD_MAN_NS)
            lists.driver.apply(GIVING, START_NS + DEAD_MAN_NS)
        assert lists.raw() == b""
        lists.driver.tick(START_NS + LIVE_NS - 1)
        assert lists.raw() == b""
        lists.driver.tick(START_NS + LIVE_NS)
        watchdog = vector(VECTORS_2, "Watchdog #4")
        assert lists.raw() == watchdog + sm2.encode(Packet(5, Command.GET_MODE))

    def test_packet_numbers_wrap_at_256(self, lists: HeldLine) -> None:
        begun(lists)
        lists.numbers_from(256)
        lists.driver.tick(START_NS + LIVE_NS)
        raw = lists.raw()
        assert raw.endswith(vector(VECTORS_2, "GetStimulationMode #1"))
        lists.say(
            vector(VECTORS_2, "GetStimulationModeAck #1 ok, mode 2 (started)"), START_NS + LIVE_NS
        )
        now_ns, numbers = START_NS + LIVE_NS, [1]
        for _ in range(300):
            now_ns += LIVE_NS
            lists.driver.tick(now_ns)
            watchdog, asks = lists.sent()
            numbers += [watchdog.number, asks.number]
            lists.answer(asks, now_ns, b"\0\2")
        assert all(after == (before + 1) % 256 for before, after in pairwise(numbers))

    def test_that_it_has_stopped_by_itself_is_heard(self, lists: HeldLine) -> None:
        begun(lists)
        lists.driver.tick(START_NS + LIVE_NS)
        _, asks = lists.sent()
        with pytest.raises(DeviceError, match=r"has stopped by itself: mode 00$") as caught:
            lists.answer(asks, START_NS + LIVE_NS, b"\0\0")
        assert caught.value.reason is Reason.DEVICE_ANSWER

    def test_nothing_is_a_list_s_own_until_there_was_an_output(self, lists: HeldLine) -> None:
        """Armed at zero it is only kept alive, and so is one whose list gives nothing."""
        lists.driver._line.sent_ns = START_NS - LIVE_NS
        lists.driver.apply(ZERO, START_NS)
        given = lists.driver.tick(START_NS)
        assert given[:3] == (0, 0, 0)
        watchdog, asks = lists.sent()
        assert (watchdog.command, asks.command) == (Command.WATCHDOG, Command.GET_MODE)
        lists.answer(asks, START_NS, b"\0\0")
        assert not lists.driver._line.awaiting

    def test_the_list_of_the_last_session_is_made_ready_before_the_first_output(
        self, lists: HeldLine
    ) -> None:
        begun(lists)
        lists.driver.zero(START_NS + 1)
        lists.answer_all(START_NS + 2)
        lists.driver.apply(ZERO, START_NS + 3)
        lists.driver.tick(START_NS + 3)
        assert lists.answer_all(START_NS + 4) == [Command.INIT_LIST]
        lists.driver.apply(GIVING, START_NS + 5)
        lists.driver.tick(START_NS + 2 * PERIOD_NS)
        assert lists.commands() == [Command.START_LIST]

    def test_an_update_is_one_start_and_one_at_a_time(self, lists: HeldLine) -> None:
        begun(lists)
        for amplitude in (22_000, 24_000, 26_000):
            lists.driver.apply((ONE._replace(amplitude_ua=amplitude), *ZERO[1:]), START_NS + 1)
            lists.driver.tick(START_NS + 1)
        first = lists.one()
        assert first.data.hex(" ") == "00 00 c8 16"
        lists.answer(first, START_NS + 2)
        lists.driver.tick(START_NS + 2)
        assert lists.one().data.hex(" ") == "00 00 c8 1a"

    def test_a_zero_that_is_applied_does_not_wait_for_an_answer(self, lists: HeldLine) -> None:
        begun(lists)
        lists.driver.apply((ONE._replace(amplitude_ua=22_000), *ZERO[1:]), START_NS + 1)
        lists.driver.tick(START_NS + 1)
        lists.sent()
        lists.driver.apply(ZERO, START_NS + 2)
        assert lists.one() == (5, Command.START_LIST, START_ZERO)

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param((ZERO[0], ONE, *ZERO[2:]), id="channel"),
            pytest.param((ONE._replace(period_us=25_000), *ZERO[1:]), id="interval"),
        ],
    )
    def test_another_list_needs_a_stop(self, lists: HeldLine, other: Output) -> None:
        begun(lists)
        lists.driver.apply(other, START_NS + 1)
        lists.driver.tick(START_NS + 1)
        packets = lists.sent()
        assert [one.command for one in packets] == [Command.STOP_LIST, Command.INIT_LIST]
        for one in packets:
            lists.answer(one, START_NS + 2)
        lists.driver.tick(START_NS + 3)
        assert lists.sent() == []  # a period after the last pulse at the earliest
        lists.driver.tick(START_NS + 2 + max(one.period_us for one in other) * 1000)
        assert lists.commands() == [Command.START_LIST]

    def test_a_channel_that_ends_leaves_the_other_no_gap(self, lists: HeldLine) -> None:
        begun(lists, TWO)
        lists.driver.apply((TWO[0], *ZERO[1:]), START_NS + 1)
        lists.driver.tick(START_NS + 1)
        only = lists.one()
        assert only.command == Command.START_LIST
        assert only.data[3::4] == bytes((TWO[0].amplitude_ua // 1000, 0))

    def test_nothing_after_a_zero_before_the_stop_is_acknowledged(self, lists: HeldLine) -> None:
        begun(lists)
        lists.driver.zero(START_NS + 1)
        start, stop = lists.sent()
        lists.driver.apply(GIVING, START_NS + 2)
        for now_ns in range(START_NS + 2, START_NS + 2 + 3 * PERIOD_NS, NS_PER_MS):
            lists.driver.tick(now_ns)
        lists.answer(start, now_ns)
        lists.driver.tick(now_ns)
        assert lists.raw() == b""
        lists.answer(stop, now_ns)
        lists.driver.tick(now_ns)
        assert lists.commands() == [Command.INIT_LIST]

    def test_a_zero_again_is_a_stop_again(self, lists: HeldLine) -> None:
        begun(lists)
        lists.driver.zero(START_NS + 1)
        assert lists.commands() == [Command.START_LIST, Command.STOP_LIST]
        lists.driver.zero(START_NS + 2)
        assert lists.commands() == [Command.STOP_LIST]

    def test_until_the_stop_is_acknowledged_pulses_are_counted(self, lists: HeldLine) -> None:
        begun(lists)
        assert lists.driver.tick(START_NS + PERIOD_NS - 1).pulses == 0
        lists.driver.zero(START_NS + PERIOD_NS - 1)
        assert lists.driver.tick(START_NS + 2 * PERIOD_NS)[:2] == (2, 2 * PC)
        lists.answer_all(START_NS + 2 * PERIOD_NS)
        assert lists.driver.tick(START_NS + 9 * PERIOD_NS)[:2] == (0, 0)

    def test_a_dead_device_is_counted_no_longer_than_its_dead_man(self, lists: HeldLine) -> None:
        begun(lists)
        lists.driver.zero(START_NS + 1)
        pulses = lists.driver.tick(START_NS + 100 * DEAD_MAN_NS).pulses
        assert DEAD_MAN_NS // PERIOD_NS - 1 <= pulses <= (1 + DEAD_MAN_NS + ACK_NS) // PERIOD_NS

    def test_busy_is_told_again_until_it_has_been_so_for_too_long(self, lists: HeldLine) -> None:
        begun(lists)
        lists.driver.apply(ZERO, START_NS)
        tells, now_ns = 0, START_NS
        while now_ns <= START_NS + ACK_NS:
            start = lists.one()
            assert (start.command, start.data) == (Command.START_LIST, START_ZERO)
            lists.answer(start, now_ns, BUSY)
            tells += 1
            now_ns += 10 * NS_PER_MS
            assert lists.driver.tick(now_ns).next_ns <= now_ns + NS_PER_MS
        assert tells == 11
        with pytest.raises(DeviceError, match=r"does not obey .answer 33.: busy") as caught:
            lists.answer(lists.one(), now_ns, BUSY)
        assert (caught.value.reason, caught.value.value) == (Reason.DEVICE_ANSWER, -8)

    def test_busy_at_the_start_of_a_list_is_told_again(self, lists: HeldLine) -> None:
        lists.driver.apply(GIVING, START_NS)
        lists.driver.tick(START_NS)
        lists.say(sm2.encode(Packet(lists.one().number, Command.INIT_LIST_ACK, BUSY)), START_NS)
        begun(lists, now_ns=START_NS + NS_PER_MS)
        lists.driver.listen(START_NS + 2 * ACK_NS)
        assert not lists.driver._line.awaiting

    def test_once_it_has_obeyed_a_busy_time_begins_anew(self, lists: HeldLine) -> None:
        begun(lists)
        now_ns = START_NS
        for turn in range(6):
            output = (ONE._replace(amplitude_ua=22_000 + 2_000 * turn), *ZERO[1:])
            lists.driver.apply(output, now_ns)
            lists.driver.tick(now_ns)
            lists.answer(lists.one(), now_ns, BUSY)
            now_ns += ACK_NS // 2
            lists.driver.tick(now_ns)
            lists.answer(lists.one(), now_ns)
            now_ns += ACK_NS // 2
            assert lists.driver._mode._told == output

    @pytest.mark.parametrize("said", [BUSY, WRONG_MODE])
    def test_that_the_zero_before_a_stop_was_refused_is_of_no_matter(
        self, lists: HeldLine, said: bytes
    ) -> None:
        """A device that is busy, or has stopped by itself, refuses it; the stop is what counts."""
        begun(lists)
        lists.driver.zero(START_NS + 1)
        start, stop = lists.sent()
        lists.answer(start, START_NS + 2, said)
        lists.answer(stop, START_NS + 3)
        lists.driver.apply(ZERO, START_NS + 4)
        assert lists.raw() == b""
        lists.driver.tick(START_NS + 4)
        assert lists.answer_all(START_NS + 5) == [Command.INIT_LIST]

    @pytest.mark.parametrize(
        ("data", "words"),
        [(PARAMETER, "parameter error"), (b"\x7f", "result 127"), (b"", "without a result")],
    )
    def test_a_refusal_is_an_error(self, lists: HeldLine, data: bytes, words: str) -> None:
        lists.driver.apply(GIVING, START_NS)
        lists.driver.tick(START_NS)
        with pytest.raises(DeviceError, match=words) as caught:
            lists.answer(lists.one(), START_NS, data)
        assert caught.value.reason is Reason.DEVICE_ANSWER


class TestSingle:
    def test_a_pulse_is_as_in_the_vectors(self, single: HeldLine) -> None:
        single.driver.apply(SINGLE, START_NS)
        assert single.raw() == b""
        given = single.driver.tick(START_NS)
        assert given == (1, 15_000 * 300, 0, START_NS + 40 * NS_PER_MS)
        assert single.raw() == vector(VECTORS_2, "SinglePulse #6: ch index 0, 300 µs, 15 mA")
        single.say(vector(VECTORS_2, "SinglePulseAck #6 ok"), START_NS)
        assert not single.driver._line.awaiting

    def test_two_channels_take_turns_one_command_at_a_time(self, single: HeldLine) -> None:
        one = SINGLE[0]
        single.driver.apply((one, one, *ZERO[2:]), START_NS)
        channels, now_ns = [], START_NS
        for _ in range(6):
            assert single.driver.tick(now_ns).pulses == 1
            pulse = single.one()
            channels.append(pulse.data[0])
            assert single.driver.tick(now_ns + 1).pulses == 0  # while it is not acknowledged
            now_ns += 20 * NS_PER_MS
            single.answer(pulse, now_ns)
        assert channels == [0, 1, 0, 1, 0, 1]

    def test_nothing_after_a_zero_before_the_stop_is_acknowledged(self, single: HeldLine) -> None:
        single.driver.apply(SINGLE, START_NS)
        single.driver.tick(START_NS)
        pulse = single.one()
        single.driver.zero(START_NS + 1)
        stop = single.one()
        assert stop.command == Command.STOP_LIST
        single.driver.apply(SINGLE, START_NS + 2)
        later_ns = START_NS + 50 * NS_PER_MS
        single.answer(pulse, later_ns)
        assert single.driver.tick(later_ns).pulses == 0
        assert single.raw() == b""
        single.answer(stop, later_ns)
        assert single.driver.tick(later_ns).pulses == 1

    def test_a_busy_device_gets_the_next_pulse_at_its_time(self, single: HeldLine) -> None:
        single.driver.apply(SINGLE, START_NS)
        single.driver.tick(START_NS)
        single.answer(single.one(), START_NS, BUSY)
        assert single.driver.tick(START_NS + 40 * NS_PER_MS - 1).pulses == 0
        assert single.driver.tick(START_NS + 40 * NS_PER_MS).pulses == 1

    def test_the_keep_alive_comes_only_with_ticks(self, single: HeldLine) -> None:
        single.driver._line.sent_ns = START_NS - LIVE_NS
        single.driver.apply(ZERO, START_NS)
        single.driver.listen(START_NS)
        assert single.raw() == b""
        single.driver.tick(START_NS)
        _, asks = single.sent()
        single.answer(asks, START_NS, b"\0\0")
        single.driver.tick(START_NS + LIVE_NS - 1)
        assert single.raw() == b""
        assert single.driver.tick(START_NS + LIVE_NS)[:3] == (0, 0, 0)
        assert single.commands() == [Command.WATCHDOG, Command.GET_MODE]

    def test_a_pulse_that_is_refused_is_an_error(self, single: HeldLine) -> None:
        single.driver.apply(SINGLE, START_NS)
        single.driver.tick(START_NS)
        with pytest.raises(DeviceError, match=r"does not obey .answer 37.: wrong mode"):
            single.answer(single.one(), START_NS, WRONG_MODE)


class TestTheLine:
    """Both ways."""

    def test_init_while_disarmed_is_answered(self, either: HeldLine) -> None:
        either.say(vector(VECTORS_2, "Init, version byte 0x01"), START_NS)
        assert either.raw() == vector(VECTORS_2, "InitAck ok")
        either.tell(15, Command.INIT, b"\1", START_NS)
        assert either.one() == (15, Command.INIT_ACK, b"\0")
        assert not either.driver._line.awaiting

    def test_init_while_armed_is_an_error_and_answered_again_after_zero(
        self, either: HeldLine
    ) -> None:
        either.driver.apply(ZERO, START_NS)
        with pytest.raises(DeviceError, match="has begun anew by itself") as caught:
            either.say(vector(VECTORS_2, "Init, version byte 0x01"), START_NS)
        assert caught.value.reason is Reason.DEVICE_FAILED
        assert either.raw() == b""
        either.driver.zero(START_NS)
        assert either.answer_all(START_NS)[-1] == Command.STOP_LIST
        either.say(vector(VECTORS_2, "Init, version byte 0x01"), START_NS)
        assert either.raw() == vector(VECTORS_2, "InitAck ok")

    def test_an_arming_waits_for_a_device_that_may_be_about_to_reset_itself(
        self, either: HeldLine
    ) -> None:
        late_ns = START_NS + MET_NS + 1
        either.driver.apply(ZERO, late_ns)
        either.driver.apply(GIVING, late_ns + 1)
        assert either.driver.tick(late_ns + 2)[:3] == (0, 0, 0)
        assert either.raw() == b""
        either.tell(15, Command.INIT, b"\1", late_ns + 3)
        assert either.one() == (15, Command.INIT_ACK, b"\0")
        either.driver.tick(late_ns + 4)
        assert either.commands()  # and then it begins
        with pytest.raises(DeviceError, match="has begun anew by itself"):
            either.tell(16, Command.INIT, b"\1", late_ns + 5)

    def test_an_arming_soon_after_the_last_word_does_not_wait(self, either: HeldLine) -> None:
        either.driver.apply(GIVING, START_NS + MET_NS)
        either.driver.tick(START_NS + MET_NS)
        assert either.commands()

    def test_a_device_that_never_greets_is_late(self, either: HeldLine) -> None:
        late_ns = START_NS + MET_NS + 1
        either.driver.apply(ZERO, late_ns)
        either.driver.tick(late_ns + MEET_NS)
        with pytest.raises(DeviceError) as caught:
            either.driver.tick(late_ns + MEET_NS + 1)
        assert caught.value.reason is Reason.DEVICE_LATE
        either.driver.zero(late_ns + MEET_NS + 2)
        assert either.commands()[-1] == Command.STOP_LIST

    def test_a_stop_that_it_may_not_have_heard_is_said_again_after_the_greeting(
        self, either: HeldLine
    ) -> None:
        either.driver.zero(START_NS)
        (stop,) = either.sent()
        either.tell(15, Command.INIT, b"\1", START_NS + 1)
        assert either.commands() == [Command.INIT_ACK, Command.STOP_LIST]
        either.answer(stop, START_NS + 2)  # it had heard it after all: no surprise
        assert either.driver._line.stop_owed

    def test_init_of_another_version_is_refused(self, either: HeldLine) -> None:
        with pytest.raises(DeviceError, match="protocol version 2, 1 is needed") as caught:
            either.tell(0, Command.INIT, b"\2", START_NS)
        assert (caught.value.reason, caught.value.value) == (Reason.DEVICE_ANSWER, 2)
        assert either.raw() == vector(VECTORS_2, "InitAck version unsupported (-5)")

    @pytest.mark.parametrize(
        ("what", "reason", "words"),
        [
            ("StimulationError #2 emergency switch (-1)", Reason.DEVICE_SWITCH, "emergency"),
            ("StimulationError #2 electrode (-2)", Reason.DEVICE_ELECTRODE, "electrode error"),
            ("StimulationError #2 module (-3)", Reason.DEVICE_FAILED, "module has failed"),
            ("UnknownCommand, echo 0x63", Reason.DEVICE_ANSWER, "does not know a command"),
            ("StopChannelListModeAck #5 ok", Reason.DEVICE_ANSWER, "answer 35 to None"),
            ("StartChannelListModeAck #3 busy (-8)", Reason.DEVICE_ANSWER, "answer 33 to None"),
            ("Watchdog #129", Reason.DEVICE_ANSWER, "answer 4 to None"),
        ],
    )
    def test_what_nobody_asked_for_is_an_error_each_time(
        self, either: HeldLine, what: str, reason: Reason, words: str
    ) -> None:
        for _ in range(2):
            with pytest.raises(DeviceError, match=words) as caught:
                either.say(vector(VECTORS_2, what), START_NS)
            assert caught.value.reason is reason
        either.driver.zero(START_NS)
        either.answer(either.one(), START_NS)
        assert not either.driver._line.stop_owed

    def test_an_answer_may_take_the_limit_and_no_longer(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        stop = either.one()
        either.driver.listen(START_NS + ACK_NS)
        with pytest.raises(DeviceError, match="no answer from the stimulator") as caught:
            either.driver.listen(START_NS + ACK_NS + 1)
        error = caught.value
        assert (error.reason, error.value, error.limit) == (
            Reason.DEVICE_LATE,
            ACK_NS + 1,
            ACK_NS,
        )
        either.answer(stop, START_NS + 2 * ACK_NS)  # late, which was said
        assert not either.driver._line.stop_owed

    def test_an_answer_read_late_is_not_the_device_s_fault(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        either.answer(either.one(), START_NS + 10 * ACK_NS)
        assert not either.driver._line.awaiting

    def test_an_answer_in_two_parts_is_one(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        answer = sm2.encode(Packet(either.one().number, Command.STOP_LIST_ACK, b"\0"))
        for at in range(len(answer)):
            assert either.driver._line.stop_owed
            either.say(answer[at : at + 1], START_NS + at)
        assert not either.driver._line.stop_owed

    def test_a_stop_that_is_refused_is_an_error_and_still_counts_as_answered(
        self, either: HeldLine
    ) -> None:
        either.driver.zero(START_NS)
        with pytest.raises(DeviceError, match=r"does not obey .answer 35.: transfer error"):
            either.answer(either.one(), START_NS, b"\xff")

    def test_noise_before_and_inside_a_packet_is_an_error(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        answer = sm2.encode(Packet(either.one().number, Command.STOP_LIST_ACK, b"\0"))
        with pytest.raises(DeviceError, match="damaged packet"):
            either.say(answer[:-2] + b"x" + answer[-2:], START_NS)
        assert either.driver._line.stop_owed
        with pytest.raises(DeviceError, match="3 bytes that belong to no packet"):
            either.say(b"abc" + answer, START_NS)
        assert not either.driver._line.stop_owed  # late, but heard

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @example(said=b"\xf0\x81G\x81V\x00\x01\x01\x0f", giving=False)
    @given(
        said=st.binary(min_size=1, max_size=200)
        | st.builds(
            Packet,
            st.integers(0, 255),
            st.sampled_from(list(Command)),
            st.binary(max_size=8),
        ).map(sm2.encode),
        giving=st.booleans(),
    )
    def test_no_bytes_make_it_speak_or_raise_anything_else(
        self, either: HeldLine, said: bytes, giving: bool
    ) -> None:
        if giving:
            either.driver.apply(GIVING, START_NS)
            either.driver.tick(START_NS)
        else:
            either.driver.zero(START_NS)
        either.raw()
        try:
            either.say(said, START_NS)
        except DeviceError as error:
            assert error.reason is not Reason.DEVICE_LATE  # noqa: PT017  it need not raise
        spoken = either.sent()
        # One that greets while it owes the answer to a stop may not have heard that.
        greeted = [Command.INIT_ACK], [Command.INIT_ACK, Command.STOP_LIST]
        assert [one.command for one in spoken] in ([], *greeted)
        assert not (giving and spoken)
