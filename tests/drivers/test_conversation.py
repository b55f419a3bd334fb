"""Commands and answers on a serial line that somebody else holds."""

import os
import select
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from nmesd.drivers import sciencemode4_packets as sm4
from nmesd.drivers.answers import Answers
from nmesd.drivers.conversation import Conversation
from nmesd.drivers.hasomed_bytes import Packet
from nmesd.errors import DeviceError, Reason
from nmesd.units import NS_PER_MS, NS_PER_S
from tests.drivers.held_line import START_NS, HeldLine

STOP, INIT = sm4.Command.LL_STOP, sm4.Command.LL_INIT
LIMIT_NS = 150 * NS_PER_MS


@pytest.fixture
def held() -> Iterator[HeldLine]:
    held = HeldLine("sciencemode4", first=62)
    yield held
    held.close()


@pytest.fixture
def line(held: HeldLine) -> Conversation:
    line = held.driver._line
    assert isinstance(line, Conversation)
    return line


def hear(line: Conversation) -> list[Packet]:
    return list(line.hear())


def test_commands_of_one_send_are_one_write_with_numbers_that_wrap(
    held: HeldLine, line: Conversation
) -> None:
    assert line.send([(INIT, b"\0"), (STOP, b""), (STOP, b"")], START_NS) == [62, 63, 0]
    assert held.raw() == b"".join(
        sm4.encode(packet)
        for packet in (Packet(62, INIT, b"\0"), Packet(63, STOP), Packet(0, STOP))
    )
    assert line.sent_ns == START_NS
    assert line.awaiting


def test_every_number_comes_once_before_any_comes_again(line: Conversation) -> None:
    numbers = [line.next_number() for _ in range(256)]
    assert sorted(numbers[:64]) == list(range(64))
    assert all(after == (before + 1) % 64 for before, after in pairwise(numbers))


def test_two_guards_hardly_begin_with_the_same_number() -> None:
    first = set()
    for _ in range(60):
        held = HeldLine("sciencemode2", parity="none")
        fresh = Conversation(held.path, held.driver._line._dialect, LIMIT_NS)
        first.add(fresh.next_number())
        held.close()
    assert len(first) > 20


def test_an_answer_is_taken_once(held: HeldLine, line: Conversation) -> None:
    (number,) = line.send([(STOP, b"")], START_NS)
    answer = Packet(number, STOP + 1, b"\0")
    line.answered(answer)
    assert not line.awaiting
    with pytest.raises(DeviceError, match="nobody asked for"):
        line.answered(answer)


def test_an_answer_with_the_number_of_another_command_is_odd(line: Conversation) -> None:
    (number,) = line.send([(STOP, b"")], START_NS)
    with pytest.raises(DeviceError, match="answer 1 to 4") as caught:
        line.answered(Packet(number, INIT + 1, b"\0"))
    assert caught.value.reason is Reason.DEVICE_ANSWER
    assert line.awaiting


def test_a_number_that_has_come_round_is_that_of_its_last_command(
    held: HeldLine, line: Conversation
) -> None:
    for turn in range(130):
        (number,) = line.send([(STOP if turn % 3 else INIT, b"")], START_NS + turn)
        line.answered(Packet(number, (STOP if turn % 3 else INIT) + 1, b"\0"))
        assert not line.awaiting
    held.raw()


def test_a_stop_is_owed_until_that_very_one_is_answered(line: Conversation) -> None:
    line.stop([(STOP, b"")], START_NS)
    line.stop([(INIT, b""), (STOP, b"")], START_NS + 1)
    line.answered(Packet(62, STOP + 1, b"\0"))
    line.answered(Packet(63, INIT + 1, b"\0"))
    assert line.stop_owed
    line.answered(Packet(0, STOP + 1, b"\0"))
    assert not line.stop_owed


def test_what_was_asked_before_a_stop_that_is_answered_is_no_more_expected(
    line: Conversation,
) -> None:
    line.send([(INIT, b"")], START_NS)
    line.stop([(STOP, b"")], START_NS + 1)
    line.answered(Packet(63, STOP + 1, b"\0"))
    assert not line.awaiting
    line.check(START_NS + NS_PER_S)
    line.answered(Packet(62, INIT + 1, b"\0"))  # nor is it odd if it comes


def test_the_oldest_answer_that_is_owed_is_the_one_that_is_late(line: Conversation) -> None:
    line.send([(INIT, b"")], START_NS)
    line.send([(STOP, b"")], START_NS + LIMIT_NS)
    line.check(START_NS + LIMIT_NS)
    with pytest.raises(DeviceError) as caught:
        line.check(START_NS + LIMIT_NS + 5)
    assert (caught.value.value, caught.value.limit) == (LIMIT_NS + 5, LIMIT_NS)
    line.answered(Packet(62, INIT + 1, b"\0"))
    line.check(START_NS + 2 * LIMIT_NS)


