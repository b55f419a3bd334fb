"""P24 and RehaMove 3 as emulated, in made-up time: every command, every refusal, and when it stops by itself."""

import random
from itertools import pairwise
from typing import Any

import pytest

from nmesd.drivers.hasomed_bytes import Packet, Splitter
from nmesd.drivers.sciencemode4_packets import (
    HEAD_BYTES,
    MOST_BYTES,
    Command,
    Point,
    Result,
    biphasic,
    decode,
    encode,
    ll_channel,
    ml_channel,
)
from nmesd.sim.p24 import P24, REHAMOVE3_MODEL
from nmesd.units import NS_PER_MS, NS_PER_US
from nmesd.wire import Pulse
from tests.drivers.hasomed_vectors import VECTORS_4

T0 = 1_000_000 * NS_PER_MS
SHAPE = biphasic(200, 40, 100)  # 20 mA
PERIOD_US = 20_000
UPDATE = b"\x01" + ml_channel(SHAPE, PERIOD_US)
OFF = b"\x00"
VECTORS = {name: (bytes.fromhex(text), number) for name, text, number, command, data in VECTORS_4}


class Bench:
    """The device, what it gave, said and reported; time goes only when it is told to."""

    def __init__(self, **options: Any) -> None:
        self.pulses: list[Pulse] = []
        self.events: list[dict[str, Any]] = []
        self.device = P24(self.pulses.append, self._report, **options)
        self.now_ns = T0
        self.number = 0

    def _report(self, event: str, /, **values: object) -> None:
        self.events.append({"event": event, **values})

    def hear(self, data: bytes) -> list[tuple[float, Packet]]:
        """(how many ms later it answers, what)."""
        self.device.hear(data, self.now_ns)
        return self.answers()

    def answers(self) -> list[tuple[float, Packet]]:
        splitter = Splitter(MOST_BYTES, HEAD_BYTES)
        found = [
            ((due_ns - self.now_ns) / NS_PER_MS, decode(splitter.feed(data)[0]))
            for due_ns, data in self.device.answers
        ]
        self.device.answers.clear()
        return found

    def ask(self, command: Command, data: bytes = b"") -> bytes:
        """The data of its one answer."""
        self.number = (self.number + 1) % 64
        ((_, answer),) = self.hear(encode(Packet(self.number, command, data)))
        assert (answer.number, answer.command) == (self.number, command + 1)
        return answer.data

    def wait(self, ms: float) -> None:
        end_ns = self.now_ns + round(ms * NS_PER_MS)
        while (next_ns := max(self.now_ns, self.device.next_ns())) <= end_ns:
            self.now_ns = next_ns
            self.device.give(next_ns)
        self.now_ns = end_ns

    def given(self, channel: int | None = None) -> list[Pulse]:
        return [p for p in self.pulses if p.amplitude_ua and channel in (None, p.channel)]

    @property
    def status(self) -> tuple[int, int]:
        result, level, high_voltage = self.ask(Command.GET_STIM_STATUS)
        assert result == Result.OK
        return level, high_voltage

    def mid(self, on_error: int = 0, update: bytes = UPDATE) -> "Bench":
        assert self.ask(Command.ML_INIT, bytes((on_error,))) == b"\0"
        assert self.ask(Command.ML_UPDATE, update) == b"\0"
        return self

    def low(self) -> "Bench":
        assert self.ask(Command.LL_INIT, b"\0") == b"\0"
        return self


# ---- who it is ---------------------------------------------------------------------------------------------


def test_it_says_who_it_is() -> None:
    p24, rehamove = Bench(), Bench(model=REHAMOVE3_MODEL)
    assert p24.ask(Command.GET_EXTENDED_VERSION)[4:7] == b"\4\0\0"
    assert rehamove.ask(Command.GET_EXTENDED_VERSION)[4:7] == b"\3\0\0"
    assert Bench(version=5).ask(Command.GET_EXTENDED_VERSION)[4] == 5
    assert len(p24.ask(Command.GET_EXTENDED_VERSION)) == 13
    ids = {bench.ask(Command.GET_DEVICE_ID) for bench in (p24, rehamove)}
    assert {len(one) for one in ids} == {11}
    assert len(ids) == 2
    assert p24.status == (0, 1)
    assert p24.pulses == []


