"""What happens in a session, as events for people and programs: cues, trials, changes of mode and threshold.

The same objects go to the log, as LSL markers, and to whoever watches at the control socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from nmesd.core.journal import Entry, to_json
from nmesd.core.values import Cue, ModeChanged, Refused, ThresholdChanged, TrialDone, Vetoed
from nmesd.errors import explain

NAMES = {
    Cue: "cue",
    TrialDone: "trial",
    ModeChanged: "mode",
    ThresholdChanged: "threshold",
    Vetoed: "veto",
    Refused: "refused",
}
MOST_WAITING = 1000  # events a watcher may be behind


def event_of(entry: Entry, muscles: Sequence[str]) -> dict[str, Any] | None:
    """The event of a journal entry; None for what goes on too often to be told, and for acts.

    muscles: their labels; an event names them by these, or null where it is everybody's.
    """
    name = NAMES.get(type(entry))
    if name is None:
        return None
    facts = to_json(entry)
    del facts["entry"]
    if isinstance(entry, ModeChanged | Refused) and entry.reason:
        facts["text"] = explain(entry.reason, entry.value, entry.limit)
    if "muscle" in facts:
        number = facts["muscle"]
        facts["muscle"] = muscles[number] if number >= 0 else None
    return {"event": name, **facts}


class Hub:
    """Hands every event to everybody who watches. One who does not read loses the connection, and nobody else."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def publish(self, event: dict[str, Any]) -> None:
        """To all, without waiting."""
        for queue in list(self._watchers):
            if queue.qsize() >= MOST_WAITING:
                self._watchers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """Events from now on."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._watchers.discard(queue)
