"""What the engine tells, on its way to the record and to LSL: each number once, stamped with the EMG's clock."""

from __future__ import annotations

import json
import socket
from typing import Any

import numpy as np
import numpy.typing as npt

from nmesd.core.journal import Entry
from nmesd.core.values import SetOutput
from nmesd.daemon.derived import Derived
from nmesd.daemon.emg_clock import EmgClock
from nmesd.daemon.engine_config import Config
from nmesd.daemon.outlets import Outlets
from nmesd.daemon.record import Record
from nmesd.sessions.streams import ENVELOPE, EVENTS, OUTPUT
from nmesd.units import NS_PER_S
from nmesd.wire import Capabilities, Hops


class Broadcast:
    """Record and outlets, fed alike."""

    def __init__(self, record: Record, lsl_config: str) -> None:
        self._record, self._outlets = record, Outlets(lsl_config)
        self.clock = EmgClock(record.clock)
        self._derived: Derived | None = None

    def begin(self, config: Config) -> None:
        """An engine begins, and with it a session."""
        self._derived = Derived(config, socket.gethostname())
        self._record.open(config, self._derived.streams)
        self._outlets.offer(self._derived.streams)

    def opened(self, xml: str) -> None:
        """The stream of EMG that was opened, as it describes itself."""
        self._record.opened(xml)
        self.clock.opened(xml)

    def device(self, device: Capabilities) -> None:
        """The stimulator behind the guard."""
        if self._derived is not None:
            self._derived.device(device)

    def hops(self, frame: Hops) -> None:
        """What every hop came to."""
        if self._derived is not None:
            stamps_s, rows = self._derived.hops(frame)
            self._record.rows(ENVELOPE, stamps_s, rows)
            self._send(ENVELOPE, stamps_s, rows)

    def note(self, hop: int, entry: Entry, stamp_ns: int) -> None:
        """An entry of the journal."""
        self._record.entry(hop, entry, stamp_ns)
        if self._derived is None or not isinstance(entry, SetOutput):
            return
        row = self._derived.output(entry)
        if row is not None:
            stamps_s = np.array([self._stamp_s(stamp_ns)])
            self._record.rows(OUTPUT, stamps_s, row)
            self._send(OUTPUT, stamps_s, row)

    def event(self, event: dict[str, Any], stamp_ns: int) -> None:
        """A cue, a trial, a change of mode or threshold."""
        text, stamp_s = json.dumps(event, ensure_ascii=False), self._stamp_s(stamp_ns)
        self._record.text(EVENTS, stamp_s, text)
        if self.clock.known:
            self._outlets.text(EVENTS, stamp_s + self.clock.offset_s, text)

    def _send(
        self, name: str, stamps_s: npt.NDArray[np.float64], rows: npt.NDArray[np.float32]
    ) -> None:
        """Over LSL with the time on our clock; not while nobody knows it, in the first second of a far stream."""
        if self.clock.known:
            self._outlets.rows(name, stamps_s + self.clock.offset_s, rows)

    def _stamp_s(self, stamp_ns: int) -> float:
        """Before the first sample of EMG it is now."""
        return stamp_ns / NS_PER_S if stamp_ns else self.clock.now_s()
