"""LSL outlets with the metadata that readers of EMG expect (XDF wiki, EEG-Meta-Data)."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import StreamError

if TYPE_CHECKING:
    import pylsl


class EmgOutlet:
    """A stream of EMG: float32 microvolts at a nominal rate.

    Every sample is pushed with its own time stamp. (LSL can also deduce those of a chunk from its
    last; it then loses them where samples are missing.)
    """

    def __init__(
        self, *, name: str, source_id: str, rate_hz: float, labels: Sequence[str], model: str,
        stream_type: str = "EMG",
    ) -> None:  # fmt: skip
        lsl = _pylsl()
        info = lsl.StreamInfo(name, stream_type, len(labels), rate_hz, "float32", source_id)
        desc = info.desc()
        channels = desc.append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "microvolts")
            channel.append_child_value("type", "EMG")
        _acquisition(desc, model, source_id)
        self.source_id = source_id
        self._outlet: pylsl.StreamOutlet = lsl.StreamOutlet(info)

    def push(self, emg_uv: NDArray[np.floating], stamps_s: NDArray[np.float64]) -> None:
        """Send samples, shape (n, channels), with their time stamps in LSL seconds, shape (n,)."""
        if len(emg_uv):
            self._outlet.push_chunk(emg_uv.astype(np.float32), stamps_s.tolist())

    def wait_for_consumers(self, timeout_s: float) -> bool:
        """True as soon as somebody listens, False after the timeout."""
        return bool(self._outlet.wait_for_consumers(timeout_s))


class MarkerOutlet:
    """A stream of type Markers: one string at irregular times, the first word saying what it is."""

    def __init__(self, *, name: str, source_id: str, model: str) -> None:
        lsl = _pylsl()
        info = lsl.StreamInfo(name, "Markers", 1, 0.0, "string", source_id)
        channel = info.desc().append_child("channels").append_child("channel")
        channel.append_child_value("label", "true attempts")
        _acquisition(info.desc(), model, source_id)
        self._outlet: pylsl.StreamOutlet = lsl.StreamOutlet(info)

    def push(self, text: str, stamp_s: float) -> None:
        """Send one marker with its time stamp in LSL seconds."""
        self._outlet.push_sample([text], stamp_s)


def unique_source_id(prefix: str) -> str:
    """A source_id nobody else has: with a shared one, receivers reconnect to the wrong sender."""
    return f"{prefix}-{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


def _acquisition(desc: pylsl.XMLElement, model: str, serial: str) -> None:
    acquisition = desc.append_child("acquisition")
    acquisition.append_child_value("manufacturer", "nmesd")
    acquisition.append_child_value("model", model)
    acquisition.append_child_value("serial_number", serial)
    # one clock makes samples and time stamps: nothing to correct
    synchronization = desc.append_child("synchronization")
    for key in ("offset_mean", "offset_rms", "offset_median"):
        synchronization.append_child_value(key, "0")


def _pylsl() -> pylsl:
    """The library, imported when first needed: without liblsl the import itself fails."""
    try:
        import pylsl  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:
        raise StreamError(
            f"LSL is not available ({error}): install pylsl, and liblsl too where pip brings none "
            "(Raspberry Pi)"
        ) from None
    return pylsl