# ---- the vectors of the facts page -------------------------------------------------------------------------


def exchange(bench: Bench, command: str, answer: str) -> None:
    bench.device.hear(VECTORS[command][0], bench.now_ns)
    bench.device.give(bench.now_ns)
    assert [data for _, data in bench.device.answers] == [VECTORS[answer][0]]
    bench.device.answers.clear()


def test_the_vectors_of_mid_level_one_after_the_other() -> None:
    bench = Bench()
    exchange(bench, "Ml_init #4, stop all", "Ml_init_ack #4 ok")
    exchange(
        bench, "Ml_update #5: ch1, ramp 3, 20 ms, 200 µs ±20 mA, gap 100 µs", "Ml_update_ack #5 ok"
    )
    exchange(bench, "Ml_get_current_data #6", "Ml_get_current_data_ack #6, ch1 active, ok")
    exchange(bench, "GetStimStatus #2", "GetStimStatus_ack #2, ML running, HV 150 V")
    exchange(bench, "Ml_stop #8", "Ml_stop_ack #8 ok")
    assert bench.status == (0, 1)


def test_the_vectors_of_an_electrode_error() -> None:
    bench = Bench()
    bench.device.fault("electrode", 1, bench.now_ns)
    exchange(bench, "Ml_init #4, continue", "Ml_init_ack #4 ok")
    bench.hear(VECTORS["Ml_update #5, 20.25 ms fine period"][0])
    exchange(bench, "Ml_get_current_data #6", "Ml_get_current_data_ack #6, ch1 electrode error")
    bench.ask(Command.ML_STOP)
    exchange(bench, "Ll_init #9", "Ll_init_ack #9 ok")
    exchange(
        bench,
        "Ll_channel_config #10 red/yellow, same pulse",
        "Ll_channel_config_ack #10 electrode error",
    )
    assert bench.given() == []
    bench.device.fault("healthy", 0, bench.now_ns)
    bench.wait(0.5)  # the other pulse took as long, given or not
    exchange(bench, "Ll_channel_config #10 red/yellow, same pulse", "Ll_channel_config_ack #10 ok")
    assert bench.given() == [Pulse(bench.now_ns, 0, 20_000, 200)]


# ---- how soon it answers -----------------------------------------------------------------------------------


def test_how_soon_it_answers() -> None:
    bench = Bench()
    soon = {}
    for command, data in [
        (Command.GET_STIM_STATUS, b""),
        (Command.ML_INIT, b"\0"),
        (Command.ML_UPDATE, OFF),
        (Command.ML_STOP, b""),
        (Command.LL_INIT, b"\0"),
        (Command.LL_CHANNEL, ll_channel(0, SHAPE)),
        (Command.LL_STOP, b""),
    ]:
        ((soon[command], _),) = bench.hear(encode(Packet(1, command, data)))
        bench.wait(1000)
    assert list(soon.values()) == [1, 80, 1, 40, 80, 1.5, 40]  # the pulse takes 0.5 ms
    ((late, _),) = Bench(ack_ms=7).hear(encode(Packet(1, Command.GET_STIM_STATUS)))
    assert late == 7


def test_answers_come_in_the_order_of_the_commands() -> None:
    bench = Bench()
    both = encode(Packet(1, Command.ML_INIT, b"\0")) + encode(Packet(2, Command.GET_STIM_STATUS))
    assert [(ms, answer.number) for ms, answer in bench.hear(both)] == [(80, 1), (80, 2)]


# ---- mid level ---------------------------------------------------------------------------------------------


def test_mid_level_repeats_at_its_period_and_stops_when_told() -> None:
    bench = Bench().mid()
    bench.wait(100)
    given = bench.given()
    assert [pulse.given_ns - T0 for pulse in given] == [n * 20 * NS_PER_MS for n in range(6)]
    assert {pulse[1:] for pulse in given} == {(0, 20_000, 200)}
    assert bench.status == (3, 6)
    assert bench.ask(Command.ML_STOP) == b"\0"
    assert bench.pulses[-1] == Pulse(bench.now_ns, 0, 0, 0)
    assert bench.events == [
        {"event": "stopped", "why": "command", "at_ns": bench.now_ns, "pulses": 6}
    ]
    bench.wait(5000)
    assert bench.given() == given
    assert bench.status == (0, 1)


