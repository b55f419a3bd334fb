"""The state diagram of the machine, from its table: `python -m nmesd.core.diagram > docs/states.md`."""

from __future__ import annotations

import sys

from nmesd.core.machine import TABLE
from nmesd.core.values import Mode

HEAD = """# States of a session

Generated from `TABLE` in `nmesd/core/machine.py` by `python -m nmesd.core.diagram`; a test keeps the two the same.
The rules stand at the top of that file. Stop comes first: from every state a trip leads to TRIPPED, and an
operator's disarm to DISARMED, in one step and at zero; these two are left out of the picture.

"""


def mermaid() -> str:
    """The diagram, but for what leads from everywhere to TRIPPED and to DISARMED."""
    arrows = [
        f"    {before.name} --> {row.after.name}: {row.words}"
        for row in TABLE
        for before in row.before
        if not _from_everywhere(row.after, len(row.before))
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> DISARMED", *arrows])


def _from_everywhere(after: Mode, count: int) -> bool:
    return after in (Mode.TRIPPED, Mode.DISARMED) and count > len(Mode) // 2


def page() -> str:
    """docs/states.md: the diagram, and the whole table."""
    rows = [
        f"| {', '.join(mode.name for mode in row.before)} | {row.why.name} | {row.after.name} | {row.words} |"
        for row in TABLE
    ]
    table = "\n".join(["| in | because | to | |", "|---|---|---|---|", *rows])
    return f"{HEAD}```mermaid\n{mermaid()}\n```\n\n{table}\n"


if __name__ == "__main__":
    sys.stdout.write(page())
