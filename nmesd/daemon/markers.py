"""Events as LSL markers, so that whoever records the EMG has cues and trials on the same clock."""

from __future__ import annotations

import json
from typing import Any

import structlog

NAME = "nmesd"


class Markers:
    """One outlet: a stream of type Markers, one JSON text an event, stamped when it is told."""

    def __init__(self, lsl_config: str) -> None:
        """Open the outlet. Without LSL there are no markers, and everything else goes on."""
        self._outlet: Any = None
        try:
            import pylsl  # noqa: PLC0415 - its library may be missing

            pylsl.util.set_config_content(lsl_config)
            info = pylsl.StreamInfo(NAME, "Markers", 1, pylsl.IRREGULAR_RATE, "string", NAME)
            self._outlet = pylsl.StreamOutlet(info)
        except (ImportError, RuntimeError, OSError) as error:
            structlog.get_logger(room="daemon").warning("no LSL markers", error=str(error))

    def push(self, event: dict[str, Any]) -> None:
        """Send one."""
        if self._outlet is not None:
            self._outlet.push_sample([json.dumps(event, ensure_ascii=False)])