def test_a_late_turn_is_never_made_up_for() -> None:
    bench = Bench().mid()
    for _ in range(20):
        bench.now_ns += 33 * NS_PER_MS
        bench.device.give(bench.now_ns)
    gaps = [after.given_ns - one.given_ns for one, after in pairwise(bench.given())]
    assert min(gaps) >= PERIOD_US * NS_PER_US


def test_each_channel_has_its_own_period_shape_and_place() -> None:
    update = b"\x82" + ml_channel(SHAPE, 10_000) + ml_channel(biphasic(300, 260, 0), 40_500)
    bench = Bench().mid(update=update)
    bench.wait(100)
    assert len(bench.given(1)) == 11
    assert {pulse[2:] for pulse in bench.given(7)} == {(130_000, 300)}
    assert [p.given_ns - T0 for p in bench.given(7)] == [0, 40_500_000, 81_000_000]
    result, four, mask, *nibbles = bench.ask(Command.ML_GET_CURRENT_DATA, b"\4")
    assert (result, four, mask, nibbles) == (0, 4, 0x82, [0, 0, 0, 0])


def test_the_fine_period_has_quarters_of_a_millisecond() -> None:
    bench = Bench().mid(update=b"\x01\x20\x00\xa3" + UPDATE[4:])
    bench.wait(50)
    assert [p.given_ns - T0 for p in bench.given()] == [0, 20_250_000, 40_500_000]


def test_an_update_is_used_at_once_and_never_over_the_rate() -> None:
    bench = Bench().mid()
    bench.wait(5)
    for _ in range(10):
        bench.ask(Command.ML_UPDATE, b"\x01" + ml_channel(biphasic(100, 20, 100), PERIOD_US))
        bench.wait(3)
    assert [p.given_ns - T0 for p in bench.given()] == [0, 20 * NS_PER_MS]
    assert bench.given()[1][2:] == (10_000, 100)


def test_no_channel_is_zero_and_mid_level_goes_on() -> None:
    bench = Bench().mid()
    assert bench.ask(Command.ML_UPDATE, OFF) == b"\0"
    assert bench.pulses[-1].amplitude_ua == 0
    assert bench.events[-1]["why"] == "command"
    assert bench.status == (3, 6)
    assert not bench.device.giving
    zero = b"\x01" + ml_channel(biphasic(200, 0, 100), PERIOD_US)
    assert bench.ask(Command.ML_UPDATE, zero) == b"\0"
    bench.wait(100)
    assert len(bench.given()) == 1
    assert len(bench.events) == 1


