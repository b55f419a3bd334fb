"""The streams of a session, as they stand in session.xdf and go out over LSL: names, channels, units.

Channels carry the fields of the XDF wiki's EEG-Meta-Data page, and names of BIDS-EMG (`target_muscle`) where it
has one. All are stamped with the clock of whoever sends the EMG.

    nmesd-envelope   every hop: mode, flags, and of each column envelope, on and off threshold
    nmesd-output     of each stimulator channel what is asked for, and what the stimulator makes of it
    nmesd-events     cues, trials, changes of mode and threshold, as JSON
    nmesd-chunks     in session.xdf alone: how the EMG came, which a replay needs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from nmesd.core.values import Mode
from nmesd.sessions.xdf_writer import info_xml

ENVELOPE: Final = "nmesd-envelope"
OUTPUT: Final = "nmesd-output"
EVENTS: Final = "nmesd-events"
CHUNKS: Final = "nmesd-chunks"
HZ_PER_MHZ: Final = 1e-3


class Stream(NamedTuple):
    """What a stream says of itself."""

    name: str
    type: str
    rate_hz: float  # 0: irregular
    format: str  # as XDF names it: float32, double64, int64, string
    channels: tuple[Mapping[str, str], ...]
    source_id: str = ""
    desc: Mapping[str, Any] = {}

    def xml(self) -> str:
        """As the header of an XDF stream."""
        return info_xml(
            {
                "name": self.name,
                "type": self.type,
                "channel_count": len(self.channels),
                "nominal_srate": repr(float(self.rate_hz)),
                "channel_format": self.format,
                "source_id": self.source_id,
                "desc": self.description(),
            }
        )

    def description(self) -> dict[str, Any]:
        """Its <desc> element."""
        return {"channels": {"channel": list(self.channels)}, **self.desc}


def emg(settings: Mapping[str, Any], channels: int) -> Stream:
    """The EMG as the settings describe it, where the sender's own description is not known."""
    stream = settings.get("stream") or {}
    labels = stream.get("labels") or [f"ch_{n + 1}" for n in range(channels)]
    return Stream(
        stream.get("name", "EMG"),
        "EMG",
        stream.get("rate_mhz", 0) * HZ_PER_MHZ,
        "float32",
        tuple({"label": label, "unit": "microvolts", "type": "EMG"} for label in labels),
        stream.get("source_id", ""),
    )


def chunks() -> Stream:
    """How the EMG came."""
    names = (("epoch", "count"), ("first_sample", "count"), ("samples", "count"), ("arrival", "ns"))
    return Stream(
        CHUNKS, "Reception", 0, "int64",
        tuple({"label": name, "unit": unit, "type": "Misc"} for name, unit in names),
    )  # fmt: skip


def envelope(settings: Mapping[str, Any], source_id: str = "") -> Stream:
    """What every hop came to."""
    core, stream = settings.get("core") or {}, settings.get("stream") or {}
    hop_samples = max(1, core.get("hop_samples", 1))
    rows: list[Mapping[str, str]] = [
        {"label": "mode", "unit": "code", "type": "Misc"},
        {"label": "flags", "unit": "bits", "type": "Misc"},
    ]
    for what in ("envelope", "on threshold", "off threshold"):
        rows += [
            {
                "label": f"{label} {what}",
                "unit": "microvolts",
                "type": "EMG",
                "target_muscle": label,
            }
            for label in stream.get("columns", ())
        ]
    modes = {mode.name: int(mode) for mode in Mode}
    return Stream(
        ENVELOPE, "Envelope", core.get("rate_mhz", 0) * HZ_PER_MHZ / hop_samples, "float32", tuple(rows),
        source_id, {"modes": modes, **_made_here(source_id)},
    )  # fmt: skip


PER_OUTPUT: Final = (
    ("amplitude", "milliamperes"),
    ("pulse width", "microseconds"),
    ("period", "microseconds"),
    ("coded amplitude", "milliamperes"),
    ("coded pulse width", "microseconds"),
    ("coded period", "microseconds"),
)


def output(muscles: Sequence[tuple[int, str]], source_id: str = "") -> Stream:
    """What is commanded. muscles: channel of the stimulator, from 0, and the muscle under it."""
    rows = tuple(
        {
            "label": f"{channel + 1} {what}",
            "unit": unit,
            "type": "Stimulation",
            "target_muscle": muscle,
            "stimulator_channel": str(channel + 1),
        }
        for channel, muscle in muscles
        for what, unit in PER_OUTPUT
    )
    return Stream(OUTPUT, "Stimulation", 0, "float32", rows, source_id, _made_here(source_id))


def events(source_id: str = "") -> Stream:
    """What is told to people."""
    channel = {"label": "event", "unit": "JSON", "type": "Markers"}
    return Stream(EVENTS, "Markers", 0, "string", (channel,), source_id, _made_here(source_id))


def _made_here(source_id: str) -> dict[str, Any]:
    """No clock of its own, and nothing to correct: the stamps are the EMG's."""
    return {
        "acquisition": {"manufacturer": "nmesd", "serial_number": source_id},
        "synchronization": {"offset_mean": 0, "offset_rms": 0, "can_drop_samples": "true"},
    }
