"""The driver of P24 and RehaMove 3, in made-up time: what it says to the byte, and when."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmesd.drivers import sciencemode4_packets as sm4
from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.hasomed_bytes import Packet
from nmesd.drivers.sciencemode4 import ACK_NS
from nmesd.drivers.sciencemode4_mid import DEAD_MAN_NS, LIVE_NS
from nmesd.drivers.sciencemode4_packets import Command, Result
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS
from nmesd.wire import CHANNELS, ZERO, Output
from tests.drivers.hasomed_vectors import VECTORS_4
from tests.drivers.held_line import GIVING, ONE, PC, PERIOD_NS, START_NS, HeldLine, vector

TWO: Output = (ONE, ONE, *ZERO[2:])
REPORT = bytes((0, 4, 1, 0, 0, 0, 0))  # all is well on channel 1


@pytest.fixture
def low() -> Iterator[HeldLine]:
    line = HeldLine("sciencemode4", first=9)
    yield line
    line.close()


@pytest.fixture
def mid() -> Iterator[HeldLine]:
    line = HeldLine("sciencemode4", first=4, mode="mid")
    yield line
    line.close()


@pytest.fixture(params=["low", "mid"])
def either(request: pytest.FixtureRequest) -> Iterator[HeldLine]:
    line = HeldLine("sciencemode4", mode=request.param)
    yield line
    line.close()


def ready(line: HeldLine, output: Output = GIVING, now_ns: int = START_NS) -> None:
    """Armed, initialised, and wanting this."""
    line.driver.apply(output, now_ns)
    line.answer(line.one(), now_ns)


class TestLowLevel:
    def test_every_command_is_as_in_the_vectors(self, low: HeldLine) -> None:
        low.driver.apply(GIVING, START_NS)
        assert low.raw() == vector(VECTORS_4, "Ll_init #9")
        low.say(vector(VECTORS_4, "Ll_init_ack #9 ok"), START_NS)
        assert low.driver.tick(START_NS) == (1, PC, 0, START_NS + PERIOD_NS)
        assert low.raw() == vector(VECTORS_4, "Ll_channel_config #10 red/yellow, same pulse")
        low.say(vector(VECTORS_4, "Ll_channel_config_ack #10 ok"), START_NS)
        low.driver.zero(START_NS)
        assert low.raw() == vector(VECTORS_4, "Ll_stop #11")

    def test_an_electrode_error_names_its_channel(self, low: HeldLine) -> None:
        ready(low)
        low.driver.tick(START_NS)
        with pytest.raises(DeviceError, match="electrode error on channel 1") as caught:
            low.say(vector(VECTORS_4, "Ll_channel_config_ack #10 electrode error"), START_NS)
        assert (caught.value.reason, caught.value.value) == (Reason.DEVICE_ELECTRODE, 1)

    def test_nothing_is_sent_before_it_is_initialised_and_then_the_first_pulse_is_due(
        self, low: HeldLine
    ) -> None:
        low.driver.apply(GIVING, START_NS)
        init = low.one()
        now_ns = START_NS
        for _ in range(80):
            now_ns += NS_PER_MS
            assert low.driver.tick(now_ns) == (0, 0, 0, now_ns + NS_PER_MS)
        assert low.sent() == []
        low.answer(init, now_ns)
        assert low.driver.tick(now_ns).pulses == 1

    def test_an_apply_of_zero_makes_ready_so_that_the_first_pulse_need_not_wait(
        self, low: HeldLine
    ) -> None:
        low.driver.apply(ZERO, START_NS)
        assert low.driver.tick(START_NS) == (0, 0, 0, NEVER_NS)
        assert low.answer_all(START_NS) == [Command.LL_INIT]
        low.driver.apply(GIVING, START_NS + 1)
        assert low.driver.tick(START_NS + 1).pulses == 1
        low.driver.apply(ZERO, START_NS + 2)
        assert low.driver.tick(START_NS + PERIOD_NS + 2) == (0, 0, 0, NEVER_NS)

    def test_no_second_pulse_on_a_channel_whose_last_is_not_acknowledged(
        self, low: HeldLine
    ) -> None:
        ready(low, TWO)
        assert low.driver.tick(START_NS).pulses == 2
        first, second = low.sent()
        low.answer(second, START_NS + 1)
        now_ns = START_NS + PERIOD_NS
        assert low.driver.tick(now_ns) == (1, PC, 0, now_ns + NS_PER_MS)  # to look again
        (only,) = low.sent()
        assert only.data[0] & 0x60 == 0x20  # of the second channel
        low.answer(first, now_ns)
        assert low.driver.tick(now_ns + 1).pulses == 1
        assert low.one().data[0] & 0x60 == 0

    def test_all_that_is_due_goes_out_in_one_write_and_in_the_order_of_channels(
        self, low: HeldLine
    ) -> None:
        ready(low, (ONE,) * CHANNELS)
        assert low.driver.tick(START_NS)[:3] == (8, 8 * PC, 0)
        heads = [packet.data[0] for packet in low.sent()]
        assert heads == [0x82, 0xA2, 0xC2, 0xE2, 0x92, 0xB2, 0xD2, 0xF2]

    def test_nothing_after_a_zero_before_the_stop_is_acknowledged(self, low: HeldLine) -> None:
        ready(low)
        low.driver.tick(START_NS)
        (pulse,) = low.sent()
        low.driver.zero(START_NS + 1)
        stop = low.one()
        low.driver.apply(GIVING, START_NS + 2)
        low.driver.tick(START_NS + 2 * PERIOD_NS)
        assert low.sent() == []
        low.answer(pulse, START_NS + 3)
        assert low.driver.tick(START_NS + 2 * PERIOD_NS).pulses == 0
        assert low.sent() == []
        low.answer(stop, START_NS + 2 * PERIOD_NS)
        assert low.driver.tick(START_NS + 2 * PERIOD_NS).pulses == 0
        assert low.answer_all(START_NS + 2 * PERIOD_NS) == [Command.LL_INIT]
        assert low.driver.tick(START_NS + 2 * PERIOD_NS).pulses == 1

    def test_a_pulse_that_the_stop_has_dropped_need_not_be_answered(self, low: HeldLine) -> None:
        ready(low, TWO)
        low.driver.tick(START_NS)
        low.sent()
        low.driver.zero(START_NS + 1)
        low.answer(low.one(), START_NS + 2)
        low.driver.listen(START_NS + 10 * ACK_NS)
        low.driver.apply(TWO, START_NS + 10 * ACK_NS)
        assert low.answer_all(START_NS + 10 * ACK_NS) == [Command.LL_INIT]
        assert low.driver.tick(START_NS + 10 * ACK_NS).pulses == 2  # both channels are free again

    def test_an_initialisation_that_a_zero_has_overtaken_does_not_make_it_ready(
        self, low: HeldLine
    ) -> None:
        low.driver.apply(GIVING, START_NS)
        init = low.one()
        low.driver.zero(START_NS + 1)
        stop = low.one()
        low.answer(init, START_NS + 2)
        low.answer(stop, START_NS + 3)
        low.driver.apply(GIVING, START_NS + 4)
        assert low.driver.tick(START_NS + 4).pulses == 0
        assert low.commands() == [Command.LL_INIT]

    def test_zero_and_again_does_not_shorten_the_period(self, low: HeldLine) -> None:
        ready(low)
        low.driver.tick(START_NS)
        low.driver.zero(START_NS + 1)
        for packet in low.sent():
            low.answer(packet, START_NS + 2)
        low.driver.apply(GIVING, START_NS + 3)
        low.answer(low.one(), START_NS + 4)
        assert low.driver.tick(START_NS + PERIOD_NS - 1).pulses == 0
        assert low.driver.tick(START_NS + PERIOD_NS).pulses == 1

    @pytest.mark.parametrize(
        ("result", "words"),
        [(Result.BUSY, "busy"), (Result.NOT_INITIALISED, "not initialised"), (99, "result 99")],
    )
    def test_a_pulse_that_is_refused_is_an_error(
        self, low: HeldLine, result: int, words: str
    ) -> None:
        ready(low)
        low.driver.tick(START_NS)
        with pytest.raises(DeviceError, match=f"did not give a pulse: {words}") as caught:
            low.answer(low.one(), START_NS, bytes((result, 0, 0)))
        assert (caught.value.reason, caught.value.value) == (Reason.DEVICE_ANSWER, result)

    def test_packet_numbers_wrap_at_64(self, low: HeldLine) -> None:
        ready(low)
        numbers, now_ns = [], START_NS
        for _ in range(150):
            assert low.driver.tick(now_ns).pulses == 1
            pulse = low.one()
            numbers.append(pulse.number)
            low.answer(pulse, now_ns + NS_PER_MS)
            now_ns += PERIOD_NS
        assert all(after == (before + 1) % 64 for before, after in pairwise(numbers))
        assert set(numbers) == set(range(64))

    @given(
        width=st.integers(10, 4095), current=st.integers(1, 260), interphase=st.integers(1, 1000)
    )
    @settings(deadline=None, max_examples=50)
    def test_both_phases_are_alike_whatever_is_wanted(
        self, width: int, current: int, interphase: int
    ) -> None:
        line = HeldLine("sciencemode4", interphase_us=interphase)
        one = ONE._replace(amplitude_ua=500 * current, pulse_width_us=width)
        ready(line, (one, *ZERO[1:]))
        assert line.driver.tick(START_NS)[:3] == (1, 500 * current * width, 0)
        words = line.one().data[1:]
        shape = [int.from_bytes(words[at : at + 4]) for at in (0, 4, 8)]
        assert [word >> 20 for word in shape] == [width, interphase, width]
        assert [(word >> 10 & 0x3FF) - 300 for word in shape] == [current, 0, -current]
        line.close()


class TestMidLevel:
    def test_every_command_is_as_in_the_vectors(self, mid: HeldLine) -> None:
        mid.driver.apply(GIVING, START_NS)
        assert mid.raw() == vector(VECTORS_4, "Ml_init #4, stop all")
        mid.say(vector(VECTORS_4, "Ml_init_ack #4 ok"), START_NS)
        assert mid.driver.tick(START_NS)[:3] == (1, PC, 0)
        update = mid.one()
        (data,) = [
            data for name, *_, data in VECTORS_4 if name.startswith("Ml_update #5: ch1, ramp 3")
        ]
        assert update == (
            5,
            Command.ML_UPDATE,
            bytes.fromhex(data.replace("01 23", "01 20")),
        )  # no ramp
        mid.say(vector(VECTORS_4, "Ml_update_ack #5 ok"), START_NS)
        mid.driver.tick(START_NS + LIVE_NS)
        assert mid.raw() == vector(VECTORS_4, "Ml_get_current_data #6")
        mid.say(vector(VECTORS_4, "Ml_get_current_data_ack #6, ch1 active, ok"), START_NS + LIVE_NS)
        mid.driver.apply(ZERO, START_NS + LIVE_NS)
        assert mid.raw() == vector(VECTORS_4, "Ml_update #7, no channel (all off)")
        mid.driver.zero(START_NS + LIVE_NS)
        assert mid.raw() == vector(VECTORS_4, "Ml_stop #8")

    def test_two_channels_are_one_update(self, mid: HeldLine) -> None:
        slow = ONE._replace(period_us=40_000)
        ready(mid, (ONE, ZERO[0], slow, *ZERO[3:]))
        assert mid.driver.tick(START_NS).pulses == 2
        data = mid.one().data
        assert data[0] == 0b101
        assert data[1:4].hex() == "200050"
        assert data[16:19].hex() == "2000a0"
        assert data[4:16] == data[19:]

    def test_one_command_at_a_time_and_only_the_last_that_was_wanted(self, mid: HeldLine) -> None:
        ready(mid)
        mid.driver.tick(START_NS)
        first = mid.one()
        for amplitude in (21_000, 22_000, 23_000):
            mid.driver.apply((ONE._replace(amplitude_ua=amplitude), *ZERO[1:]), START_NS + 1)
            assert mid.driver.tick(START_NS + 1).next_ns == START_NS + 1 + NS_PER_MS
        assert mid.sent() == []
        mid.answer(first, START_NS + 2)
        mid.driver.tick(START_NS + 2)
        assert int.from_bytes(mid.one().data[4:8]) >> 10 & 0x3FF == 300 + 2 * 23

    def test_a_zero_that_is_applied_does_not_wait_for_an_answer(self, mid: HeldLine) -> None:
        ready(mid)
        mid.driver.tick(START_NS)
        mid.sent()
        mid.driver.apply(ZERO, START_NS + 1)
        assert mid.one()[1:] == (Command.ML_UPDATE, b"\0")

    def test_the_keep_alive_comes_only_with_ticks(self, mid: HeldLine) -> None:
        ready(mid)
        mid.driver.tick(START_NS)
        mid.answer(mid.one(), START_NS)
        for _ in range(3):
            mid.driver.listen(START_NS + DEAD_MAN_NS)
            mid.driver.apply(GIVING, START_NS + DEAD_MAN_NS)
        assert mid.sent() == []
        mid.driver.tick(START_NS + LIVE_NS - 1)
        assert mid.sent() == []
        mid.driver.tick(START_NS + LIVE_NS)
        assert mid.commands() == [Command.ML_GET_CURRENT_DATA]

    def test_nothing_after_a_zero_before_the_stop_is_acknowledged(self, mid: HeldLine) -> None:
        ready(mid)
        mid.driver.tick(START_NS)
        update = mid.one()
        mid.driver.zero(START_NS + 1)
        stop = mid.one()
        mid.driver.apply(GIVING, START_NS + 2)
        mid.driver.tick(START_NS + 3)
        mid.answer(update, START_NS + 4)
        mid.driver.tick(START_NS + 5)
        assert mid.sent() == []
        mid.answer(stop, START_NS + 6)
        mid.driver.tick(START_NS + 7)
        assert mid.answer_all(START_NS + 8) == [Command.ML_INIT]
        mid.driver.tick(START_NS + 9)
        assert mid.sent() == []  # it would begin at once, and the last pulse was just now
        mid.driver.tick(START_NS + 6 + PERIOD_NS)
        assert mid.commands() == [Command.ML_UPDATE]

    def test_until_the_stop_is_acknowledged_pulses_are_counted(self, mid: HeldLine) -> None:
        ready(mid)
        assert mid.driver.tick(START_NS).pulses == 1
        mid.answer(mid.one(), START_NS)
        mid.driver.zero(START_NS + 1)
        assert mid.driver.tick(START_NS + 2 * PERIOD_NS)[:2] == (2, 2 * PC)
        mid.answer(mid.one(), START_NS + 2 * PERIOD_NS)
        assert mid.driver.tick(START_NS + 9 * PERIOD_NS)[:2] == (0, 0)

    def test_a_dead_device_is_counted_no_longer_than_its_dead_man(self, mid: HeldLine) -> None:
        ready(mid)
        mid.driver.tick(START_NS)
        mid.answer(mid.one(), START_NS)
        mid.driver.zero(START_NS + LIVE_NS)
        most = (LIVE_NS + DEAD_MAN_NS + ACK_NS) // PERIOD_NS
        pulses = mid.driver.tick(START_NS + 100 * DEAD_MAN_NS).pulses
        assert DEAD_MAN_NS // PERIOD_NS <= pulses <= most

    @pytest.mark.parametrize(
        ("data", "reason", "words", "value"),
        [
            ("00 04 03 10 00 00 00", Reason.DEVICE_ELECTRODE, "error on channel 2", 2),
            ("00 04 80 00 00 00 30", Reason.DEVICE_ELECTRODE, "error on channel 8", 8),
            ("00 04 01 02 00 00 00", Reason.DEVICE_ANSWER, "finish a pulse on channel 1", 16),
            ("00 04 01 00 00 00", Reason.DEVICE_ANSWER, "too short", 0),
            ("04 04 01 00 00 00 00", Reason.DEVICE_ANSWER, "stimulation timeout", 4),
            ("", Reason.DEVICE_ANSWER, "no result", 0),
        ],
    )
    def test_what_it_says_of_its_channels_is_heard(
        self, mid: HeldLine, data: str, reason: Reason, words: str, value: int
    ) -> None:
        ready(mid, TWO)
        mid.driver.tick(START_NS)
        mid.answer(mid.one(), START_NS)
        mid.driver.tick(START_NS + LIVE_NS)
        with pytest.raises(DeviceError, match=words) as caught:
            mid.answer(mid.one(), START_NS + LIVE_NS, bytes.fromhex(data))
        assert (caught.value.reason, caught.value.value) == (reason, value)

    def test_packet_numbers_wrap_at_64(self, mid: HeldLine) -> None:
        ready(mid)
        mid.driver.tick(START_NS)
        mid.answer(mid.one(), START_NS)
        now_ns, numbers = START_NS, []
        for _ in range(130):
            now_ns += LIVE_NS
            mid.driver.tick(now_ns)
            alive = mid.one()
            numbers.append(alive.number)
            mid.answer(alive, now_ns, REPORT)
        assert all(after == (before + 1) % 64 for before, after in pairwise(numbers))


class TestTheLine:
    """Both levels."""

    def test_nothing_is_said_before_an_apply(self, either: HeldLine) -> None:
        either.driver.listen(START_NS)
        assert either.driver.tick(START_NS)[:3] == (0, 0, 0)
        said = either.commands()
        assert said in ([], [Command.ML_INIT])  # which gives nothing

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
        either.driver.listen(START_NS + 2 * ACK_NS)  # it was said
        either.answer(stop, START_NS + 2 * ACK_NS)  # late, which was said

    def test_an_answer_read_late_is_not_the_device_s_fault(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        either.answer(either.one(), START_NS + 10 * ACK_NS)
        assert not either.driver._line.awaiting

    def test_an_answer_in_two_parts_is_one(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        stop = either.one()
        answer = sm4.encode(Packet(stop.number, stop.command + 1, b"\0"))
        for at in range(len(answer)):
            assert either.driver._line.stop_owed
            either.say(answer[at : at + 1], START_NS + at)
        assert not either.driver._line.stop_owed

    @pytest.mark.parametrize("result", [Result.OK, Result.NOT_INITIALISED])
    def test_a_stop_of_what_does_not_run_is_a_stop(self, either: HeldLine, result: Result) -> None:
        either.driver.zero(START_NS)
        either.answer(either.one(), START_NS, bytes((result,)))
        assert not either.driver._line.stop_owed

    def test_a_stop_that_is_refused_is_an_error(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        with pytest.raises(DeviceError, match="did not stop: high voltage error") as caught:
            either.answer(either.one(), START_NS, bytes((Result.HIGH_VOLTAGE_ERROR,)))
        assert caught.value.reason is Reason.DEVICE_ANSWER

    def test_an_initialisation_that_is_refused_is_an_error(self, either: HeldLine) -> None:
        either.driver.apply(GIVING, START_NS)
        with pytest.raises(DeviceError, match=r"refuses the (low|mid) level: not initialised"):
            either.answer(either.one(), START_NS, bytes((Result.NOT_INITIALISED,)))
        assert either.driver.tick(START_NS).pulses == 0

    def test_what_nobody_asked_for_is_an_error_each_time(self, either: HeldLine) -> None:
        said = [
            (0, Command.GENERAL_ERROR, b"\3", "reports an error: protocol error"),
            (9, Command.UNKNOWN_COMMAND, b"\13", "reports an error: invalid command"),
            (50, Command.LL_STOP_ACK, b"\0", "answer 5 to None"),
            (50, Command.ML_UPDATE_ACK, b"\0", "answer 33 to None"),
            (50, 1000, b"", "answer 1000 to None"),
        ]
        for number, command, data, words in said * 2:
            with pytest.raises(DeviceError, match=words) as caught:
                either.tell(number, command, data, START_NS)
            assert caught.value.reason is Reason.DEVICE_ANSWER
        either.driver.zero(START_NS)
        either.answer(either.one(), START_NS)

    def test_an_answer_to_another_command_or_twice_is_an_error(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        stop = either.one()
        with pytest.raises(DeviceError, match=f"answer 63 to {stop.command}"):
            either.tell(stop.number, Command.GET_STIM_STATUS_ACK, b"\0\0\1", START_NS)
        either.driver.zero(START_NS)
        stop = either.one()
        either.answer(stop, START_NS)
        with pytest.raises(DeviceError, match="nobody asked for"):
            either.answer(stop, START_NS)

    def test_noise_before_a_packet_is_an_error_and_the_packet_is_heard(
        self, either: HeldLine
    ) -> None:
        either.driver.zero(START_NS)
        stop = either.one()
        answer = sm4.encode(Packet(stop.number, stop.command + 1, b"\0"))
        with pytest.raises(DeviceError, match="3 bytes that belong to no packet") as caught:
            either.say(b"abc" + answer, START_NS)
        assert caught.value.reason is Reason.DEVICE_ANSWER
        assert not either.driver._line.stop_owed

    def test_noise_inside_a_packet_is_an_error_and_the_stop_is_still_owed(
        self, either: HeldLine
    ) -> None:
        either.driver.zero(START_NS)
        stop = either.one()
        answer = sm4.encode(Packet(stop.number, stop.command + 1, b"\0"))
        with pytest.raises(DeviceError, match="damaged packet"):
            either.say(answer[:-2] + b"x" + answer[-2:], START_NS)
        assert either.driver._line.stop_owed
        either.driver.zero(START_NS + 1)
        either.answer(either.one(), START_NS + 2)
        assert not either.driver._line.stop_owed

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        said=st.binary(min_size=1, max_size=200)
        | st.builds(
            Packet,
            st.integers(0, 63),
            st.sampled_from(list(Command)),
            st.binary(max_size=8),
        ).map(sm4.encode),
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
            assert error.reason in (Reason.DEVICE_ANSWER, Reason.DEVICE_ELECTRODE)  # noqa: PT017  it need not raise
        assert either.raw() == b""

    def test_a_line_that_is_full_fails_and_the_next_stop_is_whole(self, either: HeldLine) -> None:
        def flood() -> None:
            for _ in range(20_000):
                either.driver.zero(START_NS)

        with pytest.raises(DeviceError, match="does not take what is sent"):
            flood()
        assert either.driver._line.stop_owed
        either.raw()
        either.driver.zero(START_NS + 1)
        stop = either.packets.decode(either.raw()[1:-1])
        assert stop.command in (Command.LL_STOP, Command.ML_STOP)
        either.driver._line.give_up()
        either.answer(stop, START_NS + 1)
        assert not either.driver._line.stop_owed

    def test_a_stop_that_could_not_be_sent_is_owed(self, either: HeldLine) -> None:
        either.driver.zero(START_NS)
        either.answer(either.one(), START_NS)
        assert not either.driver._line.stop_owed
        either.vanish()
        with pytest.raises(DeviceError, match="is gone"):
            either.driver.zero(START_NS)
        assert either.driver._line.stop_owed
        assert either.driver.tick(START_NS).pulses == 0
