"""Frames that are held back for a while: in order, none lost, none of them too long."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.errors import LinkError
from nmesd.wire import MAX_FRAME, Beat, Bundle, Frame, Gatherer, Link, Opened, Received, unbundled
from nmesd.wire.bundle import GATHER_NS
from nmesd.wire.codec import encode


def opened(letters: int) -> Opened:
    return Opened(b"x" * letters)


class Ends:
    """Both ends of a connection."""

    def __init__(self) -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (near, far):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        self.near, self.far = Link(near), Link(far)
        self.gatherer = Gatherer(self.near)
        self.messages = 0

    def heard(self) -> list[Frame]:
        frames = []
        while (received := self.far.receive()) is not None:
            self.messages += 1
            frames += [one.frame for one in unbundled(received)]
        return frames

    def close(self) -> None:
        self.near.close()
        self.far.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


def test_held_until_it_is_time_then_one_message(ends: Ends) -> None:
    for n in range(3):
        ends.gatherer.add(opened(n), 1000 + n)
    ends.gatherer.flush_if_due(1000 + GATHER_NS - 1)
    assert ends.heard() == []
    ends.gatherer.flush_if_due(1000 + GATHER_NS)
    assert ends.heard() == [opened(0), opened(1), opened(2)]
    assert ends.messages == 1
    ends.gatherer.flush_if_due(1000 + 2 * GATHER_NS)
    assert ends.heard() == []  # once


def test_what_is_urgent_takes_all_with_it(ends: Ends) -> None:
    ends.gatherer.add(opened(1), 1000)
    ends.gatherer.add(Beat(), 1000, urgent=True)
    ends.gatherer.flush_if_due(1000)
    assert ends.heard() == [opened(1), Beat()]
    ends.gatherer.add(opened(2), 1001)
    ends.gatherer.flush_if_due(1001)
    assert ends.heard() == []  # the next is not


def test_what_is_too_long_to_be_held_goes_at_once_by_itself_and_behind_what_was_held(
    ends: Ends,
) -> None:
    long = opened(MAX_FRAME - 20)
    ends.gatherer.add(opened(1), 1000)
    ends.gatherer.add(long, 1000)
    assert ends.heard() == [opened(1), long]
    assert ends.messages == 2


@given(st.lists(st.integers(0, MAX_FRAME - 20), max_size=12), st.integers(0, 12))
def test_any_lengths_come_in_order(lengths: list[int], after: int) -> None:
    ends = Ends()
    heard = []
    for n, letters in enumerate(lengths):
        ends.gatherer.add(opened(letters), 0)
        if n == after:
            ends.gatherer.flush()
        heard += ends.heard()
    ends.gatherer.flush()
    heard += ends.heard()
    assert heard == [opened(letters) for letters in lengths]
    assert ends.near.dropped == 0
    ends.close()


@pytest.mark.parametrize("short", [1, 3, 4, 8])
def test_a_damaged_bundle_is_refused(short: int) -> None:
    data = encode(opened(3), 0, 0)
    payload = len(data).to_bytes(4, "little") + data
    with pytest.raises(LinkError):
        list(unbundled(Received(1, 0, Bundle(payload + payload[:-short]))))
    with pytest.raises(LinkError):
        list(unbundled(Received(1, 0, Bundle(payload + payload[:short]))))
