"""What each message means, from the reasons themselves: `python -m nmesd.daemon.messages > docs/messages.md`."""

from __future__ import annotations

import sys
from typing import Final

from nmesd.errors import EXPLAIN, Reason

HEAD: Final = """# What each message means

Generated from `EXPLAIN` in `nmesd/errors.py` by `python -m nmesd.daemon.messages`; a test keeps the two the same.

Disarmed, a reason *inhibits*: it forbids arming for as long as it lasts, and goes by itself. Armed, it *trips*:
zero at once, and `TRIPPED` until an operator looked after the person, removed the cause and typed `nmesd reset`.
Of several the first is kept. Where "report this" stands it is a fault of nmesd: keep `nmesd log` and the folder of
the session.
"""
PARTS: Final = {  # by the beginning of the name, in the order of the page; the first that fits
    "People": ("OPERATOR_",),
    "EMG": ("EMG_",),
    "Stimulator": ("DEVICE_",),
    "A limit of guard.toml": ("LIMIT_",),
    "The computer": ("ENGINE_", "CLOCK_", "DAEMON_", "GUARD_", "LEASE_", "MACHINE_"),
    "Between the processes": ("FRAME_", "SESSION_", "BELIEF_"),
}
_UNITS: Final = {"ns": "ms", "channel": "channel"}  # in which it is told, where that is not its own


def page() -> str:
    """docs/messages.md."""
    parts = [HEAD]
    for title, beginnings in PARTS.items():
        rows = [_row(reason) for reason in EXPLAIN if reason.name.startswith(beginnings)]
        table = ["| reason | what it means | its number | what to do |", "|---|---|---|---|", *rows]
        parts.append(f"## {title}\n\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def _row(reason: Reason) -> str:
    text, remedy, unit = EXPLAIN[reason]
    return f"| `{reason.name}` | {text} | {_UNITS.get(unit, unit)} | {remedy} |"


if __name__ == "__main__":
    sys.stdout.write(page())
