"""Our streams over LSL, so that whoever records the EMG has envelope, output and events without asking us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from nmesd.sessions.streams import Stream


class Outlets:
    """An outlet for each stream. Without LSL there are none, and everything else goes on."""

    def __init__(self, lsl_config: str) -> None:
        self._lsl_config = lsl_config
        self._lsl: Any = None
        self._outlets: dict[str, tuple[Stream, Any]] = {}

    def offer(self, streams: Iterable[Stream]) -> None:
        """These and no others. One that is there already stays, and so does whoever listens to it."""
        if self._lsl is None:
            try:
                import pylsl  # noqa: PLC0415 - its library may be missing
            except (ImportError, RuntimeError, OSError) as error:
                structlog.get_logger(room="daemon").warning("no LSL outlets", error=str(error))
                return
            pylsl.util.set_config_content(self._lsl_config)
            self._lsl = pylsl
        wanted = {stream.name: stream for stream in streams}
        for name, (stream, _) in list(self._outlets.items()):
            if wanted.get(name) != stream:
                del self._outlets[name]
        for name in wanted.keys() - self._outlets.keys():
            self._outlets[name] = wanted[name], self._outlet(wanted[name])

    def rows(
        self, name: str, stamps_s: npt.NDArray[np.float64], rows: npt.NDArray[np.float32]
    ) -> None:
        """Send samples, (n, channels), each with its time on our clock."""
        if name in self._outlets:
            self._outlets[name][1].push_chunk(rows, stamps_s.tolist())

    def text(self, name: str, stamp_s: float, text: str) -> None:
        """Send a marker with its time on our clock."""
        if name in self._outlets:
            self._outlets[name][1].push_sample([text], stamp_s)

    def _outlet(self, stream: Stream) -> Any:
        info = self._lsl.StreamInfo(
            stream.name,
            stream.type,
            len(stream.channels),
            stream.rate_hz,
            stream.format,
            stream.source_id,
        )
        _describe(info.desc(), stream.description())
        return self._lsl.StreamOutlet(info)


def _describe(element: Any, facts: Mapping[str, Any]) -> None:
    """XML of texts, mappings and lists of mappings, as `xdf_writer.info_xml` makes it."""
    for name, value in facts.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Mapping):
                _describe(element.append_child(name), one)
            else:
                element.append_child_value(name, str(one))
