"""Files of a session folder, and the lines of events.jsonl that are about the record itself."""

from __future__ import annotations

from typing import Final

SESSION: Final = "session.toml"
EVENTS: Final = "events.jsonl"
SIGNALS: Final = "session.xdf"

COVERED: Final = "covered"  # so far, with these checksums, the other files are on the disk
SIGNALS_END: Final = "signals end"  # EMG is no longer kept, and why
CLOSED: Final = "closed"  # the last line of a record that was not cut off
