"""Links over real sockets: numbered, never blocking, never hiding a loss."""

import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmesd.errors import LinkError
from nmesd.wire import MAX_FRAME, Beat, Disarm, Link, Raw, Received, Stop, encode, listens

Pair = tuple[Link, Link]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    links = Link(one), Link(other)
    yield links
    for link in links:
        link.close()


def drain(link: Link) -> list[Received]:
    received = []
    while (frame := link.receive()) is not None:
        received.append(frame)
    return received


def test_each_direction_numbers_its_frames_from_one(pair: Pair) -> None:
    one, other = pair
    before_ns = time.monotonic_ns()
    assert all(one.send(Disarm(n)) for n in range(5))
    assert other.send(Beat())
    received = drain(other)
    assert [(r.sequence, r.frame) for r in received] == [(n + 1, Disarm(n)) for n in range(5)]
    assert [r.sequence for r in drain(one)] == [1]
    assert (one.sequence, other.sequence) == (5, 1)
    times_ns = [before_ns, *(r.t_ns for r in received), time.monotonic_ns()]
    assert times_ns == sorted(times_ns)


def test_what_was_received_is_not_overwritten_by_what_comes_next(pair: Pair) -> None:
    one, other = pair
    sent = [Raw(0, 0, 0, 0, 0, bytes([n]) * size) for n, size in ((1, 1000), (2, 1000), (3, 10))]
    assert all(map(one.send, sent))
    assert [received.frame for received in drain(other)] == sent


def test_nothing_there_is_none_at_once(pair: Pair) -> None:
    one, _ = pair
    assert one.receive() is None
    assert not one.closed


def test_a_frame_the_peer_has_no_room_for_is_counted_and_leaves_a_gap(pair: Pair) -> None:
    one, other = pair
    sent = 0
    while one.send(Raw(0, 0, 0, 0, 0, bytes(1000))):
        sent += 1
        assert sent < 100_000
    for _ in range(2):
        assert not one.send(Beat())
    assert one.dropped == 3
    assert not one.closed
    assert [r.sequence for r in drain(other)] == list(range(1, sent + 1))
    assert one.send(Beat())
    assert [r.sequence for r in drain(other)] == [sent + 4]
    assert one.dropped == 3


def test_numbers_wrap_at_32_bits(pair: Pair) -> None:
    one, other = pair
    one._sent = 2**32 - 2
    assert all(one.send(Beat()) for _ in range(3))
    assert [r.sequence for r in drain(other)] == [2**32 - 1, 0, 1]


def test_what_was_sent_before_the_end_arrives_before_the_end(pair: Pair) -> None:
    one, other = pair
    one.send(Beat())
    one.close()
    assert (one.closed, other.closed) == (True, False)
    assert [r.frame for r in drain(other)] == [Beat()]
    assert (one.closed, other.closed) == (True, True)
    assert other.receive() is None


def test_last_words_are_heard_though_their_sender_did_not_read_ours(pair: Pair) -> None:
    one, other = pair
    assert one.send(Beat())
    assert other.send(Stop(30, 1, 2))
    other.close()
    last = one.receive()
    assert last is not None
    assert last.frame == Stop(30, 1, 2)
    assert one.receive() is None
    assert one.closed


def test_sending_to_nobody_closes(pair: Pair) -> None:
    one, other = pair
    other.close()
    assert not one.send(Beat())
    assert one.closed
    assert not one.send(Beat())
    assert one.dropped == 0


def test_after_its_own_end_a_link_neither_sends_nor_raises(pair: Pair) -> None:
    one, _ = pair
    one.close()
    assert one.receive() is None
    assert not one.send(Beat())


def test_a_bad_frame_raises_and_the_next_one_is_read() -> None:
    raw, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link = Link(other)
    with raw:
        raw.send(b"rubbish")
        raw.send(encode(Beat(), 1, 1)[:-1])
        raw.send(encode(Beat(), 2, 1) + bytes(MAX_FRAME))  # cut by the receiver
        raw.send(encode(Beat(), 3, 1))
        for _ in range(3):
            with pytest.raises(LinkError):
                link.receive()
        received = link.receive()
        assert received is not None
        assert received.sequence == 3
    link.close()


def test_a_field_that_does_not_fit_raises_and_uses_a_number_up(pair: Pair) -> None:
    one, other = pair
    with pytest.raises(LinkError):
        one.send(Disarm(-1))
    one.send(Beat())
    assert [r.sequence for r in drain(other)] == [2]


def test_somebody_listens_where_a_socket_is_and_nobody_where_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    assert not listens(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        assert not listens(path)
        listener.listen(4)
        assert listens(path)
    assert Path(path).exists()
    assert not listens(path)


def test_somebody_listens_though_there_is_no_room(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting = []
        for _ in range(50):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            sock.setblocking(False)
            waiting.append(sock)
            if sock.connect_ex(path):
                break
        assert len(waiting) < 50
        assert listens(path)
        for sock in waiting:
            sock.close()


def test_a_link_can_be_selected(pair: Pair) -> None:
    one, other = pair
    assert select.select([one], [], [], 0)[0] == []
    other.send(Beat())
    assert select.select([one], [], [], 1)[0] == [one]