def test_its_ramp_runs_when_a_channel_is_switched_on() -> None:
    ramped = b"\x01" + ml_channel(SHAPE, PERIOD_US, ramp=3)
    bench = Bench().mid(update=ramped)
    bench.wait(100)
    bench.ask(Command.ML_UPDATE, ramped)  # was on: no ramp
    bench.wait(40)
    bench.ask(Command.ML_UPDATE, OFF)
    bench.ask(Command.ML_UPDATE, ramped)
    bench.wait(20)
    amplitudes = [pulse.amplitude_ua // 1000 for pulse in bench.given()]
    assert amplitudes == [5, 10, 15, 20, 20, 20, 20, 20, 5]


@pytest.mark.parametrize("ms", [2000, 300])
def test_without_its_host_it_stops_exactly_in_time(ms: int) -> None:
    bench = Bench(dead_man_ms=ms).mid()
    bench.wait(ms / 2)
    bench.ask(Command.ML_GET_CURRENT_DATA, b"\4")
    asked_ns = bench.now_ns
    bench.wait(ms * 0.9)
    for command, data in [  # none of these keeps it alive
        (Command.GET_STIM_STATUS, b""),
        (Command.GET_DEVICE_ID, b""),
        (Command.ML_GET_CURRENT_DATA, b"\5"),
        (Command.ML_UPDATE, b"\x01"),
    ]:
        bench.ask(command, data)
    bench.hear(b"\xf0\x81")
    stop_ns = asked_ns + ms * NS_PER_MS
    bench.wait((stop_ns - bench.now_ns - 1) / NS_PER_MS)
    assert bench.events == []
    assert bench.device.next_ns() <= stop_ns
    bench.wait(1 / NS_PER_MS)
    assert bench.events[0]["at_ns"] == stop_ns
    assert bench.events[0]["why"] == "dead-man"
    assert stop_ns - 20 * NS_PER_MS <= bench.given()[-1].given_ns < stop_ns
    bench.device.hear(b"\x0f", bench.now_ns)  # ends the damaged packet
    bench.answers()
    assert bench.status == (2, 6)
    assert bench.ask(Command.ML_GET_CURRENT_DATA, b"\4")[0] == Result.STIMULATION_TIMEOUT
    bench.wait(5000)
    assert bench.given()[-1].given_ns < stop_ns
    assert bench.ask(Command.ML_UPDATE, UPDATE) == b"\0"
    assert bench.status == (3, 6)
    assert bench.given()[-1].given_ns == bench.now_ns
    assert bench.ask(Command.ML_GET_CURRENT_DATA, b"\4")[0] == Result.OK


def test_a_command_at_the_last_instant_comes_too_late() -> None:
    bench = Bench().mid()
    bench.now_ns += 2000 * NS_PER_MS  # as if it had not been scheduled for so long
    assert bench.ask(Command.ML_GET_CURRENT_DATA, b"\4")[0] == Result.STIMULATION_TIMEOUT
    assert len(bench.given()) == 1


def test_an_electrode_that_comes_off_stops_its_channel_or_all() -> None:
    both = b"\x03" + ml_channel(SHAPE, PERIOD_US) * 2
    for stop_all in (0, 1):
        bench = Bench().mid(stop_all, both)
        bench.wait(50)
        bench.device.fault("electrode", 2, bench.now_ns)
        assert bench.ask(Command.ML_GET_CURRENT_DATA, b"\4")[3] == 0  # not found out yet
        before = len(bench.given(0))
        bench.wait(100)
        assert len(bench.given(1)) == 3
        assert bench.ask(Command.ML_GET_CURRENT_DATA, b"\4") == bytes((0, 4, 3, 0x10, 0, 0, 0))
        if stop_all:
            assert len(bench.given(0)) <= before + 1
            assert bench.events[-1]["why"] == "electrode"
            assert bench.status == (2, 6)
        else:
            assert len(bench.given(0)) == before + 5
            assert bench.events == []
            assert bench.status == (3, 6)
        bench.device.fault("healthy", 0, bench.now_ns)
        bench.wait(50)
        assert len(bench.given(1)) == 3  # by itself nothing resumes
        bench.ask(Command.ML_UPDATE, both)
        bench.wait(50)
        assert len(bench.given(1)) > 3
        assert bench.ask(Command.ML_GET_CURRENT_DATA, b"\4")[3] == 0


def test_an_electrode_error_on_the_only_channel_stops() -> None:
    bench = Bench().mid()
    bench.device.fault("electrode", 1, bench.now_ns)
    bench.wait(20)
    assert bench.events[-1]["why"] == "electrode"
    assert len(bench.given()) == 1


# ---- low level ---------------------------------------------------------------------------------------------


def test_low_level_gives_each_pulse_once_and_answers_after_it() -> None:
    bench = Bench().low()
    bench.wait(100)
    ((ms, answer),) = bench.hear(encode(Packet(9, Command.LL_CHANNEL, ll_channel(6, SHAPE))))
    assert ms == 0.5 + 1
    assert answer == Packet(9, Command.LL_CHANNEL_ACK, bytes((0, 0x12, 0)))
    assert bench.given() == [Pulse(bench.now_ns, 6, 20_000, 200)]
    bench.wait(5000)
    assert len(bench.given()) == 1
    assert bench.status == (1, 6)  # nothing repeats, so it waits for its host for ever
    assert bench.ask(Command.LL_STOP) == b"\0"
    assert bench.pulses[-1].amplitude_ua == 0
    assert bench.status == (0, 1)


def test_low_level_keeps_ten_commands_and_is_busy_beyond() -> None:
    bench = Bench().low()
    bench.wait(100)
    commands = [encode(Packet(n, Command.LL_CHANNEL, ll_channel(0, SHAPE))) for n in range(12)]
    answers = bench.hear(b"".join(commands))
    assert {answer.number: answer.data[0] for _, answer in answers} == {0: 0, 11: Result.BUSY}
    bench.wait(20)
    assert [answer.number for _, answer in bench.answers()] == list(range(1, 11))
    gaps = {after.given_ns - one.given_ns for one, after in pairwise(bench.given())}
    assert gaps == {500 * NS_PER_US}


def test_what_waits_is_not_given_after_a_stop() -> None:
    bench = Bench().low()
    bench.wait(100)
    bench.hear(encode(Packet(1, Command.LL_CHANNEL, ll_channel(0, SHAPE))) * 3)
    giving = [bench.device.giving]
    bench.ask(Command.LL_STOP)
    assert [*giving, bench.device.giving] == [True, False]
    bench.wait(100)
    assert len(bench.given()) == 1
    assert bench.answers() == []


def test_without_high_voltage_low_level_gives_nothing() -> None:
    bench = Bench()
    assert bench.ask(Command.LL_INIT, b"\2") == b"\0"
    assert bench.status == (1, 1)
    assert bench.ask(Command.LL_CHANNEL, ll_channel(0, SHAPE))[0] == Result.HIGH_VOLTAGE_ERROR
    assert bench.given() == []


@pytest.mark.parametrize(
    ("points", "told", "net_pc"),
    [
        ((Point(100, -40), Point(50, 0), Point(200, 20)), (20_000, 100), 0),
        ((Point(0, 0), Point(4095, 20), Point(905, 20), Point(5000 // 2, -40)), (10_000, 5000), 0),
        ((Point(200, 40),), (20_000, 200), 4_000_000),
        ((Point(200, -1), Point(199, 1)), (500, 200), -500),
    ],
)
def test_the_first_phase_is_told_and_what_is_left_over_reported(
    points: tuple[Point, ...], told: tuple[int, int], net_pc: int
) -> None:
    low, mid = Bench().low(), Bench().mid(update=b"\x04" + ml_channel(points, 100_000))
    assert low.ask(Command.LL_CHANNEL, ll_channel(2, points))[0] == Result.OK
    for bench in (low, mid):
        assert bench.given() == [Pulse(T0, 2, *told)]
        expected = [{"event": "unbalanced", "channel": 3, "net_pc": net_pc}] if net_pc else []
        assert bench.events == expected


# ---- what it refuses ---------------------------------------------------------------------------------------

LOW = (Command.LL_CHANNEL, Command.LL_STOP)
MID = (Command.ML_UPDATE, Command.ML_STOP, Command.ML_GET_CURRENT_DATA)
WELL = {
    Command.LL_INIT: b"\0",
    Command.LL_CHANNEL: ll_channel(0, SHAPE),
    Command.ML_INIT: b"\0",
    Command.ML_UPDATE: UPDATE,
    Command.ML_GET_CURRENT_DATA: b"\4",
}


@pytest.mark.parametrize(
    ("level", "refused"),
    [
        ("none", (*LOW, *MID)),
        ("low", (Command.ML_INIT, *MID)),
        ("mid", (Command.LL_INIT, *LOW)),
        ("running", (Command.LL_INIT, *LOW)),
    ],
)
def test_the_wrong_level_is_refused_and_changes_nothing(
    level: str, refused: tuple[Command, ...]
) -> None:
    bench = Bench()
    if level == "low":
        bench.low()
    elif level != "none":
        bench.mid()
        if level == "mid":
            bench.wait(2000)
    before, given = bench.status, len(bench.pulses)
    for command in refused:
        assert bench.ask(command, WELL.get(command, b""))[0] == Result.NOT_INITIALISED
    assert bench.status == before
    assert len(bench.pulses) == given


def channel(head: str, points: str = "0c855000 0644b000 0c841000") -> bytes:
    return bytes.fromhex(head) + bytes.fromhex(points)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        UPDATE[:-1],
        UPDATE + b"\0",
        b"\x03" + UPDATE[1:],  # a channel without shape
        channel("01 20 0000"),  # 0 ms
        channel("01 20 0003"),  # 0.25 ms
        channel("01 20 ffff", "0fffffff"),
        channel("01 20 fffe"),  # 16383.5 ms
        channel("01 00 0050", "0c88c400"),  # 130.5 mA
        channel("01 00 0050", "0c809c00"),  # -130.5 mA
        channel("01 00 0050", "0c855001"),  # interpolated
        b"\x03" + 2 * channel("20 0004"),  # 0.5 ms twice in 1 ms
        channel("01 20 0002"),  # 0.5 ms in 0.5 ms
    ],
)
def test_parameters_of_an_update_out_of_range_are_refused_whole(data: bytes) -> None:
    bench = Bench().mid()
    assert bench.ask(Command.ML_UPDATE, data) == bytes((Result.PARAMETER_ERROR,))
    bench.wait(20)
    assert [pulse[2:] for pulse in bench.given()] == [(20_000, 200)] * 2  # the one before goes on


@pytest.mark.parametrize(
    "data",
    [
        channel("01 20 0004"),  # 0.5 ms in 1 ms
        channel("01 00 0002", "0c855000"),  # 0.2 ms in 0.5 ms
        channel("01 20 0007"),  # 0.5 ms in 0.75 ms
        channel("01 20 fffc"),  # 16383 ms
        b"\x01" + ml_channel(biphasic(4095, 260, 4095), 100_000),
        b"\x01" + ml_channel((Point(10, 20), Point(10, -20)) * 8, 20_000, ramp=15),
        b"\xff" + ml_channel(SHAPE, 4_500) * 8,
    ],
)
def test_the_edges_of_what_it_takes(data: bytes) -> None:
    bench = Bench()
    bench.ask(Command.ML_INIT, b"\0")
    assert bench.ask(Command.ML_UPDATE, data) == b"\0"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x82",
        ll_channel(0, SHAPE)[:-1],
        ll_channel(0, SHAPE) + b"\0",
        b"\x02" + ll_channel(0, SHAPE)[1:],  # without `execute`: not emulated
        bytes.fromhex("80 0c88c400"),  # 130.5 mA
    ],
)
def test_low_level_pulses_out_of_range_are_refused(data: bytes) -> None:
    bench = Bench().low()
    assert bench.ask(Command.LL_CHANNEL, data)[0] == Result.PARAMETER_ERROR
    bench.wait(20)
    assert bench.given() == []


