"""mne-lsl's StreamLSL with its own filter and a callback: see receiving.py. Needs the environment of the peers.

A last argument of seconds: its acquisition thread looks so often, 0.001 is its default. "acquired": the loop calls
`acquire` itself and waits for nothing, which takes a whole core.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from mne_lsl.stream import StreamLSL
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
    """The callback decides."""
    wanted, how = asked(), sys.argv[5]
    polled = how != "acquired"
    go_real_time(wanted.priority)
    stream = StreamLSL(2, name=wanted.stream)
    stream.connect(acquisition_delay=float(how) if polled else None)
    rate_hz, channels = stream.info["sfreq"], len(stream.ch_names)
    low = butter(ENVELOPE_ORDER, ENVELOPE_HZ, fs=rate_hz, output="sos")
    zi = np.zeros((len(low), 2, channels))
    taken, going = Taken(wanted), True

    def decide(data: Any, stamps: Any, _: Any) -> Any:
        nonlocal zi, going
        envelope, zi = sosfilt(low, np.abs(data), axis=0, zi=zi)
        if (envelope[-1] > THRESHOLD_UV).any():
            raise RuntimeError("noise is over the threshold")
        going = going and taken.add(stamps[-1])
        return data, stamps

    stream.filter(*BAND_HZ, iir_params={"order": ORDER, "ftype": "butter", "output": "sos"})
    stream.add_callback(decide)
    while going:
        if polled:
            time.sleep(0.05)
        else:
            stream.acquire()
    stream.disconnect()
    taken.save()


if __name__ == "__main__":
    main()