def test_after_giving_up_answers_are_late_and_not_odd(line: Conversation) -> None:
    line.send([(INIT, b""), (STOP, b"")], START_NS)
    line.give_up()
    line.check(START_NS + NS_PER_S)
    line.answered(Packet(63, STOP + 1, b"\0"))
    line.answered(Packet(62, INIT + 1, b"\0"))
    with pytest.raises(DeviceError, match="nobody asked for"):
        line.answered(Packet(62, INIT + 1, b"\0"))


def test_a_number_that_was_given_up_and_comes_round_is_expected_again() -> None:
    answers = Answers(LIMIT_NS)
    answers.expect(5, START_NS)
    answers.give_up()
    answers.expect(5, START_NS + NS_PER_S)
    answers.take(5)
    assert not answers.awaited
    answers.check(START_NS + 10 * NS_PER_S)


def test_packets_are_heard_in_order_and_noise_is_said_after_them(
    held: HeldLine, line: Conversation
) -> None:
    packets = [Packet(number, STOP + 1, b"\0") for number in range(5)]
    coded = [sm4.encode(packet) for packet in packets]
    os.write(held.master, b"noise " + coded[0] + b"noise " + b"".join(coded[1:]))
    assert select.select([line], [], [], 5)[0]
    said = line.hear()
    heard = [next(said) for _ in packets]
    with pytest.raises(DeviceError, match="12 bytes that belong to no packet") as caught:
        next(said)
    assert heard == packets
    assert caught.value.reason is Reason.DEVICE_ANSWER
    assert hear(line) == []


def test_what_is_wrong_with_a_packet_costs_no_byte_of_the_next(
    held: HeldLine, line: Conversation
) -> None:
    right = sm4.encode(Packet(7, STOP + 1, b"\0"))
    with pytest.raises(DeviceError, match="damaged packet"):
        held.say(right[:-2] + b"\x7e" + right[-1:], START_NS)
    line.send([(STOP, b"")], START_NS)
    held.answer(held.one(), START_NS)
    assert not line.awaiting


def test_a_question_is_answered_past_noise_damage_and_other_packets(
    held: HeldLine, line: Conversation
) -> None:
    right = sm4.encode(Packet(62, STOP + 1, b"\5"))
    others = sm4.encode(Packet(61, STOP + 1)) + sm4.encode(Packet(62, INIT + 1))
    os.write(held.master, b"noise" + right[:-2] + b"x" + right[-1:] + others + right)
    assert line.ask(STOP, within_ns=20 * NS_PER_S) == (62, STOP + 1, b"\5")
    assert not line.awaiting


def test_a_question_that_is_not_answered_is_late_after_its_own_time(line: Conversation) -> None:
    began_ns = time.monotonic_ns()
    with pytest.raises(DeviceError, match="no answer: check that the stimulator is on") as caught:
        line.ask(STOP, within_ns=50 * NS_PER_MS)
    assert time.monotonic_ns() - began_ns >= 50 * NS_PER_MS
    assert caught.value.reason is Reason.DEVICE_LATE
    assert not line.awaiting


def test_one_that_is_gone_takes_nothing_says_nothing_and_says_so_once(
    held: HeldLine, line: Conversation
) -> None:
    held.vanish()
    with pytest.raises(DeviceError, match="is gone"):
        hear(line)
    assert line.fileno() == -1
    assert hear(line) == []
    for _ in range(2):
        with pytest.raises(DeviceError, match="not connected: restart the guard"):
            line.send([(STOP, b"")], START_NS)
        with pytest.raises(DeviceError, match="not connected: restart the guard"):
            line.ask(STOP, within_ns=NS_PER_S)
    assert not line.awaiting


def test_one_that_vanishes_while_it_is_asked_does_not_keep_us_waiting(
    held: HeldLine, line: Conversation
) -> None:
    held.vanish()
    with pytest.raises(DeviceError, match=r"gone|not connected"):
        line.ask(STOP, within_ns=20 * NS_PER_S)


def test_opened_anew_it_owes_and_expects_nothing(held: HeldLine, line: Conversation) -> None:
    line.stop([(STOP, b"")], START_NS)
    line.close()
    assert line.fileno() == -1
    line.open()
    assert not line.awaiting
    assert not line.stop_owed
    line.check(START_NS + NS_PER_S)


def test_whoever_looks_sees_every_packet_both_ways(held: HeldLine, line: Conversation) -> None:
    seen: list[tuple[str, str, bytes]] = []
    line.trace = lambda *what: seen.append(what)
    (number,) = line.send([(STOP, b"")], START_NS)
    sent = held.raw()
    answer = sm4.encode(Packet(number, STOP + 1, b"\0"))
    held.say(answer, START_NS)
    with pytest.raises(DeviceError, match="answer 999"):
        held.tell(3, 999, b"", START_NS)
    assert seen[:2] == [("->", "LL_STOP", sent), ("<-", "LL_STOP_ACK", answer)]
    assert seen[2][:2] == ("<-", "999")