@pytest.mark.parametrize(
    ("command", "data"),
    [
        (Command.LL_INIT, b""),
        (Command.LL_INIT, b"\0\0"),
        (Command.LL_INIT, b"\4"),
        (Command.LL_INIT, b"\1"),
        (Command.LL_INIT, b"\x10"),  # measurements: not emulated
        (Command.ML_INIT, b""),
        (Command.ML_INIT, b"\2"),
        (Command.GET_DEVICE_ID, b"\0"),
        (Command.GET_STIM_STATUS, b"\0"),
        (Command.GET_EXTENDED_VERSION, b"\0"),
        (Command.RESET, b"\0"),
    ],
)
def test_parameters_of_other_commands_are_refused(command: Command, data: bytes) -> None:
    bench = Bench()
    assert bench.ask(command, data)[0] == Result.PARAMETER_ERROR
    assert bench.status == (0, 1)


def test_rehamove_3_has_four_channels() -> None:
    bench = Bench(model=REHAMOVE3_MODEL).low()
    assert bench.ask(Command.LL_CHANNEL, ll_channel(3, SHAPE))[0] == Result.OK
    assert bench.ask(Command.LL_CHANNEL, ll_channel(4, SHAPE))[0] == Result.PARAMETER_ERROR
    bench.ask(Command.LL_STOP)
    bench.mid(update=b"\x08" + UPDATE[1:])
    assert bench.ask(Command.ML_UPDATE, b"\x10" + UPDATE[1:])[0] == Result.PARAMETER_ERROR
    assert bench.device.fault("electrode", 5, T0) == "channel 5: there are 4"


