"""RehaStim 2 as emulated, in made-up time: handshake, lists, single pulses, refusals, watchdog, errors."""

import random
from itertools import pairwise
from typing import Any

import pytest

from nmesd.drivers.hasomed_bytes import Packet, Splitter
from nmesd.drivers.sciencemode2_packets import (
    HEAD_BYTES,
    MOST_BYTES,
    Command,
    ListPulse,
    Mode,
    Result,
    decode,
    encode,
    init_list,
    single_pulse,
    start_list,
)
from nmesd.sim.rehastim2 import RehaStim2
from nmesd.units import NS_PER_MS, NS_PER_US
from nmesd.wire import Pulse
from tests.drivers.hasomed_vectors import VECTORS_2

T0 = 1_000_000 * NS_PER_MS
PULSE = ListPulse(300, 20)
LIST = init_list(1, 20_000)
START = start_list([PULSE])
ZERO = start_list([ListPulse(20, 0)])
VECTORS = {name: bytes.fromhex(text) for name, text, *_ in VECTORS_2}


class Bench:
    """The device, what it gave, said and reported; time goes only when it is told to."""

    def __init__(self, **options: Any) -> None:
        self.pulses: list[Pulse] = []
        self.events: list[dict[str, Any]] = []
        self.device = RehaStim2(self.pulses.append, self._report, **options)
        self.now_ns = T0
        self.number = 100
        self.device.give(T0)

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

    def said(self) -> list[tuple[int, int, bytes]]:
        """(number, command, data) of what it said since."""
        return [tuple(packet) for _, packet in self.answers()]  # type: ignore[misc]

    def send(self, command: int, data: bytes = b"") -> list[Packet]:
        self.number = (self.number + 1) % 256
        return [answer for _, answer in self.hear(encode(Packet(self.number, command, data)))]

    def ask(self, command: Command, data: bytes = b"") -> int:
        """The result it answers with; anything it says beyond waits in `more`."""
        answer, *self.more = self.send(command, data)
        assert (answer.number, answer.command) == (self.number, command + 1)
        return int.from_bytes(answer.data[:1], signed=True)

    def wait(self, ms: float) -> None:
        end_ns = self.now_ns + round(ms * NS_PER_MS)
        while (next_ns := max(self.now_ns, self.device.next_ns())) <= end_ns:
            self.now_ns = next_ns
            self.device.give(next_ns)
        self.now_ns = end_ns

    def wait_alive(self, ms: float) -> None:
        """Wait with a Watchdog packet each half a second."""
        for _ in range(int(ms // 500)):
            self.wait(500)
            assert self.send(Command.WATCHDOG) == []
        self.wait(ms % 500)

    def given(self, channel: int | None = None) -> list[Pulse]:
        return [p for p in self.pulses if p.amplitude_ua and channel in (None, p.channel)]

    @property
    def mode(self) -> int:
        (answer,) = self.send(Command.GET_MODE)
        assert (answer.command, answer.data[0]) == (Command.GET_MODE_ACK, 0)
        return answer.data[1]

    def met(self) -> "Bench":
        (_, init), *_ = self.answers()
        assert init.command == Command.INIT
        assert self.hear(encode(Packet(init.number, Command.INIT_ACK, b"\0"))) == []
        return self

    def started(self, start: bytes = START, a_list: bytes = LIST) -> "Bench":
        self.met()
        assert self.ask(Command.INIT_LIST, a_list) == 0
        assert self.ask(Command.START_LIST, start) == 0
        return self


# ---- handshake ---------------------------------------------------------------------------------------------


def test_it_says_init_every_half_second_until_it_is_answered() -> None:
    bench = Bench()
    bench.wait(2100)
    said = bench.answers()
    assert [ms for ms, _ in said] == [-2100, -1600, -1100, -600, -100]
    assert [packet for _, packet in said] == [Packet(n, Command.INIT, b"\1") for n in range(5)]
    assert bench.device.next_ns() == T0 + 2500 * NS_PER_MS
    assert bench.hear(encode(Packet(3, Command.INIT_ACK, b"\0"))) == []  # not of the last one
    bench.wait(400)
    assert bench.said() == [(5, Command.INIT, b"\1")]
    bench.hear(encode(Packet(5, Command.INIT_ACK, b"\0")))
    bench.wait(1000)
    assert bench.said() == []
    assert bench.mode == Mode.START


def test_before_the_handshake_all_else_is_ignored() -> None:
    bench = Bench()
    bench.answers()
    for command in Command:
        if command is not Command.INIT_ACK:
            assert bench.send(command, LIST) == []
    assert bench.hear(encode(Packet(1, Command.STOP_LIST))[:-2] + b"\x55\x0f") == []
    assert bench.pulses == []


def test_refused_for_its_version_it_waits_and_asks_again() -> None:
    bench = Bench(version=9)
    assert bench.said() == [(0, Command.INIT, b"\x09")]
    assert bench.hear(VECTORS["InitAck version unsupported (-5)"]) == []
    assert bench.send(Command.GET_MODE) == []
    bench.wait(1199)
    assert bench.said() == []
    bench.wait(1)
    assert bench.said() == [(1, Command.INIT, b"\x09")]


# ---- the vectors of the facts page -------------------------------------------------------------------------


def exchange(bench: Bench, command: str, answer: str) -> None:
    bench.device.hear(VECTORS[command], bench.now_ns)
    assert [data for _, data in bench.device.answers] == [VECTORS[answer]]
    bench.device.answers.clear()


def test_the_vectors_one_after_the_other() -> None:
    bench = Bench()
    assert bench.device.answers == [(T0, VECTORS["Init, version byte 0x01"])]
    bench.device.answers.clear()
    bench.hear(VECTORS["InitAck ok"])
    exchange(bench, "GetStimulationMode #1", "GetStimulationModeAck #1 ok, mode 0 (start)")
    exchange(bench, "SinglePulse #6: ch index 0, 300 µs, 15 mA", "SinglePulseAck #6 ok")
    assert bench.given() == [Pulse(T0, 0, 15_000, 300)]
    a_list = "InitChannelListMode #2: lff0, ch1, lf none, IPI byte 0, main 64 (=33 ms), exec 0"
    exchange(bench, a_list, "InitChannelListModeAck #2 ok")
    exchange(
        bench, "StartChannelListMode #3: ch1 single 350 µs 5 mA", "StartChannelListModeAck #3 ok"
    )
    exchange(bench, "GetStimulationMode #1", "GetStimulationModeAck #1 ok, mode 2 (started)")
    exchange(bench, a_list, "InitChannelListModeAck #2 wrong mode (-3)")
    assert bench.given()[-1] == Pulse(T0, 0, 5_000, 350)
    for watchdog in ("Watchdog #4", "Watchdog #15 (number escaped)", "Watchdog #240"):
        assert bench.hear(VECTORS[watchdog]) == []
    bench.device.fault("busy", 0, T0)
    exchange(
        bench,
        "StartChannelListMode #3: ch1 single 300 µs 15 mA (15=0x0F escaped)",
        "StartChannelListModeAck #3 busy (-8)",
    )
    exchange(bench, "StopChannelListMode #5", "StopChannelListModeAck #5 ok")
    # What a host once sent to a real one: "as fast as possible" too.
    bench.device.fault("healthy", 0, T0)
    captured = bytes.fromhex("f0 81 17 81 5c 02 1e 00 01 00 00 00 40 01 0f")
    ((_, answer),) = bench.hear(captured)
    assert answer == Packet(2, Command.INIT_LIST_ACK, b"\0")


def test_the_vectors_of_two_and_of_eight_channels() -> None:
    bench = Bench().met()
    a_list = "InitChannelListMode #2: ch1+ch2, main 38 (=20 ms, 50 Hz), exec 0"
    exchange(bench, a_list, "InitChannelListModeAck #2 ok")
    exchange(
        bench,
        "StartChannelListMode #3: two channels 200 µs 20 mA / 250 µs 30 mA",
        "StartChannelListModeAck #3 ok",
    )
    bench.wait(50)
    assert {p[1:] for p in bench.given()} == {(0, 20_000, 200), (1, 30_000, 250)}
    bench.ask(Command.STOP_LIST)
    eight = "InitChannelListMode #2: ch1-8, IPI 13 (=8 ms), main 48 (=25 ms, 40 Hz)"
    exchange(bench, eight, "InitChannelListModeAck #2 ok")


def test_what_it_says_by_itself_has_numbers_of_its_own() -> None:
    bench = Bench().met()
    bench.device.fault("emergency", 0, T0)
    bench.device.fault("module", 0, T0)
    bench.wait(1200)
    assert bench.said() == [
        (1, Command.STIMULATION_ERROR, b"\xff"),
        (2, Command.STIMULATION_ERROR, b"\xfd"),
        (3, Command.INIT, b"\1"),
    ]
    bench.wait(500 * 254)
    numbers = [number for number, *_ in bench.said()]
    assert numbers == [*range(4, 256), 0, 1]


# ---- channel list ------------------------------------------------------------------------------------------


def test_it_repeats_the_list_until_it_is_stopped() -> None:
    bench = Bench().started()
    bench.wait(100)
    assert [p.given_ns - T0 for p in bench.given()] == [n * 20 * NS_PER_MS for n in range(6)]
    assert {p[1:] for p in bench.given()} == {(0, 20_000, 300)}
    assert bench.mode == Mode.STARTED
    assert bench.ask(Command.STOP_LIST) == 0
    assert bench.pulses[-1] == Pulse(bench.now_ns, 0, 0, 0)
    assert bench.events == [
        {"event": "stopped", "why": "command", "at_ns": bench.now_ns, "pulses": 6}
    ]
    assert bench.mode == Mode.START
    bench.wait_alive(3000)
    assert len(bench.given()) == 6
    assert bench.ask(Command.START_LIST, START) == Result.WRONG_MODE  # the list is forgotten


def test_each_channel_has_its_slot_also_at_zero() -> None:
    a_list = init_list(0b10010101, 25_000)
    start = start_list(
        [ListPulse(200, 10), ListPulse(200, 0), ListPulse(300, 12), ListPulse(400, 14)]
    )
    bench = Bench().started(start, a_list)
    bench.wait(26)
    assert [((p.given_ns - T0) / NS_PER_MS, *p[1:]) for p in bench.given()] == [
        (0, 0, 10_000, 200),
        (3, 4, 12_000, 300),
        (4.5, 7, 14_000, 400),
        (25, 0, 10_000, 200),
    ]


def test_new_values_are_used_from_the_next_pass_on() -> None:
    bench = Bench().started(start_list([PULSE, PULSE]), init_list(3, 20_000))
    bench.wait(1)
    for current in (30, 40):  # the first is never used
        assert bench.ask(Command.START_LIST, start_list([ListPulse(100, current)] * 2)) == 0
    bench.wait(25)
    assert [p.amplitude_ua // 1000 for p in bench.given()] == [20, 20, 40, 40]
    bench.ask(Command.START_LIST, start_list([ListPulse(100, 0)] * 2))
    bench.wait(100)
    assert len(bench.given()) == 4
    assert bench.mode == Mode.STARTED
    assert bench.events[-1]["why"] == "command"


def test_zero_in_the_middle_of_a_pass_lets_the_pass_end_and_a_stop_does_not() -> None:
    for stop in (False, True):
        bench = Bench().started(start_list([PULSE, PULSE]), init_list(3, 20_000))
        bench.wait(1)
        bench.ask(Command.START_LIST, start_list([ListPulse(20, 0)] * 2))
        assert bench.events == []
        if stop:
            bench.ask(Command.STOP_LIST)
        bench.wait(100)
        assert len(bench.given()) == (1 if stop else 2)
        (stopped,) = bench.events
        assert stopped["at_ns"] == T0 + (1 if stop else 1.5) * NS_PER_MS
        assert bench.pulses[-1].amplitude_ua == 0


def test_from_zero_it_starts_with_the_next_pass() -> None:
    bench = Bench().started(ZERO)
    bench.wait(50)
    assert bench.given() == []
    assert bench.events == []
    assert bench.ask(Command.START_LIST, START) == 0
    bench.wait(50)
    assert [(p.given_ns - T0) / NS_PER_MS for p in bench.given()] == [60, 80, 100]


def test_it_is_never_over_its_rate() -> None:
    rng = random.Random(1)
    bench = Bench().started(start_list([PULSE] * 3), init_list(7, 20_000))
    for _ in range(300):
        bench.now_ns += rng.randrange(30 * NS_PER_MS)  # late turns
        bench.send(Command.WATCHDOG)
        if rng.random() < 0.1:  # begun anew
            bench.ask(Command.STOP_LIST)
            bench.ask(Command.INIT_LIST, init_list(7, 20_000))
            bench.ask(Command.START_LIST, start_list([PULSE] * 3))
    for channel in range(3):
        times = [p.given_ns for p in bench.given(channel)]
        assert len(times) > 50
        assert min(b - a for a, b in pairwise(times)) >= 20_000 * NS_PER_US


def test_narrow_pulses_are_raised_to_20_microseconds() -> None:
    for width in (0, 1, 19, 20):
        bench = Bench().started(b"\0" + width.to_bytes(2) + b"\x0a")
        assert bench.given() == [Pulse(T0, 0, 10_000, 20)]


# ---- single pulses -----------------------------------------------------------------------------------------


def test_a_single_pulse_is_given_once_and_only_in_start_mode() -> None:
    bench = Bench().met()
    assert bench.ask(Command.SINGLE_PULSE, single_pulse(7, ListPulse(500, 130))) == 0
    assert bench.ask(Command.SINGLE_PULSE, b"\0\0\x05\x0a") == 0
    assert bench.given() == [Pulse(T0, 7, 130_000, 500), Pulse(T0, 0, 10_000, 20)]
    assert bench.ask(Command.SINGLE_PULSE, single_pulse(0, ListPulse(20, 0))) == 0
    assert bench.pulses[-1] == Pulse(T0, 0, 0, 0)
    bench.wait_alive(2000)
    assert len(bench.given()) == 2
    assert bench.events == []
    for start in (False, True):
        bench.ask(Command.INIT_LIST, LIST)
        if start:
            bench.ask(Command.START_LIST, START)
        assert bench.ask(Command.SINGLE_PULSE, single_pulse(0, PULSE)) == Result.WRONG_MODE
        bench.ask(Command.STOP_LIST)


# ---- what it refuses ---------------------------------------------------------------------------------------


def test_the_modes_of_figure_4() -> None:
    bench = Bench().met()
    assert bench.ask(Command.START_LIST, START) == Result.WRONG_MODE
    assert bench.ask(Command.STOP_LIST) == 0
    assert bench.ask(Command.INIT_LIST, LIST) == 0
    assert bench.mode == Mode.INITIALISED
    assert bench.ask(Command.INIT_LIST, LIST) == Result.WRONG_MODE
    assert bench.ask(Command.STOP_LIST) == 0
    assert bench.mode == Mode.START
    bench.ask(Command.INIT_LIST, LIST)
    bench.ask(Command.START_LIST, START)
    assert bench.ask(Command.INIT_LIST, LIST) == Result.WRONG_MODE
    assert bench.mode == Mode.STARTED


@pytest.mark.parametrize(
    "data",
    [
        "",
        "00 01 00 00 00 26",
        "00 01 00 00 00 26 00 00",
        "08 01 00 00 00 26 00",  # factor
        "01 01 01 00 00 26 00",  # low frequency: not emulated
        "00 00 00 00 00 26 00",  # no channel
        "00 01 00 00 00 00 00",  # one-shot: not emulated
        "00 01 00 00 00 0d 00",  # 7.5 ms
        "00 01 00 00 08 01 00",  # over 1025 ms
        "00 01 00 26 00 26 00",  # group of 20.5 ms in 20 ms
        "00 ff 00 00 00 15 00",  # eight slots in 11.5 ms
        "00 01 00 00 00 26 02",  # execution
    ],
)
def test_lists_out_of_range_are_refused(data: str) -> None:
    bench = Bench().met()
    assert bench.ask(Command.INIT_LIST, bytes.fromhex(data)) == Result.PARAMETER_ERROR
    assert bench.mode == Mode.START


@pytest.mark.parametrize(
    "data",
    [
        "07 01 00 00 00 0e 00",  # 8 ms
        "00 01 ff 00 08 00 00",  # 1025 ms
        "00 01 00 25 00 26 00",  # group of 20 ms in 20 ms
        "00 ff 00 00 00 16 00",  # eight slots in 12 ms
    ],
)
def test_the_edges_of_what_it_takes(data: str) -> None:
    assert Bench().met().ask(Command.INIT_LIST, bytes.fromhex(data)) == 0


@pytest.mark.parametrize(
    "data",
    [
        "",
        "00 01 2c",
        "00 01 2c 0a 00",
        "00 01 2c 0a 00 01 2c 0a",  # two channels
        "01 01 2c 0a",  # doublet: not emulated
        "02 01 2c 0a",
        "03 01 2c 0a",
        "00 01 f5 0a",  # 501 µs
        "00 01 2c 83",  # 131 mA
    ],
)
def test_values_out_of_range_are_refused_whole(data: str) -> None:
    bench = Bench().started()
    assert bench.ask(Command.START_LIST, bytes.fromhex(data)) == Result.PARAMETER_ERROR
    bench.wait(45)
    assert {p[1:] for p in bench.given()} == {(0, 20_000, 300)}
    assert len(bench.given()) == 3


@pytest.mark.parametrize("data", ["", "08 01 2c 0a", "00 01 f5 0a", "00 01 2c 83", "00 01 2c 0a 0"])
def test_single_pulses_out_of_range_are_refused(data: str) -> None:
    bench = Bench().met()
    data = data if len(data) != 13 else data + "0"
    assert bench.ask(Command.SINGLE_PULSE, bytes.fromhex(data)) == Result.PARAMETER_ERROR
    assert bench.pulses == []


def test_commands_with_too_many_parameters_are_refused() -> None:
    bench = Bench().started()
    assert bench.ask(Command.GET_MODE, b"\0") == Result.PARAMETER_ERROR
    assert bench.ask(Command.STOP_LIST, b"\0") == Result.TRANSFER_ERROR
    assert bench.mode == Mode.STARTED


def test_busy_it_obeys_nothing_but_a_stop() -> None:
    bench = Bench().started()
    assert bench.device.fault("busy", 0, T0) == ""
    for command in (Command.GET_MODE, Command.INIT_LIST, Command.START_LIST, Command.SINGLE_PULSE):
        assert bench.ask(command) == Result.BUSY
    assert bench.ask(Command.STOP_LIST) == 0
    bench.device.fault("healthy", 0, T0)
    assert bench.mode == Mode.START


@pytest.mark.parametrize("command", [0, 1, 3, 5, 11, 12, 31, 38, 50, 99, 255])
def test_a_command_it_does_not_know_is_echoed(command: int) -> None:
    bench = Bench().met()
    ((ms, answer),) = bench.hear(encode(Packet(9, command, b"x")))
    assert ms == 15
    assert answer == Packet(9, Command.UNKNOWN_COMMAND, bytes((command,)))


def test_a_damaged_packet_is_refused_in_its_own_words_and_no_sign_of_life() -> None:
    bench = Bench().started()
    wrong = bytearray(encode(Packet(7, Command.STOP_LIST)))
    wrong[2] ^= 1  # checksum
    for _ in range(11):
        ((_, answer),) = bench.hear(bytes(wrong))
        assert answer == Packet(7, Command.STOP_LIST_ACK, b"\xff")
        bench.wait(100)
    assert bench.events == []
    wrong = bytearray(encode(Packet(7, Command.WATCHDOG)))
    wrong[4] ^= 1  # length
    assert bench.hear(bytes(wrong)) == []
    assert bench.hear(b"\xf0\x0f" + b"\xf0" * 5 + b"\x81\x0f" + b"\xf0\x81\x00\x81\x81\x0f") == []
    bench.wait(100)
    assert bench.events[0]["why"] == "dead-man"


def test_a_second_start_byte_begins_anew() -> None:
    bench = Bench().started()
    whole = encode(Packet(8, Command.STOP_LIST))
    ((_, answer),) = bench.hear(whole[:6] + whole)
    assert answer == Packet(8, Command.STOP_LIST_ACK, b"\0")


def test_no_bytes_make_it_fail() -> None:
    rng = random.Random(2)
    bench = Bench().met()
    for _ in range(5000):
        noise = bytes(rng.choices((0xF0, 0x0F, 0x81, rng.randrange(256)), k=9))
        data = rng.randbytes(rng.randrange(9))
        bench.hear(noise + encode(Packet(1, rng.randrange(256), data)))
        bench.wait(1)
    assert max((p.amplitude_ua for p in bench.given()), default=0) <= 130_000


# ---- watchdog and errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ms", [1200, 300])
def test_without_its_host_it_stops_exactly_in_time_and_says_init(ms: int) -> None:
    bench = Bench(dead_man_ms=ms).started()
    bench.wait(ms - 1)
    assert bench.send(Command.WATCHDOG) == []
    bench.wait(ms - 1 / NS_PER_MS)
    assert bench.events == []
    bench.wait(1 / NS_PER_MS)
    stop_ns = T0 + (2 * ms - 1) * NS_PER_MS
    assert bench.events == [
        {"event": "stopped", "why": "dead-man", "at_ns": stop_ns, "pulses": len(bench.given())}
    ]
    assert stop_ns - 20 * NS_PER_MS <= bench.given()[-1].given_ns < stop_ns
    assert bench.answers() == [(0, Packet(1, Command.INIT, b"\1"))]
    assert bench.send(Command.START_LIST, START) == []
    bench.wait(500)
    assert bench.met().mode == Mode.START
    assert bench.given()[-1].given_ns < stop_ns


def test_what_comes_at_the_last_instant_comes_too_late() -> None:
    bench = Bench().started()
    bench.now_ns += 1200 * NS_PER_MS  # as if it had not been scheduled for so long
    bench.send(Command.WATCHDOG)
    assert bench.events[0]["why"] == "dead-man"
    assert len(bench.given()) == 1


def test_any_whole_packet_keeps_it_alive() -> None:
    bench = Bench().started()
    for _ in range(3):
        for command, data in [(Command.WATCHDOG, b""), (99, b""), (Command.INIT_LIST, LIST)]:
            bench.wait(1100)
            bench.send(command, data)
    assert bench.events == []


@pytest.mark.parametrize(("fault", "code"), [("emergency", 0xFF), ("module", 0xFD)])
def test_a_pressed_switch_and_a_broken_module_stop_it_for_as_long(fault: str, code: int) -> None:
    bench = Bench().started()
    bench.wait(30)
    assert bench.device.fault(fault, 0, bench.now_ns) == ""
    error = (Command.STIMULATION_ERROR, bytes((code,)))
    assert [said[1:] for said in bench.said()] == [error]
    assert bench.events[-1]["why"] == fault
    assert bench.events[-1]["at_ns"] == bench.now_ns
    assert bench.mode == Mode.START
    for command, data in [
        (Command.SINGLE_PULSE, single_pulse(0, PULSE)),
        (Command.START_LIST, START),
    ]:
        if command is Command.START_LIST:
            assert bench.ask(Command.INIT_LIST, LIST) == 0
        assert bench.ask(command, data) == 0
        assert [tuple(more[1:]) for more in bench.more] == [error]
        assert bench.mode == Mode.START
    bench.wait(100)
    assert len(bench.given()) == 2
    bench.device.fault("healthy", 0, bench.now_ns)
    bench.wait(100)
    assert len(bench.given()) == 2  # by itself nothing resumes
    bench.ask(Command.INIT_LIST, LIST)
    bench.ask(Command.START_LIST, START)
    assert len(bench.given()) == 3


def test_an_electrode_that_comes_off_is_found_out_by_the_next_pulse() -> None:
    bench = Bench().started(start_list([PULSE, PULSE]), init_list(0b1001, 20_000))
    bench.wait(10)
    assert bench.device.fault("electrode", 4, bench.now_ns) == ""
    bench.wait(9)
    assert bench.events == []
    bench.wait(20)
    assert [p.channel for p in bench.given()] == [0, 3, 0]
    assert bench.events[-1]["why"] == "electrode"
    assert bench.events[-1]["at_ns"] == T0 + 21_500 * NS_PER_US
    assert [said[1:] for said in bench.said()] == [(Command.STIMULATION_ERROR, b"\xfe")]
    assert bench.ask(Command.SINGLE_PULSE, single_pulse(3, PULSE)) == 0
    assert [more.data for more in bench.more] == [b"\xfe"]
    assert bench.ask(Command.SINGLE_PULSE, single_pulse(0, PULSE)) == 0
    assert bench.more == []


def test_power_off_and_on_forgets_all() -> None:
    bench = Bench().started()
    bench.device.hear(encode(Packet(1, Command.GET_MODE)), T0)
    assert bench.device.fault("restart", 0, T0) == ""
    assert bench.answers() == []
    assert bench.events[-1]["why"] == "restart"
    bench.wait(0)
    assert bench.met().mode == Mode.START
    assert len(bench.given()) == 1


def test_what_cannot_befall_it_is_refused() -> None:
    for fault, channel in (("electrode", 0), ("electrode", 9), ("dance", 1)):
        assert "not with this device" in Bench().device.fault(fault, channel, T0)
