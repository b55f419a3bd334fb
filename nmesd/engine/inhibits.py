"""What forbids arming right now: one bit per Reason, each until it is cleared or its time is over."""

from __future__ import annotations

from nmesd.errors import Reason
from nmesd.units import NS_PER_S

FOREVER_NS = 2**62
PASSING_NS = (
    3 * NS_PER_S
)  # a gap or a wrong rate stays visible so long, and is looked for again meanwhile


class Inhibits:
    """A small set with expiry."""

    def __init__(self) -> None:
        self._until_ns: dict[Reason, int] = {}

    def set(self, reason: Reason, until_ns: int = FOREVER_NS) -> None:
        """Forbid arming for `reason` until then."""
        self._until_ns[reason] = until_ns

    def clear(self, *reasons: Reason) -> None:
        """These no longer forbid it."""
        for reason in reasons:
            self._until_ns.pop(reason, None)

    def mask(self, now_ns: int) -> int:
        """A bit per reason in force."""
        return sum(1 << reason for reason, until_ns in self._until_ns.items() if until_ns > now_ns)