@pytest.mark.parametrize("command", [1, 31, 33, 40, 66, 67, 69, 1023])
def test_a_command_it_does_not_know_is_named_so(command: int) -> None:
    ((ms, answer),) = Bench().hear(encode(Packet(17, command, b"abc")))
    assert ms == 1
    assert answer == Packet(17, Command.UNKNOWN_COMMAND, bytes((Result.INVALID_COMMAND,)))


def test_damaged_packets_are_a_general_error_and_no_more() -> None:
    bench = Bench().mid()
    right = encode(Packet(5, Command.ML_STOP))
    errors = 0
    for place in range(1, len(right) - 1):
        wrong = bytearray(right)
        wrong[place] ^= 0x04
        for _, answer in bench.hear(bytes(wrong)):
            assert answer == Packet(0, Command.GENERAL_ERROR, bytes((Result.TRANSFER_ERROR,)))
            errors += 1
    assert errors >= len(right) - 4
    assert bench.status == (3, 6)
    bench.hear(b"noise" + right)
    assert bench.status == (0, 1)


def test_no_bytes_make_it_fail_or_give() -> None:
    rng = random.Random(2)
    bench = Bench()
    for _ in range(5000):
        command = rng.choice(list(Command))
        if command in (Command.LL_INIT, Command.ML_INIT):
            continue
        data = rng.randbytes(rng.randrange(20))
        noise = bytes(rng.choices((0xF0, 0x0F, 0x81, rng.randrange(256)), k=9))
        bench.hear(noise + encode(Packet(1, command, data)))
        bench.wait(1)
    assert bench.given() == []


