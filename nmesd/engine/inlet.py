"""The EMG stream: found, checked, opened and pulled without waiting for more than the first sample.

liblsl gives no sign of a stale, late or overflowing stream (`watch.py` does). One thread owns everything here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pylsl

from nmesd.engine.matching import StreamFacts, opened_mismatches
from nmesd.engine.pull import Pull
from nmesd.engine.settings import StreamSpec
from nmesd.errors import StreamError
from nmesd.units import NS_PER_S

BUFFER_S = 1  # whole seconds, the least pylsl can say
OPEN_S = 2.0
FORGET_S = 2.0  # a stream not heard of for so long is gone


class Search:
    """Looks for streams in the background, in liblsl's own thread."""

    def __init__(self) -> None:
        self._resolver = pylsl.ContinuousResolver(forget_after=FORGET_S)

    def results(self) -> list[tuple[StreamFacts, pylsl.StreamInfo]]:
        """What is on the network now. Does not wait."""
        return [(facts(info), info) for info in self._resolver.results()]


def facts(info: pylsl.StreamInfo, *, opened: bool = False) -> StreamFacts:
    """What a stream says of itself."""
    labels = info.get_channel_labels() if opened else None
    units = info.get_channel_units() if opened else None
    return StreamFacts(
        info.name(),
        info.type(),
        info.source_id(),
        info.hostname(),
        info.channel_count(),
        info.nominal_srate(),
        info.channel_format(),
        info.uid(),
        tuple(label or "" for label in labels or ()),
        tuple(unit or "" for unit in units or ()),
    )


class Inlet:
    """An open stream, with memory that does not grow.

    Raises StreamError from the constructor if the stream is not as described or does not open, and from `pull`
    when it is gone.
    """

    def __init__(self, info: pylsl.StreamInfo, spec: StreamSpec) -> None:
        try:
            self._inlet = pylsl.StreamInlet(
                info, max_buflen=BUFFER_S, recover=False, processing_flags=pylsl.proc_none
            )
            full = self._inlet.info(OPEN_S)
            self.facts, self.xml = facts(full, opened=True), full.as_xml()
            wrong = opened_mismatches(spec, self.facts)
            if wrong:
                raise StreamError("; ".join(wrong))
            self._inlet.open_stream(OPEN_S)
        except (pylsl.util.TimeoutError, pylsl.util.LostError, RuntimeError) as error:
            raise StreamError(f"does not open: {error}") from None
        most = max(2, spec.speed * BUFFER_S * spec.rate_mhz // 1000)
        self._samples = np.empty((most, self.facts.channels), dtype=np.float32)
        self._stamps_s = np.empty(most)
        self._pull = Pull(self._inlet, self._samples, self._stamps_s)

    def pull(self, timeout_s: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """(samples (n, channels) microvolts, time stamps (n,) ns); n is 0 if nothing came. A view."""
        try:
            samples = self._pull(timeout_s)
        except (pylsl.util.LostError, RuntimeError) as error:
            raise StreamError(f"the stream ended: {error}") from None
        stamps_s = self._stamps_s[:samples]
        return self._samples[:samples], (stamps_s * NS_PER_S).astype(np.int64)

    def flush(self) -> None:
        """Drop what waits in the buffer, so that nothing old is decided on."""
        self._inlet.flush()
