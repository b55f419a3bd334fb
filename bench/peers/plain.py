"""A plain loop of pylsl and scipy, as one would write it first and well: see receiving.py."""

from __future__ import annotations

import numpy as np
import pylsl
from scipy.signal import butter, sosfilt

from bench.peers.receiving import (
    BAND_HZ,
    ENVELOPE_HZ,
    ENVELOPE_ORDER,
    ORDER,
    THRESHOLD_UV,
    Taken,
    asked,
    go_real_time,
)


def main() -> None:
    """Pull, filter, compare."""
    wanted = asked()
    go_real_time(wanted.priority)
    (found,) = pylsl.resolve_byprop("name", wanted.stream, timeout=10)
    inlet = pylsl.StreamInlet(found, max_buflen=1, recover=False)
    inlet.open_stream()
    rate_hz, channels = found.nominal_srate(), found.channel_count()
    band = butter(ORDER, BAND_HZ, "bandpass", fs=rate_hz, output="sos")
    low = butter(ENVELOPE_ORDER, ENVELOPE_HZ, fs=rate_hz, output="sos")
    band_zi, low_zi = (np.zeros((len(sos), 2, channels)) for sos in (band, low))
    taken, going = Taken(wanted), True
    while going:
        samples, stamps = inlet.pull_chunk(timeout=0.1, min_samples=1, as_numpy=True)
        if not len(stamps):
            continue
        filtered, band_zi = sosfilt(band, samples, axis=0, zi=band_zi)
        envelope, low_zi = sosfilt(low, np.abs(filtered), axis=0, zi=low_zi)
        if (envelope[-1] > THRESHOLD_UV).any():
            raise RuntimeError("noise is over the threshold")
        going = taken.add(stamps[-1])
    taken.save()


if __name__ == "__main__":
    main()