def test_random_commands_never_give_over_the_most() -> None:
    rng = random.Random(3)
    bench = Bench()
    for _ in range(20_000):
        command = rng.choice(list(WELL))
        data = bytearray(WELL[command])
        data[rng.randrange(len(data))] ^= rng.choice((0, 1 << rng.randrange(8)))
        bench.hear(encode(Packet(1, command, bytes(data))))
        if rng.random() < 0.1:
            bench.hear(encode(Packet(2, rng.choice((Command.RESET, Command.ML_STOP)))))
        bench.wait(rng.random() * 3)
    assert len(bench.given()) > 1000
    assert max(pulse.amplitude_ua for pulse in bench.given()) <= 130_000


# ---- orders ------------------------------------------------------------------------------------------------


def test_busy_it_takes_no_output_but_a_stop() -> None:
    low, mid = Bench().low(), Bench().mid()
    for bench in (low, mid):
        assert bench.device.fault("busy", 0, T0) == ""
    assert low.ask(Command.LL_CHANNEL, ll_channel(0, SHAPE))[0] == Result.BUSY
    assert mid.ask(Command.ML_UPDATE, UPDATE)[0] == Result.BUSY
    assert mid.ask(Command.ML_STOP) == b"\0"
    low.device.fault("healthy", 0, T0)
    assert low.ask(Command.LL_CHANNEL, ll_channel(0, SHAPE))[0] == Result.OK


def test_reset_and_power_lead_to_nothing() -> None:
    for act in ("reset", "restart"):
        bench = Bench().mid()
        bench.device.hear(b"\xf0\x81", T0)
        if act == "reset":
            bench.hear(b"\x0f")
            assert bench.ask(Command.RESET) == b"\0"
        else:
            bench.device.hear(encode(Packet(1, Command.GET_STIM_STATUS)), T0)
            assert bench.device.fault("restart", 0, T0) == ""
            assert bench.answers() == []
        assert bench.events[-1]["why"] == {"reset": "command", "restart": "restart"}[act]
        assert bench.status == (0, 1)
        bench.wait(3000)
        assert len(bench.given()) == 1


def test_what_cannot_befall_it_is_refused() -> None:
    for fault in ("emergency", "module", "dance"):
        assert "not with this device" in Bench().device.fault(fault, 0, T0)
    assert Bench().device.fault("electrode", 9, T0) == "channel 9: there are 8"
