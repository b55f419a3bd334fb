"""Which commands a device still owes an answer to. For every stimulator that acknowledges."""

from __future__ import annotations

from collections import deque

from nmesd.errors import DeviceError, Reason

_REMEMBERED = 64  # more than can be given up and still be on the line


class Answers:
    """Commands by number, each to be answered within `limit_ns`.

    An answer counts as in time if it was read before the guard looked at the clock: a guard that is late
    itself must not call the device late.
    """

    def __init__(self, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        self._awaited: dict[int, int] = {}  # number -> when sent, oldest first
        self._given_up: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def awaited(self) -> bool:
        """Is any answer owed?"""
        return bool(self._awaited)

    def expect(self, number: int, sent_ns: int) -> None:
        """Command `number` went out."""
        self._awaited[number] = sent_ns

    def take(self, number: int) -> int | None:
        """The answer to `number` came: when that was sent. None: it was given up, which is no surprise.

        Raises DEVICE_ANSWER if nobody asked.
        """
        if number in self._awaited:
            return self._awaited.pop(number)
        if number not in self._given_up:
            raise DeviceError(f"an answer nobody asked for, to {number}", Reason.DEVICE_ANSWER)
        self._given_up.remove(number)
        return None

    def check(self, now_ns: int) -> None:
        """Raises DEVICE_LATE if the oldest answer owed is overdue."""
        for sent_ns in self._awaited.values():
            if now_ns - sent_ns > self._limit_ns:
                raise DeviceError(
                    "no answer from the stimulator",
                    Reason.DEVICE_LATE,
                    now_ns - sent_ns,
                    self._limit_ns,
                )
            return

    def give_up(self) -> None:
        """Expect nothing any more: it was told. What still comes is late, not odd."""
        self._given_up.extend(self._awaited)
        self._awaited.clear()
